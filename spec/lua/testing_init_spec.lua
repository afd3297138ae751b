-- SPDX-License-Identifier: MIT
-- anzol.testing: what scripts do first (anzol.init).
local rig = require "lua.testing_rig"

local test = rig.test

local script = [[
  local keys, times = nil, 0
  anzol.init(function()
    times = times + 1
    anzol.sleep "2s"
    keys = assert(assert(anzol.http.get "https://login.example/keys"):json())
  end)
  anzol.on("a", function(event) event:send("out", { json = { keys = keys, times = times } }) end)]]

describe("anzol.init in a test", function()
  after_each(rig.finish)

  it("runs once, before the first request, with what was canned for it", function()
    local t = test(script)
    local start = t.now_ms
    t:http("https://login.example/keys", { json = { "k" } })
    for i = 1, 2 do
      t:receive("in", { json = { type = "a" } })
      assert.same({ keys = { "k" }, times = 1 }, t.deliveries[i].request.json)
    end
    assert.equal(2000, t.now_ms - start)
    assert.equal(1, #t.calls)
  end)

  it("runs before the clock moves", function()
    local t = test(script)
    t:http("https://login.example/keys", { json = {} })
    t:advance "1s"
    assert.equal(1, #t.calls)
  end)

  it("that fails fails the test, with its place", function()
    local t = test 'anzol.init(function() error "no keys" end)'
    local why = rig.message_of(t.receive, t, "in", { json = { type = "a" } })
    assert.matches("anzol.init failed: scripts/main.lua:%d+: no keys", why)
  end)
end)
