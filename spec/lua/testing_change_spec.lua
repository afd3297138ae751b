-- SPDX-License-Identifier: MIT
-- anzol.retry, anzol.drop and anzol.replay in handlers under test.
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

  it("needs an id", function()
    receive "bad"
    assert.matches("'evt_1' is no id of a delivery", t.events[1].error)
  end)
end)
