-- SPDX-License-Identifier: MIT
-- The command line as users and scripts meet it: answers, -o json, exit codes.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local EXIT_USAGE, EXIT_UNREACHABLE, EXIT_CONFIG = 2, 69, 78

describe("the command line", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.mixed(receiver), secrets = scripts.secrets }
    files.write(server.dir .. "/push.json", '{"key":"cli","number":1}')
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function trigger()
    local arguments = { "trigger", "github", "--type", "github.push", "--fixture",
      server.dir .. "/push.json", "--listen", "127.0.0.1:" .. server.port }
    return cli.run(arguments, { cwd = server.dir, env = {
      ANZOL_SECRET_GITHUB = scripts.github_secret, ANZOL_SECRET_OUT = scripts.out_secret,
      ANZOL_STATE_DIR = server.state_dir } })
  end

  it("triggers a source with the provider's own signature", function()
    receiver:take()
    local before = receiver:total()
    local result = trigger()
    assert.equal(0, result.code, result.output .. result.errors)
    receiver:await(before + 1)
    assert.equal(files.read(server.dir .. "/push.json"), receiver:take()[1].body)
  end)

  it("sends no event of another type than was asked for", function()
    local arguments = { "trigger", "plain", "--type", "hub.push", "--fixture", server.dir .. "/push.json",
      "--listen", "127.0.0.1:" .. server.port }
    files.write(server.dir .. "/scripts/plain.lua", [[
      local anzol = require "anzol"
      anzol.source("plain", {
        verify = anzol.verify.github { secret = anzol.secret "GITHUB" },
        type = function(req) return "hub." .. (req.headers["x-github-event"] or "unknown") end,
        challenge = function(req)
          if req.headers["x-hello"] then return { json = { hello = req.headers["x-hello"] } } end
        end,
      })]])
    local options = { cwd = server.dir, env = { ANZOL_SECRET_GITHUB = scripts.github_secret,
      ANZOL_SECRET_OUT = scripts.out_secret, ANZOL_STATE_DIR = server.state_dir } }
    assert.equal(0, cli.ask(server, { "reload" }).code)
    local result = cli.run(arguments, options)
    assert.equal(1, result.code)
    assert.matches("would be of type 'hub.unknown', not 'hub.push'", result.errors, 1, true)
    table.insert(arguments, "--header=X-GitHub-Event: push")
    result = cli.run(arguments, options)
    assert.equal(0, result.code, result.errors)
    assert.equal("hub.push", server:get("/api/v1/event").data[1].type)
    table.insert(arguments, "--header=X-Hello: you")
    result = cli.run(arguments, options)
    assert.equal('200 no event, the source\'s own answer: {"hello":"you"}\n', result.output)
  end)

  it("lists and shows events as the API does", function()
    trigger()
    local result = cli.ask(server, { "events", "list", "-o", "json" })
    assert.equal(0, result.code, result.errors)
    local listed = assert(json.decode(result.output))
    assert.equal(server:get("/api/v1/event").data[1].id, listed.data[1].id)
    result = cli.ask(server, { "events", "show", listed.data[1].id, "-o", "json" })
    assert.equal(0, result.code, result.errors)
    assert.equal(listed.data[1].id, json.decode(result.output).id)
    assert.equal("github.push", json.decode(result.output).type)
    result = cli.ask(server, { "events", "list" })
    assert.truthy(result.output:find(listed.data[1].id, 1, true))
  end)

  it("lists and shows deliveries with their attempts", function()
    trigger()
    local id = wait.until_true("a delivery that succeeded", 5000, function()
      local result = cli.ask(server, { "deliveries", "list", "-o", "json" })
      local row = result.code == 0 and json.decode(result.output).data[1]
      return row and row.state == "succeeded" and row.id
    end)
    local result = cli.ask(server, { "deliveries", "show", id, "-o", "json" })
    assert.equal(0, result.code, result.errors)
    assert.equal(200, json.decode(result.output).attempts[1].status)
    result = cli.ask(server, { "deliveries", "show", id })
    assert.truthy(result.output:find("succeeded", 1, true))
  end)

  describe("captures an event as a fixture", function()
    local BODY = '{"key":"cap","number":1, "user":{"api_token":"t0p"}}'

    -- The id of an event of the source github, with this body.
    local function received(body, headers)
      files.write(server.dir .. "/capture.bin", body)
      local arguments = { "trigger", "github", "--fixture", server.dir .. "/capture.bin", "-o", "json",
        "--listen", "127.0.0.1:" .. server.port }
      for _, header in ipairs(headers or {}) do arguments[#arguments + 1] = "--header=" .. header end
      local result = cli.run(arguments, { cwd = server.dir, env = {
        ANZOL_SECRET_GITHUB = scripts.github_secret, ANZOL_SECRET_OUT = scripts.out_secret } })
      return assert(json.decode(result.output).id, result.output .. result.errors)
    end

    local function capture(id, ...)
      return cli.ask(server, { "capture", id, ... })
    end

    it("that masks secrets, keeps other bytes, and is read by trigger and by specs", function()
      local id = received(BODY, { "X-GitHub-Event: issues" })
      local result = capture(id)
      assert.equal(0, result.code, result.errors)
      assert.equal("fixtures/github.issues.json\nfixtures/github.issues.headers\n", result.output)
      assert.matches("masked in the body: user.api_token\n", result.errors, 1, true)
      assert.matches("left out of the headers: X-Hub-Signature-256\n", result.errors, 1, true)
      assert.equal((BODY:gsub("t0p", "masked")), files.read(server.dir .. "/fixtures/github.issues.json"))
      local headers = files.read(server.dir .. "/fixtures/github.issues.headers")
      assert.matches("X-GitHub-Event: issues\n", headers, 1, true)
      assert.matches("Content-Type: application/json\n", headers, 1, true)
      assert.not_matches("ignature", headers)
      assert.not_matches("Host:", headers)

      local triggered = cli.run({ "trigger", "github", "--fixture", "fixtures/github.issues.json",
        "--header", "X-GitHub-Delivery: again", "-o", "json", "--listen", "127.0.0.1:" .. server.port },
        { cwd = server.dir, env = { ANZOL_SECRET_GITHUB = scripts.github_secret,
          ANZOL_SECRET_OUT = scripts.out_secret } })
      local again = assert(json.decode(triggered.output).id, triggered.errors)
      assert.equal("github.issues", server:get("/api/v1/event/" .. again).type)

      local t = require "anzol.testing".new { dir = server.dir, secrets = { GITHUB = "g", OUT = "o" } }
      local answer = t:receive("github", { fixture = "github.issues", sign = true })
      t:close()
      assert.equal(200, answer.status)
      assert.equal("github.issues", answer.event.type)
    end)

    it("never over what is there, but with --force", function()
      local id = received(BODY, { "X-GitHub-Event: fork" })
      assert.equal(0, capture(id, "--dir", "mine/").code)
      files.write(server.dir .. "/mine/github.fork.json", "own")
      local result = capture(id, "--dir", "mine")
      assert.equal(1, result.code)
      assert.matches("mine/github.fork.json is there already; nothing was written (--force", result.errors, 1, true)
      assert.equal("own", files.read(server.dir .. "/mine/github.fork.json"))
      result = capture(id, "--dir", "mine", "--force", "--no-mask", "-o", "json")
      assert.equal(0, result.code, result.errors)
      assert.equal(BODY, files.read(server.dir .. "/mine/github.fork.json"))
      assert.same({ id = id, source = "github", type = "github.fork", fixture = "github.fork",
        files = { "mine/github.fork.json", "mine/github.fork.headers" }, masked = {},
        leftOut = { "X-Hub-Signature-256" } }, json.decode(result.output))
    end)

    it("of any body, by its content type", function()
      for kind, case in pairs {
        ["application/x-www-form-urlencoded"] = { "form", "a=1&token=x", "a=1&token=masked" },
        ["application/xml"] = { "xml", "<a token='x'/>" },
        ["text/plain"] = { "txt", "token: x" },
        ["application/octet-stream"] = { "bin", "\0\255\1token" },
      } do
        local id = received(case[2], { "Content-Type: " .. kind, "X-GitHub-Event: of_" .. case[1] })
        local result = capture(id)
        local path = "fixtures/github.of_" .. case[1] .. "." .. case[1]
        assert.equal(path .. "\n" .. path .. ".headers\n", result.output, result.errors)
        assert.equal(case[3] or case[2], files.read(server.dir .. "/" .. path))
        assert.equal(case[3] == nil, result.errors:find("nothing in it was masked", 1, true) ~= nil)
      end
    end)

    it("or says why it can't", function()
      assert.equal(1, capture("evt_00000000000").code)
      assert.equal(EXIT_USAGE, cli.ask(server, { "capture" }).code)
      assert.equal(1, capture("nonsense").code)
    end)
  end)

  it("says so when an id does not exist", function()
    local result = cli.ask(server, { "events", "show", "evt_00000000000" })
    assert.equal(1, result.code)
    assert.matches("evt_00000000000", result.errors)
    assert.equal("", result.output)
  end)

  it("exits 69 when no server is there", function()
    local result = cli.run({ "events", "list", "--url", "http://127.0.0.1:"
      .. process.free_port(), "--token", "x" }, { cwd = server.dir })
    assert.equal(EXIT_UNREACHABLE, result.code, result.errors)
  end)

  it("exits 2 on a usage error and names what it does not know", function()
    local result = cli.run({ "events", "--nonsense" }, { cwd = server.dir })
    assert.equal(EXIT_USAGE, result.code)
    assert.matches("nonsense", result.errors)
    assert.equal(EXIT_USAGE, cli.run({ "frobnicate" }, { cwd = server.dir }).code)
  end)

  it("refuses a wrong token", function()
    local result = cli.run({ "events", "list", "--url", "http://127.0.0.1:"
      .. server.admin_port, "--token", "wrong" }, { cwd = server.dir })
    assert.is_true(result.code ~= 0)
    assert.matches("token", result.errors)
  end)

  it("prints help and version", function()
    assert.matches("serve", cli.run({ "--help" }, { cwd = server.dir }).output)
    assert.matches("%d+%.%d+", cli.run({ "--version" }, { cwd = server.dir }).output)
    assert.matches("%-%-admin%-listen", cli.run({ "serve", "--help" }, { cwd = server.dir }).output)
    for _, words in ipairs { { "bench" }, { "bench", "receive" }, { "bench", "deliver" } } do
      local usage = "^Usage: anzol " .. table.concat(words, " ")
      table.insert(words, "--help")
      assert.matches(usage, cli.run(words, { cwd = server.dir }).output)
    end
  end)
end)

describe("anzol man", function()
  it("is a page that groff takes, with the help of every command", function()
    local dir = files.temp_dir()
    finally(function() files.remove(dir) end)
    local result = cli.run({ "man" }, { cwd = dir })
    assert.same({ 0, "" }, { result.code, result.errors })
    for _, name in ipairs { "events", "events show", "init", "serve", "bench receive" } do
      assert.matches("\n.SS anzol " .. name .. "\n.nf\nUsage: anzol " .. name, result.output, 1, true)
    end
    for line in result.output:gmatch "[^\n]+" do
      assert.is_true(line:find "^[^.']" ~= nil or line:find "^%.SH [A-Z]+$" ~= nil
        or line:find "^%.SS anzol " ~= nil or line:find "^%.nf$" ~= nil or line:find "^%.fi$" ~= nil
        or line:find "^%.TH ANZOL 1 " ~= nil, line)
    end
    if not os.execute "groff --version >/dev/null 2>&1" then return end
    files.write(dir .. "/anzol.1", result.output)
    local pipe = assert(io.popen(("cd '%s' && env -u LD_PRELOAD groff -man -Tutf8 -ww anzol.1 2>&1 >text")
      :format(dir)))
    assert.equal("", (pipe:read "a"))
    pipe:close()
    assert.matches("admin.listen HOST:PORT", files.read(dir .. "/text"))
  end)
end)

describe("anzol check", function()
  local dir

  before_each(function() dir = files.temp_dir() end)
  after_each(function() files.remove(dir) end)

  local function check(text, ...)
    files.write(dir .. "/scripts/main.lua", 'local anzol = require "anzol"\n' .. text)
    return cli.run({ "check", dir, ... },
      { cwd = dir, env = { ANZOL_SECRET_GITHUB = "0123456789abcdef" } })
  end

  it("finds nothing wrong with a good project", function()
    local result = check [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
anzol.on("github.push", function(event) end)
]]
    assert.equal(0, result.code, result.output .. result.errors)
  end)

  it("names file and line of what is wrong", function()
    for _, text in ipairs { "local = 1\n", "anzol.sauce('x', {})\n",
      'anzol.source("x", { verify = anzol.verify.none(), type = "a.b", max_bodi = 3 })\n' } do
      local result = check(text)
      assert(result.code == 1 or result.code == EXIT_CONFIG, "exit code " .. result.code)
      assert.matches("main%.lua:2", result.output .. result.errors)
    end
  end)

  it("connects to nothing, whatever the scripts would", function()
    local receiver = Receiver.start()
    finally(function() receiver:stop() end)
    local result = check((([[
local function ask() return anzol.http.get("$URL/asked", { allow_private = true }) end
anzol.init(function() assert(ask()) end)
anzol.source("open", { verify = function() return ask() ~= nil end, type = "open", public_url = "$URL/in" })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.on("open", function(event) ask() event:send "out" end)
local ok, why = pcall(ask)
assert(not ok and why:find "anzol.http.get cannot wait in 'load'")
]]):gsub("%$URL", (receiver:url ""))))
    assert.equal(0, result.code, result.output .. result.errors)
    assert.same({ 0, 0 }, { receiver:total() })
  end)

  it("suggests the option that was meant", function()
    local result = check(
      'anzol.source("x", { verify = anzol.verify.none(), type = "a", patch = 3 })\n')
    assert.matches("did you mean 'path'", result.output .. result.errors)
  end)
end)

describe("anzol serve", function()
  local function serve(options)
    local server = Server.new(options)
    server:launch()
    local kind, code = server:ended(5000)
    local log = server:log()
    server:close()
    return kind, code, log
  end

  it("exits 78 when a script is broken, and says where", function()
    local kind, code, log = serve { scripts = { ["main.lua"] = "local = 5\n" } }
    assert.same({ "exit", EXIT_CONFIG }, { kind, code })
    assert.matches("main%.lua:1", log)
  end)

  it("exits 78 when a setting is wrong, and says which", function()
    local kind, code, log = serve { settings = "return { lisen = 5 }\n" }
    assert.same({ "exit", EXIT_CONFIG }, { kind, code })
    assert.matches("lisen", log)
  end)

  it("refuses a store that another process holds", function()
    local first = Server.start { scripts = {} }
    local second = Server.new { scripts = {} }
    second.state_dir = first.state_dir
    second:launch()
    local kind, code = second:ended(5000)
    assert.equal("exit", kind)
    assert.is_true(code ~= 0)
    assert.is_true(first:is_healthy())
    second:close()
    first:close()
  end)
end)
