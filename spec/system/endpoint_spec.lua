-- SPDX-License-Identifier: MIT
-- An endpoint in the hands of an operator, in the whole server: pause, resume, disable, enable, by
-- the API and the command line; what a kill and a reload leave of it.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local SIGHUP = 1
local ROUNDS = 14

local script = [[
anzol.source("in", { verify = anzol.verify.none(), type = "a" })
anzol.endpoint("crm", { url = "$URL/crm", sign = false, allow_private = true,
  disable_after = "50ms", breaker = false,
  retry = anzol.backoff.constant { base = "20ms", attempts = 10000 } })
anzol.on("a", function(event) event:send "crm" end)
]]

describe("an endpoint", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script) }
  end)
  after_each(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function change(verb, name)
    local answer = assert(http.request { port = server.admin_port, method = "POST", body = "{}",
      path = ("/api/v1/endpoint/%s/%s"):format(name or "crm", verb),
      headers = { Authorization = "Bearer " .. Server.token, ["Content-Type"] = "application/json" } })
    return answer.status, (json.decode(answer.body))
  end

  local function show()
    return server:get("/api/v1/endpoint").data[1]
  end

  local function send(count)
    for _ = 1, count do assert.equal(200, server:post("/in/in", "{}").status) end
  end

  -- All that were sent have been handled: their deliveries are there.
  local function await_pending(count)
    wait.until_true(count .. " pending", 10000, function() return show().pending == count end)
  end

  it("that is paused gets nothing, over a reload and a kill, until it is resumed", function()
    assert.same({ 200, { name = "crm", state = "paused" } }, { change "pause" })
    send(30)
    await_pending(30)
    assert.equal(0, cli.ask(server, { "reload" }).code)
    assert.equal("paused", show().state)
    assert.equal(0, receiver:total())
    server:kill()
    server:restart()
    send(5)
    await_pending(35)
    assert.equal("paused", show().state)
    assert.equal(0, receiver:total())
    assert.same({ 200, { name = "crm", state = "enabled" } }, { change "resume" })
    receiver:await(35, 10000)
    assert.equal("enabled", show().state)
  end)

  it("is as it was told, whatever reload was under way", function()
    for round = 1, ROUNDS do
      local verb, state = "pause", "paused"
      if round % 2 == 0 then verb, state = "resume", "enabled" end
      server:write_script("main.lua", scripts.with(receiver, script .. "-- " .. round)["main.lua"])
      server:signal(SIGHUP)
      process.sleep_ms(round % 7 * 2)
      assert.same({ 200, { name = "crm", state = state } }, { change(verb) })
      wait.until_true("that reload is over", 10000, function() return cli.ask(server, { "reload" }).code == 0 end)
      assert.equal(state, show().state)
      local total = receiver:total()
      send(1)
      if state == "paused" then
        await_pending(1)
        assert.equal(total, receiver:total())
      else
        receiver:await(total + 1, 10000) -- and what the pause kept
      end
    end
  end)

  it("starts no attempt once its pause was answered, under load", function()
    receiver:answer("/crm", { status = 200, delay_ms = 5 })
    for _ = 1, 5 do
      send(100)
      assert.equal(200, (change "pause"))
      wait.until_true("the last attempts are over", 10000, function()
        return server:get("/api/v1/delivery?state=in_flight&limit=1").data[1] == nil
          and cli.ask(server, { "endpoints", "list" }).code == 0
      end)
      local total = receiver:total()
      await_pending(show().pending)
      assert.equal(total, receiver:total())
      assert.equal(200, (change "resume"))
    end
    wait.until_true("all arrived", 20000, function() return receiver:total() >= 500 end)
  end)

  it("goes from one state to another by its own verb, and back as often as one likes", function()
    for _ = 1, 2 do assert.equal(200, (change "disable")) end
    local status, body = change "resume"
    assert.same({ 409, "state", "the endpoint is disabled: enable it first" },
      { status, body.code, body.detail })
    assert.equal(409, (change "pause"))
    for _ = 1, 2 do assert.equal(200, (change "enable")) end
    for _ = 1, 2 do assert.equal(200, (change "pause")) end
    assert.equal(409, (change "enable"))
    assert.equal(200, (change "disable"))
    assert.equal(200, (change "enable"))
    assert.equal(404, (change("pause", "nobody")))
  end)

  it("with nothing but failures is disabled, also over a restart, and can be enabled", function()
    receiver:answer("/crm", { status = 500 })
    send(1)
    wait.until_true("it is disabled", 10000, function() return show().state == "disabled" end)
    assert.matches("nothing but failures", show().reason)
    assert.is_string(show().failingSince)
    server:kill()
    server:restart()
    assert.equal("disabled", show().state)
    receiver:answer("/crm", { status = 200 })
    local total = receiver:total()
    local result = cli.ask(server, { "endpoints", "enable", "crm" })
    assert.same({ 0, "crm enabled\n" }, { result.code, result.output })
    receiver:await(total + 1, 10000)
    assert.is_nil(show().failingSince)
  end)

  it("is listed, shown and paused by the command line", function()
    local result = cli.ask(server, { "endpoints", "pause", "crm", "--reason", "they move" })
    assert.same({ 0, "crm paused\n" }, { result.code, result.output })
    result = cli.ask(server, { "endpoints" })
    assert.matches("crm +paused +0 +%- +%- +they move\n", result.output)
    result = cli.ask(server, { "endpoints", "show", "crm" })
    assert.matches("reason +they move\n", result.output)
    result = cli.ask(server, { "endpoints", "resume", "nobody", "crm" })
    assert.equal(1, result.code)
    assert.equal("crm enabled\n", result.output)
    assert.matches("nobody: there is no endpoint of this name", result.errors)
  end)
end)
