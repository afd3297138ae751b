-- SPDX-License-Identifier: MIT
-- Endpoints that applications registered, at their owner: versions come one by one, a reload leaves
-- them alone, and what was deleted gets nothing more.
local rigs = require "core.send_rig"
local send = require "anzol_test.send"
local with, ok = rigs.with, rigs.ok

describe("a registered endpoint", function()
  -- A rig that has started, with no endpoints of scripts.
  local function start(rig) rig:endpoints {} end

  it("is sent to by its version, and by the next one from then on", with(function(rig)
    local old, new = rig:server(function() return ok() end), rig:server(function() return ok() end)
    start(rig)
    rig.rig:register { name = "e", id = 7, url = old.url }
    rig:commit({ body = "1" }, "e")
    rig:settle()
    rig.rig:register { name = "e", id = 7, url = new.url, version = 2 }
    rig:commit({ body = "2" }, "e")
    rig:settle()
    assert.same({ 1, 1 }, { #old.requests, #new.requests })
    assert.same({ "1", "2" }, { old.requests[1].body, new.requests[1].body })
  end))

  it("leaves no attempt for the version before: what waited goes to the new one", with(function(rig)
    local old, new = rig:server(function() end), rig:server(function() return ok() end)
    start(rig)
    rig.rig:register { name = "e", id = 7, url = old.url, concurrency = 1 }
    for i = 1, 10 do rig:commit({ body = tostring(i) }, "e") end
    rig:wait(function() return #old.requests == 1 end)
    rig.rig:register { name = "e", id = 7, url = new.url, version = 2 }
    rig:wait(function() return #new.requests == 9 end)
    rig:wait(nil, 30)
    assert.same({ 1, 9 }, { #old.requests, #new.requests })
  end))

  it("keeps the later version, in whatever order they come", with(function(rig)
    local old, new = rig:server(function() return ok() end), rig:server(function() return ok() end)
    start(rig)
    rig.rig:register { name = "e", id = 7, url = new.url, version = 2 }
    rig.rig:register { name = "e", id = 7, url = old.url, version = 1 }
    rig:commit({}, "e")
    rig:settle()
    assert.same({ 0, 1 }, { #old.requests, #new.requests })
  end))

  it("holds what is to be sent while it is disabled, and sends it once", with(function(rig)
    local server = rig:server(function() return ok() end)
    start(rig)
    rig.rig:register { name = "e", id = 7, url = server.url, state = "disabled" }
    for _ = 1, 5 do rig:commit({}, "e") end
    rig:wait(nil, 30)
    assert.equal(0, #server.requests)
    rig.rig:register { name = "e", id = 7, url = server.url, version = 2 }
    rig:settle()
    assert.equal(5, #server.requests)
    rig.rig:register { name = "e", id = 7, url = server.url, version = 3, state = "disabled" }
    rig:commit({}, "e")
    rig:wait(nil, 30)
    assert.equal(5, #server.requests)
  end))

  it("is left alone when the scripts are loaded anew", with(function(rig)
    local server = rig:server(function() return ok() end)
    start(rig)
    rig.rig:register { name = "e", id = 7, url = server.url }
    rig:endpoints { { name = "script", id = 1, url = server.url } }
    rig:endpoints {}
    rig:commit({}, "e")
    rig:settle()
    assert.equal(1, #server.requests)
  end))

  describe("that was deleted", function()
    local function deleted(row)
      assert.same({ "cancelled", "the endpoint was deleted" }, { row.state, row.reason })
    end

    it("gets none of what waited, and what comes later is cancelled too", with(function(rig)
      local server = rig:server(function()
        rig.rig:remove(7)
        return ok()
      end)
      start(rig)
      rig.rig:register { name = "e", id = 7, url = server.url, concurrency = 1 }
      for _ = 1, 20 do rig:commit({}, "e") end
      rig:settle()
      rig:commit({}, "e")
      local rows = rig:settle()
      assert.equal("succeeded", rows[1].state)
      for i = 2, 21 do deleted(rows[i]) end
      assert.equal(1, #server.requests)
    end))

    it("gets no retry of the attempt that was under way", with(function(rig)
      local server = rig:server(function()
        rig.rig:remove(7)
        return rigs.answer(500)
      end)
      start(rig)
      rig.rig:register { name = "e", id = 7, url = server.url }
      rig:commit({}, "e")
      rig:settle()
      local row = rig.rig:rows()[1]
      deleted(row)
      assert.same({ 1, 1 }, { #server.requests, #row.attempts })
    end))

    it("still counts the attempt under way if that delivers", with(function(rig)
      local server = rig:server(function()
        rig.rig:remove(7)
        return ok()
      end)
      start(rig)
      rig.rig:register { name = "e", id = 7, url = server.url }
      rig:commit({}, "e")
      rig:settle()
      assert.equal("succeeded", rig.rig:rows()[1].state)
      assert.equal(1, #server.requests)
    end))

    -- A sanitizer sees what comes back to one that is gone.
    it("stays in memory until the look-up of its name is over", with(function(rig)
      send.names { ["slow.example"] = { "127.0.0.1", delay_ms = 400 } }
      local server = rig:server(function() return ok() end)
      start(rig)
      local slow = ("http://slow.example:%d/hook"):format(server.port)
      rig.rig:register { name = "e", id = 7, url = slow, timeout_ms = 100 }
      rig:commit({}, "e")
      rig:attempts(1)
      rig.rig:remove(7)
      rig:settle()
      rig.rig:register { name = "f", id = 8, url = slow }
      rig:commit({}, "f")
      assert.equal("succeeded", rig:settle()[2].state)
      deleted(rig.rig:rows()[1])
    end))

    it("has nothing left in the store, however much it was", with(function(rig)
      local server = rig:server(function() return ok() end)
      start(rig)
      rig.rig:register { name = "e", id = 7, url = server.url, state = "disabled" }
      for _ = 1, 2500 do rig:commit({}, "e") end
      rig.rig:remove(7)
      rig:settle()
      assert.equal(0, #server.requests)
    end))
  end)
end)
