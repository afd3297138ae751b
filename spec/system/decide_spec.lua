-- SPDX-License-Identifier: MIT
-- What a handler may decide, seen from outside: filter, skip, later, emit, error.
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "open." .. (req.headers["x-kind"] or error "no kind") end,
  idempotency_key = function(req) return req.headers["x-key"] end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.on("open.filtered", { filter = function(event) return event.data.wanted end },
  function(event) event:send "out" end)
anzol.on("open.skipped", function(event)
  event:send "out"
  return anzol.skip "not today"
end)
anzol.on("open.later", function(event)
  if event.run_number == 1 then
    event:send("out", { body = "too early" })
    return anzol.retry_later "200ms"
  end
  event:send("out", { json = { run = event.run_number } })
end)
anzol.on("open.chain", function(event)
  event:emit("step.two", { from = event.id, n = 1 })
end)
anzol.on("step.two", function(event)
  event:send("out", { json = { from = event.data.from, parent = event.parent_id } })
end)
anzol.on("open.keyed", { concurrency = 20 }, function(event)
  for i = 1, 2 do event:emit("step.once", { n = i }, { idempotency_key = event.body }) end
end)
anzol.on("open.same", function(event)
  event:emit("step.same", {}, { idempotency_key = event.headers["x-key"] })
end)
anzol.on("open.loop", function(event) event:emit("open.loop", {}) end)
anzol.on("open.broken", function(event)
  event:send("out", { body = "half done" })
  event:emit("step.two", {})
  if event.run_number == 1 then error "the first run fails" end
end)
anzol.on("open.two", { name = "good" }, function(event) event:send("out", { body = "good" }) end)
anzol.on("open.two", { name = "bad" }, function(event) local no = event.data.none.field end)
]]

describe("a handler", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script) }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function post(kind, body)
    local answer = server:post("/in/open", body or "{}", { ["X-Kind"] = kind,
      ["Content-Type"] = "application/json" })
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  local function event_in(id, state)
    return wait.until_true(id .. " is " .. state, 5000, function()
      local event = server:get("/api/v1/event/" .. id)
      return event.state == state and event
    end)
  end

  local function deliveries(id) return server:get("/api/v1/delivery?event=" .. id).data end

  it("whose filter says no is skipped, and sends nothing", function()
    local id = post("filtered", '{"wanted":false}')
    event_in(id, "skipped")
    assert.equal(0, #deliveries(id))
    assert.equal(1, #deliveries(event_in(post("filtered", '{"wanted":true}'), "handled").id))
  end)

  it("that skips gives its reason, and what it sent before is not sent", function()
    local event = event_in(post "skipped", "skipped")
    assert.equal("not today", event.runs[1].error)
    assert.equal(0, #deliveries(event.id))
  end)

  it("that asks for a later run gets it, and only that one counts", function()
    local event = event_in(post "later", "handled")
    assert.equal(1, #deliveries(event.id))
    wait.until_true("the second run's message arrives", 5000, function()
      for _, record in ipairs(receiver:take()) do
        assert.not_equal("too early", record.body)
        if record.body:find '"run"' then return json.decode(record.body).run == 2 end
      end
    end)
  end)

  it("emits events that know their parent", function()
    local id = post "chain"
    wait.until_true("the chained message arrives", 5000, function()
      for _, record in ipairs(receiver:take()) do
        local body = json.decode(record.body)
        if body and body.from == id then return body.parent == id end
      end
    end)
  end)

  it("emits one event for a key, however many ask for it", function()
    local ids = {}
    for i = 1, 20 do ids[i] = post("keyed", i % 2 == 0 and "even" or "odd") end
    for _, id in ipairs(ids) do event_in(id, "handled") end
    local keys = {}
    for _, event in ipairs(server:list "/api/v1/event?type=step.once") do
      keys[#keys + 1] = server:get("/api/v1/event/" .. event.id).idempotencyKey
    end
    table.sort(keys)
    assert.same({ "even", "odd" }, keys)
  end)

  it("emits under a key of its own, also where a sender used that key", function()
    local answer = server:post("/in/open", "{}", { ["X-Kind"] = "same", ["X-Key"] = "delivery-1" })
    event_in(json.decode(answer.body).id, "handled")
    assert.equal(1, #server:list "/api/v1/event?type=step.same")
  end)

  it("that emits itself for ever is stopped at depth 16", function()
    local id = post "loop"
    local dead = wait.until_true("the chain's end", 10000, function()
      return server:get("/api/v1/event?type=open.loop&state=dead").data[1]
    end)
    local length = #server:list "/api/v1/event?type=open.loop"
    assert.is_true(length >= 15 and length <= 17, "events in the chain: " .. length)
    assert.not_equal(id, dead.id)
    assert.matches("at most 16 deep", server:get("/api/v1/event/" .. dead.id).runs[1].error)
  end)

  it("that fails commits nothing, and runs again a second later", function()
    local id = post "broken"
    local event = event_in(id, "retrying")
    assert.equal(1, event.runs[1].number)
    assert.matches("main%.lua:%d+: the first run fails", event.runs[1].error)
    assert.matches("traceback", event.runs[1].error)
    assert.equal(0, #deliveries(id))
    event_in(id, "handled")
    assert.equal(1, #deliveries(id))
  end)

  it("that fails leaves the other handlers of the event alone", function()
    local id = post "two"
    wait.until_true("the good one's message", 5000, function() return #deliveries(id) == 1 end)
    local event = server:get("/api/v1/event/" .. id)
    local states = {}
    for _, run in ipairs(event.runs) do states[run.subscription] = run.state end
    assert.same({ good = "handled", bad = "retrying" }, states)
  end)

  it("whose event has no type is dead, but kept", function()
    local answer = server:post("/in/open", "kept", {})
    assert.equal(200, answer.status)
    local event = event_in(json.decode(answer.body).id, "dead")
    assert.same({ "anzol.untyped", "kept" }, { event.type, event.body })
    assert.matches("type", event.runs[1].error)
  end)
end)
