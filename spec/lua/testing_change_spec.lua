-- SPDX-License-Identifier: MIT
-- anzol.retry, anzol.drop, anzol.replay and anzol.recover in handlers under test; t:retry, t:replay.
local rig = require "lua.testing_rig"

local script = [[
anzol.endpoint("crm", { url = "https://crm.example/", sign = false,
  retry = anzol.backoff.constant { base = "1s", attempts = 2, jitter = "none" } })
anzol.on("send", function(event) event:send "crm" end)
anzol.on("retry", function()
  for row in anzol.deliveries { state = "dead" } do anzol.retry(row.id) end
end)
anzol.on("drop", function()
  for row in anzol.deliveries { state = "dead" } do anzol.drop(row.id, "ours") end
end)
anzol.on("replay", function()
  for row in anzol.deliveries {} do anzol.replay(row.id) end
end)
local is_well = anzol.cache "well"
anzol.on("sick", function() if not is_well:get "yes" then error "sick" end end)
anzol.on("heal", function(event)
  is_well:set("yes", true)
  for row in anzol.events { state = "dead" } do anzol.retry(row.id) end
end)
anzol.on("bad", function() anzol.retry "evt_1" end)
anzol.on("call", function(event)
  local options = event.data.options
  if event.data.recover then anzol.recover(event.data.recover, options)
  else anzol.replay(options or event.data.id) end
end)
]]

describe("what a handler does by hand", function()
  local t

  before_each(function() t = rig.test(script) end)
  after_each(rig.finish)

  local function receive(kind) t:receive("in", { json = { type = kind } }) end

  it("gives a dead delivery a fresh chance", function()
    t:answer("crm", 500, 500, 500, 200)
    receive "send"
    t:advance "1s"
    assert.equal("dead", t:delivery("crm").state)
    receive "retry"
    assert.same({ "retrying", 3 }, { t:delivery("crm").state, #t:delivery("crm").attempts })
    t:advance "1s"
    assert.same({ "succeeded", 4 }, { t:delivery("crm").state, #t:delivery("crm").attempts })
  end)

  it("lets go of a dead delivery", function()
    t:answer("crm", 500, 500)
    receive "send"
    t:advance "1s"
    receive "drop"
    assert.same({ "cancelled", "ours" }, { t:delivery("crm").state, t:delivery("crm").reason })
  end)

  it("makes one more delivery of the same message", function()
    t:answer_always("crm", 200)
    receive "send"
    receive "replay"
    assert.equal(2, #t.deliveries)
    assert.equal(t.deliveries[1].message_id, t.deliveries[2].message_id)
    assert.equal("succeeded", t.deliveries[2].state)
  end)

  it("runs what died again", function()
    receive "sick"
    t:advance "1h"
    assert.equal("dead", t.events[1].runs[1].state)
    receive "heal"
    assert.equal("handled", t.events[1].runs[1].state)
  end)

  it("is at most a thousand things in a run", function()
    for count = 1000, 1001 do
      local one = rig.test(([[anzol.on("many", function()
        for _ = 1, %d do anzol.replay "dlv_00000000001" end
      end)]]):format(count))
      one:receive("in", { json = { type = "many" } })
      local err = one.events[1].error
      if count == 1000 then assert.is_nil(err) else assert.matches("at most 1000 times", err) end
    end
  end)

  local function call(fields)
    fields.type = "call"
    local answer = t:receive("in", { json = fields })
    return answer.event.error
  end

  local function raises(text, fields)
    assert.matches(text, call(fields), 1, true)
  end

  it("runs an event's handlers again, and its messages keep their ids", function()
    receive "send"
    assert.is_nil(call { id = t.events[1].id })
    assert.equal(2, #t.deliveries)
    assert.equal(t.deliveries[1].message_id, t.deliveries[2].message_id)
    assert.is_nil(call { id = "evt_00000000001" })
    assert.equal(2, #t.deliveries)
  end)

  it("does not run its own event again", function()
    local one = rig.test [[anzol.on("self", function(event) anzol.replay(event.id) end)]]
    one:receive("in", { json = { type = "self" } })
    assert.matches("an event cannot begin itself again", one.events[1].error)
    local wide = "would run this handler again, which would begin the replay again: say a 'type' "
      .. "other than 'call', or a 'source' other than 'in'"
    raises(wide, { options = { since = "1h" } })
    raises(wide, { options = { type = "call" } })
    raises(wide, { options = { source = "in" } })
    assert.is_nil(call { options = { type = "send" } })
  end)

  it("replays events that filters choose, oldest first, at a rate", function()
    for _ = 1, 3 do receive "send" end
    t:advance "1h"
    receive "send"
    assert.is_nil(call { options = { type = "send", since_ms = t.now_ms - 3600000,
      until_ms = t.now_ms, rate = "1/s", state = "handled" } })
    assert.equal(5, #t.deliveries)
    t:advance "999ms"
    assert.equal(5, #t.deliveries)
    t:advance "1001ms"
    assert.equal(7, #t.deliveries)
    for i = 1, 3 do assert.equal(t.deliveries[i].message_id, t.deliveries[4 + i].message_id) end
    t:advance "1h"
    assert.equal(7, #t.deliveries)
  end)

  it("replays deliveries that filters choose, with new ids if asked for", function()
    t:answer("crm", 200, 500, 500, 200)
    receive "send"
    receive "send"
    t:advance "1s"
    assert.is_nil(call { options = { endpoint = "crm", state = "dead", contains = "attempts",
      source = "in", type = "send", new_ids = true } })
    assert.equal(3, #t.deliveries)
    assert.equal("succeeded", t.deliveries[3].state)
    assert.are_not.equal(t.deliveries[2].message_id, t.deliveries[3].message_id)
    assert.equal(t.deliveries[2].event_id, t.deliveries[3].event_id)
    assert.is_nil(call { options = { kind = "delivery", contains = "no such text" } })
    assert.equal(3, #t.deliveries)
  end)

  it("recovers an endpoint since a time", function()
    t:answer("crm", 500, 500, 500, 500, 200)
    receive "send"
    t:advance "1h"
    receive "send"
    t:advance "1s"
    assert.is_nil(call { recover = "crm", options = { since = "30m" } })
    assert.same({ "dead", "succeeded" }, { t.deliveries[1].state, t.deliveries[2].state })
    raises("anzol.recover: there is no endpoint 'cmr'", { recover = "cmr" })
  end)

  it("says what is wrong with filters", function()
    raises("takes an id, or says which", { options = {} })
    raises("unknown option 'endpont' for anzol.replay; did you mean 'endpoint'?",
      { options = { endpont = "crm" } })
    raises("kind = \"delivery\"", { options = { endpoint = "crm", kind = "event" } })
    raises("option 'state' of anzol.replay", { options = { type = "send", state = "gone" } })
    raises("option 'endpoint' of anzol.replay must be some text, or left out for all",
      { options = { endpoint = "" } })
    raises("option 'type' of anzol.replay must be a pattern of types", { options = { type = "" } })
    raises("option 'rate' of anzol.replay", { options = { type = "send", rate = "often" } })
    raises("one of 'since' and 'since_ms', not both",
      { options = { type = "send", since = "1h", since_ms = 1 } })
    raises("'subscription' is of events", { options = { endpoint = "crm", subscription = "a" } })
  end)

  it("begins at most 16 tasks in a run", function()
    for count = 16, 17 do
      local one = rig.test(([[anzol.on("many", function()
        for _ = 1, %d do anzol.recover "out" end
      end)]]):format(count))
      one:receive("in", { json = { type = "many" } })
      local err = one.events[1].error
      if count == 16 then assert.is_nil(err) else assert.matches("at most 16 replays", err) end
    end
  end)

  it("needs an id", function()
    receive "bad"
    assert.matches("'evt_1' is no id of a delivery", t.events[1].error)
  end)
end)

describe("by hand in a spec", function()
  local t

  before_each(function() t = rig.test(script) end)
  after_each(rig.finish)

  it("a dead delivery and an event's dead run are retried", function()
    t:answer("crm", 500, 500, 200)
    t:receive("in", { json = { type = "send" } })
    t:advance "1s"
    t:retry(t:delivery "crm")
    assert.equal("succeeded", t:delivery("crm").state)
    local event = t:receive("in", { json = { type = "sick" } }).event
    t:advance "1h"
    assert.equal("dead", event.runs[1].state)
    t:receive("in", { json = { type = "heal" } })
    t:replay(event.id)
    assert.equal("handled", event.runs[1].state)
  end)

  it("the type of an event that had none is asked for again", function()
    local one = rig.test [[
      anzol.source("late", { verify = anzol.verify.none(), type = function(req)
        if not anzol.cache("well"):get "yes" then error "not yet" end
        return "late." .. req.json.kind
      end })
      anzol.on("well", function() anzol.cache("well"):set("yes", true) end)
      anzol.on("late.*", function(event) event:send "out" end)
      anzol.on("again", function(event) anzol.replay(event.data.id) end)]]
    local event = one:receive("late", { json = { kind = "a" } }).event
    assert.same({ "anzol.untyped", "dead" }, { event.type, event.runs[1].state })
    one:retry(event)
    assert.same({ "dead", 0 }, { event.runs[1].state, #one.deliveries })
    one:receive("in", { json = { type = "well" } })
    one:retry(event)
    assert.equal("handled", event.runs[1].state)
    local made = one.events[#one.events]
    assert.same({ "late.a", event.id, event.body }, { made.type, made.parent_id, made.body })
    assert.equal(event.body, one:delivery("out").request.body)
    one:receive("in", { json = { type = "again", id = event.id } })
    assert.equal(2, #one.deliveries)
    assert.equal(2, #one.dead_letters)
  end)

  it("deliveries and events are replayed", function()
    local event = t:receive("in", { json = { type = "send" } }).event
    t:replay(event)
    t:replay(t:delivery "crm")
    assert.equal(3, #t.deliveries)
    for i = 2, 3 do assert.equal(t.deliveries[1].message_id, t.deliveries[i].message_id) end
  end)

  it("ordered runs are replayed", function()
    local one = rig.test [[
      anzol.on("in_order", { order_by = function() return "" end },
        function(event) anzol.sleep "10s" event:send "out" end)]]
    local function post() return one:receive("in", { json = { type = "in_order" } }).event end
    local first = post()
    assert.equal(1, #one.deliveries)
    one:replay(first)
    one:replay(first)
    assert.equal(3, #one.deliveries)
  end)

  it("what its state does not allow is refused in words", function()
    t:receive("in", { json = { type = "send" } })
    local function raises(text, fn, ...)
      assert.matches(text, rig.message_of(fn, t, ...), 1, true)
    end
    local id = t:delivery("crm").id
    raises(("t:retry: %s is succeeded"):format(id), t.retry, id)
    raises(("t:retry: %s is handled"):format(t.events[1].id), t.retry, t.events[1])
    raises("t:replay: there is no dlv_00000000001", t.replay, "dlv_00000000001")
    raises("t:replay takes a delivery, an event or an id of one, got 7", t.replay, 7)
  end)
end)
