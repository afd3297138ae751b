-- SPDX-License-Identifier: MIT
-- The contract: whoever waits for an event to be stored.
local wait = require "support.wait"

return function(t)
  local run, event = t.run, t.event

  describe("a watch", function()
    local function last() return t.store:last_event() end

    local function assert_told(watch)
      wait.until_true("the watch", 5000, function()
        t.store:turn()
        return watch.is_told
      end)
    end

    local function assert_not_told(watch)
      t.store:turn()
      assert.is_nil(watch.is_told)
      assert.is_true(t.store:unwatch(watch))
    end

    it("is told when an event is stored, once", function()
      local watch = t.store:watch(last())
      t.store:turn()
      assert.is_nil(watch.is_told)
      local id = event()
      assert_told(watch)
      assert.equal(id, last())
    end)

    it("is told at once when another event is the last already", function()
      local known = last()
      event()
      assert_told(t.store:watch(known))
    end)

    it("is told of one that was given its id before, and of emitted ones", function()
      local id = event()
      local watch = t.store:watch(id)
      local emit = { source = "self", type = "derived", body = "child", parent = id, depth = 1 }
      assert.equal("ok", run("handled", { event = id, subscriptions = { "hook" }, emits = { emit } }).status)
      assert_told(watch)
      local early, late = t.store:next_id(0), t.store:next_id(0)
      event { id = late }
      watch = t.store:watch(late)
      event { id = early }
      assert_told(watch)
      assert.equal(early, last())
    end)

    it("is not told of what brings no event, and can be let go", function()
      local id = event { key = "k" }
      local watch, other = t.store:watch(id), t.store:watch(id)
      assert.is_true(run("ingest", { source = "github", type = "t", key = "k", body = "" }).is_duplicate)
      t.endpoint "crm"
      assert_not_told(watch)
      event()
      assert_told(other)
      assert.is_nil(watch.is_told)
    end)

    it("knows the last event after a restart", function()
      local id = event()
      t.reopen()
      assert.equal(id, last())
      assert_not_told(t.store:watch(id))
    end)
  end)
end
