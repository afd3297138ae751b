-- SPDX-License-Identifier: MIT
-- What comes of an error in each phase, seen by senders and in the store of the real server.
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
local none = anzol.verify.none()
local function broken() error "broken" end
local function of_json(req) return req.json.a end
anzol.source("verify", { type = "t", verify = broken })
anzol.source("challenge", { type = "t", verify = none, challenge = broken })
anzol.source("respond", { type = "t", verify = none, respond = broken })
anzol.source("type", { verify = none, type = broken })
anzol.source("key", { verify = none, type = "t", idempotency_key = broken })
for _, hook in ipairs { "verify", "challenge", "respond", "type", "idempotency_key" } do
  local options = { type = "t", verify = none }
  options[hook] = of_json
  anzol.source("json." .. hook, options)
end
anzol.source("open", { verify = none, type = function(req) return "to." .. req.body end })
anzol.endpoint("transform", { url = "$URL/transform", sign = false, allow_private = true,
  transform = broken, retry = anzol.backoff.constant { base = "1h", attempts = 2 } })
anzol.endpoint("retry", { url = "$URL/retry", sign = false, allow_private = true, retry = broken })
anzol.on("to.transform", function(event) event:send "transform" end)
anzol.on("to.retry", function(event) event:send "retry" end)
anzol.on("to.filter", { filter = broken }, function() end)
anzol.on("to.handler", broken)
]]

describe("an error", function()
  local server, receiver
  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script) }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  -- anzol_script_errors_total of a phase.
  local function errors(phase)
    local text = http.request { port = server.admin_port, method = "GET", path = "/metrics",
      headers = { Authorization = "Bearer " .. Server.token } }.body
    return tonumber(text:match('anzol_script_errors_total{phase="' .. phase .. '"} (%d+)') or 0)
  end

  local function post(source, body)
    local answer = server:post("/in/" .. source, body)
    return answer.status, json.decode(answer.body)
  end

  local function first_run(id)
    return wait.until_true("the run failed", 5000, function()
      local event = server:get("/api/v1/event/" .. id)
      return event.state == "retrying" and event.runs[1]
    end)
  end

  for _, phase in ipairs { "verify", "challenge", "respond" } do
    it("in " .. phase .. " is 500, counted, and nothing is stored", function()
      local before, stored = errors(phase), server:event_count()
      local status, body = post(phase, "{}")
      assert.same({ 500, "script_error" }, { status, body.code })
      assert.is_nil(json.encode(body):find("broken", 1, true), "a sender reads what a script says")
      assert.equal(before + 1, errors(phase))
      assert.equal(stored, server:event_count())
    end)
  end

  for _, phase in ipairs { "verify", "challenge", "respond", "type", "idempotency_key" } do
    it("of JSON in " .. phase .. " is the sender's: 400, and nothing is stored", function()
      local stored = server:event_count()
      local status, body = post("json." .. phase, "{")
      assert.same({ 400, "malformed_json" }, { status, body.code })
      assert.equal(stored, server:event_count())
    end)
  end

  for source, phase in pairs { type = "type", key = "idempotency_key" } do
    it("in " .. phase .. " is 200: the event is stored as untyped, dead, with the reason", function()
      local before = errors(phase)
      local status, body = post(source, "kept")
      assert.equal(200, status)
      local event = server:get("/api/v1/event/" .. body.id)
      assert.same({ "anzol.untyped", "dead", "type", "kept" },
        { event.type, event.state, event.runs[1].subscription, event.body })
      assert.matches("^scripts/main.lua:%d+: broken\n\tin '" .. phase, event.runs[1].error)
      assert.equal(before + 1, errors(phase))
    end)
  end

  for _, phase in ipairs { "filter", "handler" } do
    it("in " .. phase .. " lets the run come again", function()
      local before = errors(phase)
      local _, body = post("open", phase)
      local run = first_run(body.id)
      assert.matches("^scripts/main.lua:%d+: broken\n\tin '" .. phase, run.error)
      assert.equal(before + 1, errors(phase))
    end)
  end

  local function attempted(kind)
    local _, body = post("open", kind)
    return wait.until_true("an attempt", 5000, function()
      local delivery = server:get("/api/v1/delivery?event=" .. body.id).data[1]
      return delivery and delivery.state == "retrying" and server:get("/api/v1/delivery/" .. delivery.id)
    end)
  end

  it("in transform is a failed attempt, and nothing is sent", function()
    local attempt = attempted("transform").attempts[1]
    assert.equal("script", attempt.error)
    assert.matches("scripts/main.lua:%d+: broken", attempt.detail)
    assert.is_true(errors "transform" >= 1)
    for _, record in ipairs(receiver:take()) do assert.not_equal("/transform", record.path) end
  end)

  it("in retry is counted, and the default policy goes", function()
    receiver:answer("/retry", { status = 500 })
    local delivery = attempted "retry"
    assert.equal(500, delivery.attempts[1].status)
    assert.truthy(delivery.nextAttemptAt)
    assert.equal(1, errors "retry")
  end)
end)
