-- SPDX-License-Identifier: MIT
-- A worker that is stuck, an event or a routine that ends the process, a parent that starts it again (F05). The
-- scripts do what none can by anzol.fault, which only builds for specs have.
local Receiver = require "support.receiver"
local S = require "anzol_test.store"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local wait = require "support.wait"

local SCRIPT = [[
  local anzol = require "anzol"
  anzol.source("open", { verify = anzol.verify.none(), type = function(req) return req.json.type end })
  anzol.on("fine", { name = "fine" }, function() end)
  anzol.on("poison", { name = "poison" }, function() anzol.fault.crash() end)
  anzol.on("stick", { name = "stick" }, function(event)
    anzol.sleep(0.2) -- the sender has its answer by then
    anzol.fault.stick(event.data.ms)
  end)
]]

local STICK_MS = wait.patience > 1 and 40000 or 8000 -- told after 1.5 (15) s, unhealthy after 2 (20)

local function start(options)
  options = options or {}
  options.scripts = { ["main.lua"] = SCRIPT }
  options.env = { ANZOL_FAULTS = "1" }
  return Server.start(options)
end

local function send(server, body)
  local answer = server:post("/in/open", json.encode(body))
  return answer and answer.status == 200 and json.decode(answer.body).id
end

describe("a stuck worker", function()
  local server
  after_each(function() server:close() end)

  it("is told with its place, and makes the server unhealthy until it moves", function()
    server = start { workers = 1 }
    assert.is_truthy(send(server, { type = "stick", ms = STICK_MS }))
    wait.until_true("the log tells", 10000, function()
      return server:log():match "script stuck  at=scripts/main%.lua:7 for=%d+ms"
    end)
    wait.until_true("it is not healthy", 10000, function() return not server:is_healthy() end)
    wait.until_true("it is healthy again", 20000, function() return server:is_healthy() end)
  end)

  it("ends the process with 70", function()
    server = start { workers = 1 }
    assert.is_truthy(send(server, { type = "stick", ms = 3600000 }))
    local kind, code = server:ended(150000)
    assert.same({ "exit", 70 }, { kind, code })
    assert.matches("worker stuck", server:log())
  end)
end)

describe("an event that ends the process", function()
  local server
  after_each(function() server:close() end)

  it("is parked after three times; others flow", function()
    server = start { workers = 2 }
    pcall(send, server, { type = "poison" })
    for _ = 1, 2 do
      assert.same({ "signal", 9 }, { server:ended(10000) })
      server:launch()
    end
    assert.same({ "signal", 9 }, { server:ended(10000) })
    server:restart()
    local dead = wait.until_true("it is dead", 10000, function()
      return server:get("/api/v1/event?state=dead").data[1]
    end)
    assert.matches("^crash: the process ended three times",
      server:get("/api/v1/event/" .. dead.id).runs[1].error)
    local id = send(server, { type = "fine" })
    wait.until_true("another is handled", 10000, function()
      return server:get("/api/v1/event/" .. id).state == "handled"
    end)
  end)
end)

describe("a routine that ends the process", function()
  local server, source
  after_each(function()
    server:close()
    if source then source:stop() end
    source = nil
  end)

  local HEAD = [[
    local anzol = require "anzol"
    anzol.every("beat", "100ms", function() anzol.kv("beats"):incr("count", 1) end)
    anzol.on("anzol.routine.failed", function(event) anzol.kv("told"):set(event.data.name, event.data) end)
  ]]
  local REGISTERED = {
    cron = 'anzol.cron("it", { schedule = "* * * * * *" }, function() %s end)',
    every = 'anzol.every("it", "100ms", function() %s end)',
    poll = 'anzol.poll("it", { interval = "100ms" }, function() anzol.sleep "10ms" %s end)',
    sse = 'anzol.sse("it", { url = "%%s", allow_private = true }, function(message) %s end)',
  }
  local CRASH = " anzol.fault.crash() "
  local RAN = ' anzol.kv("ran"):set("it", true) '

  local function script(kind, body)
    local text = REGISTERED[kind]:format(body)
    if kind == "sse" then text = text:format(source:url "/stream") end
    return HEAD .. text
  end
  local function is_poll(kind) return kind == "poll" or kind == "sse" end
  local function row(kind)
    for _, found in ipairs(server:get(is_poll(kind) and "/api/v1/poll" or "/api/v1/cron").data) do
      if found.name == "it" then return found end
    end
  end
  local function kv(ns, key)
    local found = S.sql(server.state_dir .. "/anzol.db",
      ("SELECT value FROM kv WHERE ns = '%s' AND key = '%s'"):format(ns, key))[1]
    return found and json.decode(found[1])
  end

  for _, kind in ipairs { "cron", "every", "poll", "sse" } do
    it(("is stopped after three times, and goes on after a reload or by hand: %s"):format(kind), function()
      if kind == "sse" then
        source = Receiver.start()
        source:answer("/stream", { raw = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
          .. "Connection: close\r\n\r\nretry: 50\nid: 1\ndata: a\n\n" })
      end
      server = Server.new { scripts = { ["main.lua"] = script(kind, CRASH) }, env = { ANZOL_FAULTS = "1" } }
      for _ = 1, 3 do
        assert.same({ "signal", 9 }, { server:launch():ended(10000) })
      end
      server:restart()
      local stopped = wait.until_true("it is stopped", 10000, function()
        local found = row(kind)
        return found.why == "crash" and found
      end)
      assert.matches("^crash: the process ended three times in this script; .*anzol reload", stopped.error)
      assert.is_nil(stopped.nextRun)
      local told = wait.until_true("scripts are told", 10000, function() return kv("told", "it") end)
      assert.same({ kind, "stopped", 3, stopped.error }, { told.kind, told.state, told.failures, told.error })
      assert.matches("routine stopped  " .. kind .. "=it ", server:log())
      local list = cli.ask(server, { is_poll(kind) and "polls" or "crons" }).output
      assert.matches("\nit [^\n]*%- [^\n]*crash: the process ended three times", list)
      -- Others run, and a restart is no fresh chance.
      server:kill()
      server:restart()
      local beats = kv("beats", "count")
      wait.until_true("others run", 10000, function() return kv("beats", "count") > beats + 3 end)
      assert.equal("crash", row(kind).why)
      server:write_script("main.lua", script(kind, RAN))
      local words = { "reload" }
      if kind == "cron" or kind == "poll" then -- by hand, with the scripts that a restart found
        server:kill()
        server:restart()
        words = { kind .. "s", "run", "it" }
      end
      assert.equal(0, cli.ask(server, words).code)
      wait.until_true("it runs", 10000, function() return kv("ran", "it") end)
      wait.until_true("it is well", 10000, function() return row(kind).error == nil end)
    end)
  end
end)

describe("serve --supervise", function()
  local server
  after_each(function() server:close() end)

  it("starts the server again, and ends with it", function()
    server = start { workers = 1 }
    assert.same({ "exit", 0 }, { server:stop() }) -- its ports are known now
    server.options.args = { "--supervise" }
    server:restart()
    local first = server:log():match "serving .-pid=(%d+)"
    pcall(send, server, { type = "poison" })
    wait.until_true("the event is dead", 20000, function()
      local ok, list = pcall(server.get, server, "/api/v1/event?state=dead")
      return ok and list and list.data and list.data[1]
    end)
    assert.matches("server ended, starting it again  exit=137", server:log())
    local last
    for pid in server:log():gmatch "serving .-pid=(%d+)" do last = pid end
    assert.not_equal(first, last)
    assert.same({ "exit", 0 }, { server:stop() })
  end)

  it("does not start again what would end the same way", function()
    server = Server.new { scripts = { ["main.lua"] = "oops(" }, args = { "--supervise" } }
    server:launch()
    assert.same({ "exit", 78 }, { server:ended(10000) })
  end)
end)
