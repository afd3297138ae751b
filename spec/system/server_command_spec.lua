-- SPDX-License-Identifier: MIT
-- anzol status, health, tail and stop, and the server that they are about.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local lfs = require "lfs"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local SCRIPT = [[
anzol.source("open", { verify = anzol.verify.none(), type = function(req) return req.query.type end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true,
  retry = anzol.backoff.constant { base = "20ms", attempts = 3 } })
anzol.on("order.*", function(event) event:send "out" end)
anzol.on("slow", function() anzol.sleep "1s" end)
anzol.on("holds", function(event)
  event:emit("held", {})                       -- has its id now, and is stored with the run
  anzol.sleep "2500ms"
end)
anzol.on("slower", { deadline = "5m" }, function() anzol.sleep "5m" end)
]]

describe("anzol serve --dev", function()
  it("has a new store each time, which goes in the end", function()
    local script = [[
      local anzol = require "anzol"
      anzol.source("open", { verify = anzol.verify.none() })]]
    local server = Server.start { scripts = { ["main.lua"] = script }, is_dev = true, args = { "--dev" },
      env = { TMPDIR = "/tmp" } }
    finally(function() server:close() end)
    local function serve()
      local store = server:log():match 'store="(/tmp/anzol%-dev%-%w+/anzol.db)"'
      assert.is_true(files.exists(store), server:log())
      assert.same({}, server:get("/api/v1/event").data)
      assert.equal(200, server:post("/in/open", "{}").status)
      assert.equal(1, #server:get("/api/v1/event").data)
      assert.same({ "exit", 0 }, { server:stop() })
      assert.is_false(files.exists(store:match "^(.*)/"))
      return store
    end
    local first = serve()
    server:restart()
    assert.are_not.equal(first, serve())
    assert.is_false(files.exists(server.dir .. "/anzol.db"))
  end)

  it("leaves no store behind when it cannot start, and says where none can be made", function()
    local temporary = files.temp_dir()
    finally(function() files.remove(temporary) end)
    local function start(tmpdir)
      local server = Server.new { scripts = { ["main.lua"] = "local = 5" }, is_dev = true,
        args = { "--dev" }, env = { TMPDIR = tmpdir } }
      server:launch()
      local _, code = server:ended(5000)
      local log = server:log()
      server:close()
      return code, log
    end
    assert.equal(78, (start(temporary)))
    assert.is_true(lfs.rmdir(temporary), "it is not empty")
    local code, log = start(temporary)
    assert.equal(74, code)
    assert.matches("no folder for a store can be made in " .. temporary, log, 1, true)
    code, log = start(("/x"):rep(3000))
    assert.equal(74, code)
    assert.matches("$TMPDIR is too long", log, 1, true)
  end)
end)

describe("the server's commands", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, SCRIPT) }
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function ask(...)
    return cli.run({ ... }, { cwd = server.dir, env = { ANZOL_STATE_DIR = server.state_dir } })
  end

  local function post(kind)
    local answer = server:post("/in/open?type=" .. kind, "{}")
    return assert(json.decode(answer.body).id, answer.body)
  end

  it("tell how it is", function()
    local health = ask "health"
    assert.same({ 0, "ok\n", "" }, { health.code, health.output, health.errors })
    local status = ask "status"
    assert.equal(0, status.code, status.errors)
    assert.matches("scripts     1 sources, 1 endpoints, 4 subscriptions\n", status.output, 1, true)
    assert.matches("store       writable, ", status.output, 1, true)
    assert.equal(1, json.decode(ask("status", "-o", "json").output).generation)
    assert.equal(0, ask("health", "--url", "http://127.0.0.1:" .. server.admin_port).code)
  end)

  -- anzol tail of these kinds, each following already: told(kind) gives its rows.
  local function tail(...)
    local kinds, children = { ... }, {}
    finally(function() for _, child in ipairs(children) do child:kill(9) end end)
    for i, kind in ipairs(kinds) do
      children[i] = process.spawn { argv = { files.program(), "tail", kind, "-o", "json", "-v" },
        cwd = server.dir, env = { ANZOL_STATE_DIR = server.state_dir },
        output = server.dir .. "/" .. kind, errors = server.dir .. "/" .. kind .. ".err" }
    end
    wait.until_true("all follow", 5000, function()
      for _, kind in ipairs(kinds) do
        local path = server.dir .. "/" .. kind .. ".err"
        if not files.exists(path) or not files.read(path):find "iterator=" then return false end
      end
      return true
    end)
    return function(kind)
      local list = {}
      for line in files.read(server.dir .. "/" .. kind):gmatch "[^\n]+\n" do list[#list + 1] = json.decode(line) end
      return list
    end
  end

  it("follow events and attempts, over a restart, each once", function()
    receiver:answer("*", { status = 500 })
    local rows = tail("events", "attempts")
    local sent = {}
    local function send_and_wait()
      for i = 1, 3 do sent[#sent + 1] = post("order." .. i) end
      wait.until_true("all are told", 10000, function()
        return #rows "events" == #sent and #rows "attempts" == 3 * #sent
      end)
    end
    send_and_wait()
    server:stop()
    server:restart()
    send_and_wait()
    for i, row in ipairs(rows "events") do assert.equal(sent[i], row.id) end
    local seen = {}
    for _, row in ipairs(rows "attempts") do
      assert.is_nil(seen[row.id])
      seen[row.id] = true
      assert.equal(500, row.status)
    end
  end)

  it("follow events that are stored long after they got their ids, each once", function()
    local rows, posted = tail "events", 0
    post "holds"
    local function counts()
      local list = {}
      for _, row in ipairs(rows "events") do list[row.type] = (list[row.type] or 0) + 1 end
      return list
    end
    wait.until_true("what is held is told", 10000, function()
      posted = posted + 1
      post "other"
      return counts().held
    end)
    wait.until_true("all is told", 10000, function() return counts().other == posted end)
    assert.same({ holds = 1, held = 1, other = posted }, counts())
  end)

  it("stop it when what runs has ended", function()
    local id = post "slow"
    wait.until_true("it runs", 5000, function() return server:get("/api/v1/status").store.queued == 0 end)
    local result = ask "stop"
    assert.same({ 0, "" }, { result.code, result.output })
    assert.matches("^draining, within 30000 ms\nstopped\n$", result.errors)
    assert.same({ "exit", 0 }, { server:ended(5000) })
    assert.matches("draining  by=api limit=30000ms", server:log(), 1, true)
    server:restart()
    assert.equal("handled", server:get("/api/v1/event/" .. id).state)
  end)

  it("stop it within the time that is given", function()
    post "slower"
    local result = ask("stop", "--drain", "1s")
    assert.equal(0, result.code, result.errors)
    assert.matches("limit=1000ms", server:log(), 1, true)
    assert.is_truthy(server:ended(5000))
    assert.equal(69, ask("stop").code)
  end)
end)
