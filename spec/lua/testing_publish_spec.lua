-- SPDX-License-Identifier: MIT
-- anzol.testing: what is published over the API.
local rig = require "lua.testing_rig"

local script = [[
anzol.on("**", function(event) event:send("out", { json = { all = true } }) end)
anzol.on("api.invoice.*", function(event)
  if event.data.amount == 0 then return anzol.skip "nothing to pay" end
  event:send("out", { json = { app = event.application, channels = event.channels,
    count = event:publish { payload = { seen = true } } } })
end)
]]

describe("t:publish", function()
  local t

  before_each(function() t = rig.test(script) end)
  after_each(rig.finish)

  it("gives the message to the handlers of its type, as the API does", function()
    t:answer("out", 200)
    local event = t:publish("invoice.paid", { payload = { amount = 5 }, channels = { "eu" } })
    assert.same({ "api.invoice.paid", "api", { amount = 5 } }, { event.type, event.source, event.json })
    local sent = t:delivery("out").request.json
    assert.same({ { "eu" }, 0 }, { sent.channels, sent.count })
    assert.matches("^app_", sent.app)
  end)

  it("gives it to nobody else", function()
    assert.same({}, t:publish("other").runs)
    assert.equal("nothing to pay", t:publish("invoice.paid", { payload = { amount = 0 } }).skipped)
  end)

  it("takes what the API takes", function()
    for what, call in pairs {
      ["the type is 1 to 256"] = function() t:publish "a b" end,
      ["the payload is a table"] = function() t:publish("a", { payload = { 1 } }) end,
      ["'channels' is a list"] = function() t:publish("a", { channels = {} }) end,
      ["option"] = function() t:publish("a", { data = {} }) end,
    } do assert.matches(what, select(2, pcall(call)), 1, true) end
  end)
end)
