-- SPDX-License-Identifier: MIT
-- anzol.testing: requests as they would go out.
local rig = require "lua.testing_rig"

local forward, test = rig.forward, rig.test

describe("anzol.testing shows a request", function()
  after_each(rig.finish)

  local ID = "4bf92f3577b34da6a3ce929d0e0e4736"
  local TRACE = "00-" .. ID .. "-00f067aa0ba902b7-01"

  it("with the trace of its event", function()
    local t = test(forward)
    t:receive("in", { json = { type = "a" },
      headers = { traceparent = TRACE, tracestate = "vendor=1" } })
    local headers = t:delivery("out").request.headers
    assert.equal(ID, headers.traceparent:match "^00%-(%x+)%-%x+%-01$")
    assert.are_not.equal(TRACE, headers.traceparent)
    assert.equal("vendor=1", headers.tracestate)
    t:close()
  end)

  it("with the trace also of a message of its own, and of what follows from its death", function()
    local t = test [[
      anzol.on("a", function(event) event:send("out", { json = { n = 1 } }) end)
      anzol.on("anzol.delivery.dead", function(event)
        event.log.info("dead", { trace = event.trace.trace_id })
      end)]]
    t:answer_always("out", 500)
    t:receive("in", { json = { type = "a" },
      headers = { traceparent = TRACE, tracestate = "vendor=1" } })
    local headers = t:delivery("out").request.headers
    assert.equal(ID, headers.traceparent:match "^00%-(%x+)%-")
    assert.equal("vendor=1", headers.tracestate)
    t:advance "1h"
    assert.equal(ID, t.logs[1].fields.trace)
    assert.equal(1, #t.dead_letters)
    t:close()
  end)

  it("with any method", function()
    local t = test [[anzol.on("a", function(event) event:send("out", { json = {}, method = "PROPFIND" }) end)]]
    t:receive("in", { json = { type = "a" } })
    assert.equal("PROPFIND", t:delivery("out").request.method)
    t:close()
  end)
end)
