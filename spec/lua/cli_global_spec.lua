-- SPDX-License-Identifier: MIT
-- What all commands (lua/anzol/cli) have in common: help, options, where the server is found, and how
-- they end.
local dkjson = require "dkjson"
local fake = require "support.fake_server"

local run = fake.run

setup(fake.open)
teardown(fake.close)
before_each(fake.reset)

local page = { data = { { id = "evt_00000000001", receivedAt = "2026-03-02T08:00:00.000Z",
  source = "github", type = "github.push", state = "handled", bodyBytes = 12 } },
  iterator = "evt_00000000001", prevIterator = dkjson.null, done = true }

describe("anzol", function()
  it("prints its version", function()
    local code, out = run "--version"
    assert.equal(0, code)
    assert.equal("anzol 1.2.3\n", out)
  end)

  -- The names below "Commands:" of a help.
  local function commands_of(help)
    local names = {}
    for name in (help:match "\nCommands:(.*)$" or ""):gmatch "\n   (%l+)%s" do names[#names + 1] = name end
    return names
  end

  it("helps at every level, on standard output", function()
    local count = 0
    local function help(...)
      local words = { ... }
      words[#words + 1] = "--help"
      local code, out, err = run(table.unpack(words))
      assert.same({ 0, "" }, { code, err }, table.concat(words, " "))
      assert.equal(1, (out:find(("Usage: anzol %s"):format(table.concat({ ... }, " ")), 1, true)))
      count = count + 1
      words[#words] = "-h"
      assert.equal(out, (select(2, run(table.unpack(words)))))
      for _, name in ipairs(commands_of(out)) do
        words[#words] = name
        if name ~= "serve" and name ~= "bench" then help(table.unpack(words)) end
      end
    end
    help()
    assert.is_true(count > 30, count)
  end)

  it("breaks the lines of its help where they are full, examples as they stand", function()
    local _, out = run("test", "--help")
    assert.matches("\n\nRun the specs of the project with busted: those given, else what .busted says, else spec/."
      .. "\nScripts are loaded with require", out, 1, true)
    assert.matches("\n\n  anzol test\n  anzol test spec/github_spec.lua -- --filter", out, 1, true)
    for _, name in ipairs { "add", "check", "eval", "events", "init", "sign", "trigger", "verify" } do
      _, out = run(name, "--help")
      for first, second in out:gmatch "\n(%S[^\n]*)\n(%S[^\n]*)" do
        assert.is_true(#first + 1 + #second:match "^%S+" > 80, name .. ": " .. first)
      end
    end
  end)

  it("names every command in its help, serve and bench too", function()
    local _, out = run "--help"
    for _, name in ipairs { "add", "attempts", "bench", "capture", "check", "completion", "dead",
      "deliveries", "endpoints", "eval", "events",
      "init", "reload", "repl", "serve", "trigger" } do
      assert.matches("\n   " .. name .. "%s", out)
    end
  end)

  it("paints for a terminal, unless NO_COLOR or --color says otherwise", function()
    for _, case in ipairs {
      { true, nil, nil, true }, { false, nil, nil, false }, { true, "1", nil, false },
      { true, "", nil, true }, -- no-color.org: set and not empty
      { true, nil, "never", false }, { false, nil, "always", true }, { true, "1", "always", true },
      { true, nil, "auto", true }, { false, nil, "auto", false },
    } do
      fake.is_terminal, fake.environment.NO_COLOR = case[1], case[2]
      fake.answers = { { json = page } }
      local _, out = run(table.unpack(case[3] and { "--color", case[3], "events" } or { "events" }))
      assert.equal(case[4], out:find("\27[", 1, true) ~= nil, dkjson.encode(case))
    end
    assert.equal(2, (run("--color", "sometimes", "events")))
  end)

  it("ends with 2 and says what is wrong with the usage", function()
    local code, out, err = run "evnts"
    assert.equal(2, code)
    assert.equal("", out)
    assert.matches("Did you mean 'events'?", err, 1, true)
    assert.equal(2, (run()))
    assert.equal(2, (run("events", "--limit", "251")))
    assert.equal(2, (run("events", "--state", "lost")))
    assert.equal(2, (run "trigger"))
  end)
end)

describe("anzol and its server", function()
  it("meet on anzol.sock in the project's folder", function()
    fake.answers = { { json = page } }
    run("events")
    assert.equal("./anzol.sock", fake.requests[1].unix)
    assert.is_nil(fake.requests[1].headers.Authorization)
  end)

  it("meet in the state folder that systemd gives", function()
    fake.environment.STATE_DIRECTORY = "/var/lib/anzol-hooks:/var/lib/other"
    run "events"
    fake.native.settings = function() return { state_dir = "state" } end
    run "events"
    assert.same({ "/var/lib/anzol-hooks/anzol.sock", "./state/anzol.sock" },
      { fake.requests[1].unix, fake.requests[2].unix })
  end)

  it("meet where state_dir, ANZOL_STATE_DIR, ANZOL_SOCKET or --socket say", function()
    fake.native.settings = function() return { state_dir = "state" } end
    run("--project", "there", "events")
    fake.environment.ANZOL_STATE_DIR = "/var/lib/anzol"
    run "events"
    fake.environment.ANZOL_SOCKET = "/run/one.sock"
    run "events"
    run("events", "--socket", "/run/two.sock")
    local sockets = {}
    for i, request in ipairs(fake.requests) do sockets[i] = request.unix end
    assert.same({ "there/state/anzol.sock", "/var/lib/anzol/anzol.sock", "/run/one.sock",
      "/run/two.sock" }, sockets)
  end)

  it("meet in the folder of --project, else of ANZOL_PROJECT", function()
    local asked
    fake.native.settings = function(dir)
      asked = dir
      return {}
    end
    fake.environment.ANZOL_PROJECT = "/srv/hooks"
    run "reload"
    assert.same({ "/srv/hooks", "/srv/hooks/anzol.sock" }, { asked, fake.requests[1].unix })
    run("reload", "--project", "here")
    assert.same({ "here", "here/anzol.sock" }, { asked, fake.requests[2].unix })
  end)

  it("say with --verbose what is asked, and with --quiet nothing but errors", function()
    for _, flag in ipairs { "-v", "--verbose" } do
      fake.answers = { { json = { generation = 4, findings = {} } } }
      local code, out, err = run("reload", flag)
      assert.same({ 0, "", "POST http://localhost/api/v1/script/reload (./anzol.sock)\ngeneration 4 serves\n" },
        { code, out, err })
    end
    for _, flag in ipairs { "-q", "--quiet" } do
      fake.answers = { { json = { generation = 4, findings = {} } } }
      assert.same({ 0, "", "" }, { run("reload", flag) })
      local code, out, err = run("reload", flag)
      assert.same({ 69, "" }, { code, out })
      assert.matches("no server answers", err, 1, true)
    end
  end)

  it("meet over HTTP with a token when a URL is given", function()
    fake.environment.ANZOL_ADMIN_TOKEN = "from-the-environment"
    run("--url", "https://hooks.example:8081/", "events")
    run("--url", "http://a:1", "--token", "t0ken", "events")
    assert.is_nil(fake.requests[1].unix)
    assert.matches("^https://hooks.example:8081/api/v1/event?", fake.requests[1].url)
    assert.equal("Bearer from-the-environment", fake.requests[1].headers.Authorization)
    assert.equal("Bearer t0ken", fake.requests[2].headers.Authorization)
    assert.equal(2, (run("--url", "hooks.example", "events")))
  end)

  it("end with 69 when nobody is there, with a way out", function()
    local code, out, err = run "reload"
    assert.equal(69, code)
    assert.equal("", out)
    assert.matches("no server answers on ./anzol.sock; is `anzol serve` running", err, 1, true)
  end)

  it("end with 75 when no answer comes in time or the server is busy", function()
    fake.answers = { { error = "no answer from ./anzol.sock within 30000 ms" },
      { status = 503, json = { code = "busy", detail = "try again" } } }
    assert.equal(75, (run "events"))
    local code, _, err = run "events"
    assert.equal(75, code)
    assert.matches("anzol: try again", err, 1, true)
  end)

  it("end with 1 when the server refuses, with its words", function()
    fake.answers = { { status = 401, json = { code = "token_missing", detail = "send the token" } } }
    local code, _, err = run "events"
    assert.equal(1, code)
    assert.equal("anzol: send the token\n", err)
  end)

  it("end with 78 when anzol.lua is broken", function()
    fake.native.settings = function() return nil, "anzol.lua:3: unexpected symbol" end
    local code, _, err = run "events"
    assert.equal(78, code)
    assert.matches("anzol.lua:3", err, 1, true)
  end)
end)
