-- SPDX-License-Identifier: MIT
-- The contract: whoever waits for an event to be stored, and whoever follows them.
local S = require "anzol_test.store"
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

  describe("following", function()
    local LATE_MS = 500 -- STORE_LATE_MS
    local LEFT_OUT, ONLY = 1, 2
    local NOW = 1800000000000

    before_each(function() S.clock_fake(NOW) end)

    local function rows(lateness, more)
      local query = { lateness = lateness, is_backward = true }
      for name, value in pairs(more or {}) do query[name] = value end
      return run("list_events", query).rows
    end

    it("tells what is stored late from what is not, in the order in which it is stored", function()
      local first, second, third, soon = t.store:next_id(0), t.store:next_id(0), t.store:next_id(0), t.store:next_id(0)
      S.clock_fake(NOW + LATE_MS)
      event { id = soon }
      S.clock_fake(NOW + LATE_MS + 1)
      event { id = third }
      event { id = first }
      local parent = event()
      local emit = { source = "self", type = "derived", body = "", parent = parent, depth = 1, id = second }
      assert.equal("ok", run("handled", { event = parent, subscriptions = { "hook" }, emits = { emit } }).status)
      assert.same({ first, second, third, soon, parent }, t.ids(rows(0)))
      assert.same({ soon, parent }, t.ids(rows(LEFT_OUT)))
      local late = rows(ONLY)
      assert.same({ third, first, second }, t.ids(late))
      assert.same({ first, second }, t.ids(rows(ONLY, { after = late[1].late })))
      assert.same({ first, third }, t.ids(rows(ONLY, { before = late[3].late, is_backward = false })))
      assert.same({ first }, t.ids(rows(ONLY, { after = late[1].late, limit = 1 })))
      t.reopen()
      S.clock_fake(NOW + LATE_MS + 2)
      local last = t.store:next_id(0)
      S.clock_fake(NOW + 2 * LATE_MS + 3)
      event { id = last }
      assert.same({ last }, t.ids(rows(ONLY, { after = late[3].late })))
    end)

    it("is settled up to where whatever comes later is late", function()
      local settled = t.store:next_id(0)
      S.clock_fake(NOW + 1)
      local open = t.store:next_id(0)
      S.clock_fake(NOW + LATE_MS + 1)
      assert.is_true(settled < t.store:settled())
      assert.is_true(open >= t.store:settled())
      event { id = settled }
      event { id = open }
      assert.same({ settled }, t.ids(rows(ONLY)))
    end)
  end)
end
