-- SPDX-License-Identifier: MIT
-- F08: SIGTERM and SIGINT with slow deliveries and busy handlers.
local Disk = require "support.disk"
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local SIGINT = 2
local SIGTERM = 15
local SLOW = 100

local script = [[
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })
anzol.endpoint("slow", { url = "$URL/slow", allow_private = true, concurrency = 200,
  timeout = "60s", sign = anzol.sign.standard { secret = anzol.secret "OUT" } })
anzol.on("open.thing", function(event) event:send "slow" end)
]]

describe("SIGTERM", function()
  local server, receiver, disk

  before_each(function()
    receiver = Receiver.start()
    server = Server.new { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
    disk = Disk.new(server.state_dir)
    server.options.disk = disk
    server:restart()
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function start_slow(delay_ms)
    receiver:answer("/slow", { delay_ms = delay_ms })
    for i = 1, SLOW do
      assert.equal(200, server:post("/in/open", ('{"n":%d}'):format(i), {}).status)
    end
    receiver:await(SLOW, 10000)
  end

  it("lets what is under way finish, then exits 0; nothing is sent twice", function()
    start_slow(2000)
    local from = process.mono_ms()
    assert.same({ "exit", 0 }, { server:stop() }, server:log())
    assert.is_true(process.mono_ms() - from < 30000)
    server:restart()
    for _, delivery in ipairs(server:list "/api/v1/delivery") do
      assert.equal("succeeded", delivery.state)
    end
    assert.equal(SLOW, (receiver:total()))
  end)

  it("answers a webhook whose commit is under way, and takes no more", function()
    disk:delay_syncs(500)
    local syncs = disk:get "syncs"
    local connection = http.open(server.port)
    connection:send(http.format { path = "/in/open", body = "{}" })
    wait.until_true("its sync", 5000, function() return disk:get "syncs" > syncs end)
    server:signal(SIGTERM)
    assert.equal(200, connection:receive().status)
    connection:close()
    wait.until_true("no new connection is taken", 3000, function()
      local ok, answer = pcall(http.request, { port = server.port, path = "/in/open", body = "{}" })
      return not ok or not answer or answer.status == 503
    end)
    disk:delay_syncs(0)
    assert.same({ "exit", 0 }, { server:ended(10000) })
  end)

  it("is what Ctrl-C does too: a drain that was asked for is no failure", function()
    assert.equal(200, server:post("/in/open", "{}", {}).status)
    server:signal(SIGINT)
    assert.same({ "exit", 0 }, { server:ended() }, server:log())
  end)

  it("a second time ends the process within a second; the rest is sent after the next start",
    function()
      start_slow(25000)
      server:signal(SIGTERM)
      process.sleep_ms(200)
      assert.is_nil((server:ended(0)))
      local from = process.mono_ms()
      server:signal(SIGTERM)
      assert.truthy((server:ended(5000)))
      assert.is_true(process.mono_ms() - from <= 1000 * wait.patience)
      receiver:answer("/slow", { status = 200 })
      receiver:take()
      server:restart()
      receiver:await(2 * SLOW, 10000)
      local ids = {}
      for _, record in ipairs(receiver:take()) do ids[record.id] = true end
      local count = 0
      for _ in pairs(ids) do count = count + 1 end
      assert.equal(SLOW, count)
    end)
end)
