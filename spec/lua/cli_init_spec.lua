-- SPDX-License-Identifier: MIT
-- anzol init and anzol add: what they write loads, passes its own specs, and is never written over.
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"

local dir
before_each(function() dir = files.temp_dir() end)
after_each(function() files.remove(dir) end)

local function run(arguments, env)
  return cli.run(arguments, { cwd = dir, env = env })
end

-- What a template's scripts ask for.
local secrets = {
  ANZOL_SECRET_GITHUB_WEBHOOK_SECRET = "0123456789abcdef",
  ANZOL_SECRET_SLACK_WEBHOOK_URL = "https://hooks.slack.test/x",
  ANZOL_SECRET_STRIPE_WEBHOOK_SECRET = "whsec_0123456789abcdef",
  ANZOL_SECRET_BILLING_SECRET = "0123456789abcdef",
  ANZOL_SECRET_CRM_SECRET = "0123456789abcdef",
  ANZOL_SECRET_TICKETS_TOKEN = "0123456789abcdef",
  ANZOL_SECRET_LEDGER_SECRET = "0123456789abcdef",
}

describe("anzol init", function()
  for _, template in ipairs { "empty", "github-slack", "poll", "stripe-fanout" } do
    it("makes a project of " .. template .. " that checks clean and passes its specs", function()
      local result = run { "init", "hooks", "--template", template }
      assert.equal(0, result.code, result.errors)
      for _, path in ipairs { "anzol.lua", ".busted", ".luacheckrc", ".luarc.json", "README.md",
        "anzol.service" } do
        assert.is_true(files.exists(dir .. "/hooks/" .. path), path)
        assert.matches("hooks/" .. path .. "\n", result.output, 1, true)
      end
      local check = run({ "check", "hooks", "-o", "json" }, secrets)
      local found = dkjson.decode(check.output)
      assert.equal(0, check.code, check.output)
      assert.is_true(found.ok and found.sources + found.polls > 0)
      assert.not_matches("luacheck", check.output)
      if not os.getenv "ANZOL_SANITIZER" then -- busted would have to be started with its library
        local test = run { "test", "--project", "hooks" }
        assert.equal(0, test.code, test.output)
      end
    end)
  end

  it("points the editor to the types", function()
    run { "init" }
    local settings = dkjson.decode(files.read(dir .. "/.luarc.json"))
    assert.equal("Lua 5.4", settings["runtime.version"])
    assert.matches("%-%-%-@meta anzol", files.read(settings["workspace.library"][1] .. "/anzol.lua"))
  end)

  it("tells the secrets of the template", function()
    run { "init", "--template", "github-slack" }
    assert.matches("- `ANZOL_SECRET_SLACK_WEBHOOK_URL`", files.read(dir .. "/README.md"), 1, true)
  end)

  it("writes a unit that systemd takes, with the secrets as credentials", function()
    run { "init", "my hooks", "--template", "github-slack" }
    local text = files.read(dir .. "/my hooks/anzol.service")
    for _, line in ipairs { ('ExecStart="%s" serve "%s/my hooks"'):format(files.program(), dir),
      ('ExecReload="%s" reload --project "%s/my hooks"'):format(files.program(), dir),
      "StateDirectory=anzol-hooks",
      "LoadCredential=SLACK_WEBHOOK_URL:/etc/anzol/hooks/SLACK_WEBHOOK_URL" } do
      assert.matches("\n" .. line .. "\n", text, 1, true)
    end
    if os.execute "systemd-analyze --version >/dev/null 2>&1" then
      files.write(dir .. "/anzol-hooks.service", text)
      local pipe = assert(io.popen("env -u LD_PRELOAD SYSTEMD_LOG_LEVEL=warning systemd-analyze "
        .. "verify --man=no '" .. dir .. "/anzol-hooks.service' 2>&1"))
      local words = pipe:read "a"
      pipe:close()
      assert.is_nil(words:match "anzol%-hooks[^\n]*", words)
    end
  end)

  it("writes over nothing", function()
    files.write(dir .. "/.busted", "mine")
    local result = run { "init" }
    assert.equal(1, result.code)
    assert.matches("./.busted is there already; nothing was written", result.errors, 1, true)
    assert.is_false(files.exists(dir .. "/anzol.lua"))
    assert.equal("mine", files.read(dir .. "/.busted"))
  end)

  it("knows its templates", function()
    local result = run { "init", "--template", "none" }
    assert.equal(2, result.code)
    assert.matches("github-slack", result.errors, 1, true)
  end)
end)

describe("anzol add source", function()
  it("writes a script that loads", function()
    local result = run { "add", "source", "git-hub", "--provider", "github" }
    assert.equal(0, result.code, result.errors)
    assert.equal("./scripts/git-hub.lua\n", result.output)
    local check = run({ "check" }, { ANZOL_SECRET_GIT_HUB_SECRET = "0123456789abcdef" })
    assert.equal("", check.output)
    assert.equal(0, check.code)
  end)

  it("gives the paths as an object with -o json, as anzol init does", function()
    assert.same({ files = { "./scripts/x.lua" } },
      dkjson.decode(run({ "add", "source", "x", "-o", "json" }).output))
    local made = dkjson.decode(run({ "init", "hooks", "-o", "json" }).output)
    assert.equal("hooks/anzol.lua", made.files[1])
    for _, path in ipairs(made.files) do assert.is_true(files.exists(dir .. "/" .. path), path) end
  end)

  it("refuses bad names, unknown providers and a script that is there", function()
    assert.equal(2, run({ "add", "source", "../x" }).code)
    local result = run { "add", "source", "x", "--provider", "githup" }
    assert.equal(2, result.code)
    assert.matches("unknown provider 'githup'", result.errors, 1, true)
    assert.equal(0, run({ "add", "source", "x" }).code)
    assert.equal(1, run({ "add", "source", "x" }).code)
  end)
end)
