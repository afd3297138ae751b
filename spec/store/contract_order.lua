-- SPDX-License-Identifier: MIT
-- The contract: runs with an order key go one after another, in stored order.
local S = require "anzol_test.store"

return function(t)
  local run, event = t.run, t.event

  describe("order", function()
    -- An event of one subscription with a key.
    local function ordered(key, fields)
      fields = fields or {}
      fields.plan = { { "a", key } }
      return event(fields)
    end

    local function due(now_ms)
      return t.ids(run("claim_events", { now_ms = now_ms or S.now_ms() }).rows)
    end

    local function finish(id, fields)
      local all = { event = id, subscriptions = { "a" }, is_ordered = true }
      for key, value in pairs(fields or {}) do all[key] = value end
      return run("handled", all)
    end

    local function fail(id, due_ms)
      return run("run", { event = id, subscriptions = { "a" }, is_ordered = true, number = 1,
                          due_ms = due_ms, error = "no" })
    end

    it("lets the first run of each key go, and those without a key", function()
      local first, _, other = ordered "k", ordered "k", ordered "l"
      local free = event { plan = { { "a" }, { "b", "k" } } }
      assert.same({ first, other, free }, due())
    end)

    it("tells of a claimed run that it has a key", function()
      ordered "k"
      local row = run("claim_events", {}).rows[1]
      assert.equal(1, #row.runs)
      assert.equal("a", row.runs[1].subscription)
      assert.is_true(row.runs[1].is_ordered)
    end)

    it("lets the next one go when one is handled, skipped or dead", function()
      local ids = {}
      for i = 1, 4 do ids[i] = ordered "k" end
      assert.equal(ids[2], finish(ids[1]).released)
      assert.same({ ids[2] }, due())
      assert.equal(ids[3], finish(ids[2], { skip = "no" }).released)
      assert.same({ ids[3] }, due())
      assert.equal(ids[4], fail(ids[3], 0).released)
      assert.same({ ids[4] }, due())
      assert.equal(0, finish(ids[4]).released)
      assert.same({}, due())
    end)

    it("holds the key while one is to run again", function()
      local first, second = ordered "k", ordered "k"
      local later = S.now_ms() + 60000
      assert.equal(0, fail(first, later).released)
      assert.same({}, due())
      local third = ordered "k"
      assert.same({ first }, due(later))
      assert.equal(second, finish(first, { number = 2 }).released)
      assert.equal(third, finish(second).released)
    end)

    it("lets an event that comes when nothing of its key is open go at once", function()
      local first = ordered "k"
      finish(first)
      local second = ordered "k"
      assert.same({ second }, due())
    end)

    it("lets a repeated end release nothing", function()
      local first, second, third = ordered "k", ordered "k", ordered "k"
      finish(first)
      assert.equal("conflict", finish(first).status)
      assert.same({ second }, due())
      assert.is_number(third)
    end)

    it("goes by id where several wait", function()
      local first = ordered "k"
      local last = ordered("k", { id = first + (3 << 16) })
      local middle = ordered("k", { id = first + (2 << 16) })
      assert.equal(middle, finish(first).released)
      assert.equal(last, finish(middle).released)
    end)

    it("keeps the subscriptions of one event apart", function()
      local both = { { "a", "k" }, { "b", "k" } }
      local first, second = event { plan = both }, event { plan = both }
      local function handle(id, index)
        return run("handled", { event = id, subscriptions = { "a", "b" }, index = index,
                                is_ordered = true })
      end
      assert.equal(second, handle(first, 2).released)
      local rows = run("claim_events", { now_ms = S.now_ms() }).rows
      assert.same({ first, second }, t.ids(rows))
      assert.is_true(rows[2].runs[1].due_ms > S.now_ms())
      assert.equal(0, rows[2].runs[2].due_ms)
      assert.equal(0, handle(second, 2).released)
      assert.same({ first }, due())
      assert.equal(second, handle(first, 1).released)
      assert.equal("ok", handle(second, 1).status)
      assert.same({}, due())
      assert.equal(0, t.row_count "event_due")
    end)

    it("holds the key for an event that is due later, whoever waits behind it", function()
      local later = S.now_ms() + 60000
      local first = ordered("k", { due_ms = later })
      local second = ordered("k", { due_ms = later + 5 })
      local third = ordered "k"
      assert.same({}, due())
      assert.same({ first }, due(later + 5))
      finish(first)
      assert.same({}, due(later + 4))
      assert.same({ second }, due(later + 5))
      finish(second)
      assert.same({ third }, due())
    end)

    it("stands in the file", function()
      local first, second = ordered "k", ordered "k"
      t.reopen()
      assert.same({ first }, due())
      finish(first)
      t.reopen()
      assert.same({ second }, due())
    end)

    it("orders emits like events from outside", function()
      local first = ordered "k"
      local parent = event()
      local emit = { source = "x", type = "y", body = "{}", plan = { { "a", "k" } } }
      run("handled", { event = parent, subscriptions = { "c" }, emits = { emit } })
      assert.same({ first }, due())
      assert.is_true(finish(first).released > 0)
      assert.equal(1, #due())
    end)
  end)

  describe("an event that is due later", function()
    it("is not claimed before", function()
      local now = S.now_ms()
      local id = event { due_ms = now + 1000 }
      local early = run("claim_events", { now_ms = now + 999 })
      assert.same({}, t.ids(early.rows))
      assert.equal(now + 1000, early.next_due_ms)
      assert.same({ id }, t.ids(run("claim_events", { now_ms = now + 1000 }).rows))
    end)

    it("is claimed by its time, before and apart from what is due at once or held", function()
      local now = S.now_ms()
      local last, first = event { due_ms = now + 5 }, event { due_ms = now + 3 }
      local later = event { due_ms = now + 1000 }
      event()
      local held = { plan = { { "a", "k" } } }
      for _ = 1, 3 do event(held) end
      local claim = run("claim_events", { is_timed = true, now_ms = now + 10 })
      assert.same({ first, last }, t.ids(claim.rows))
      assert.is_true(claim.is_end)
      assert.equal(now + 1000, claim.next_due_ms)
      claim = run("claim_events", { is_timed = true, now_ms = now + 1000 })
      assert.same({ first, last, later }, t.ids(claim.rows))
      assert.is_true(claim.is_end)
      assert.equal(0, claim.next_due_ms)
    end)

    it("is claimed by its time in steps, of its own shards", function()
      local now = S.now_ms()
      local ids = {}
      for i = 1, 6 do ids[i] = event { due_ms = now + i // 3 } end
      local seen, claim = {}, { last = 0, last_due_ms = 0 }
      repeat
        claim = run("claim_events", { is_timed = true, now_ms = now + 10, count_max = 2,
          after = claim.last, after_due_ms = claim.last_due_ms })
        for _, id in ipairs(t.ids(claim.rows)) do seen[#seen + 1] = id end
      until claim.is_end
      assert.same(ids, seen)
      local other = run("claim_events", { is_timed = true, now_ms = now + 10, modulus = 2, remainder = 1 })
      assert.same({}, other.rows)
    end)

    it("can be asked for alone", function()
      local now = S.now_ms()
      local id, other = event { due_ms = now + 1000 }, event()
      assert.same({ other }, t.ids(run("claim_events", { now_ms = now, only = other }).rows))
      local early = run("claim_events", { now_ms = now, only = id })
      assert.same({}, t.ids(early.rows))
      assert.equal(now + 1000, early.next_due_ms)
      assert.same({ id }, t.ids(run("claim_events", { now_ms = now + 1000, only = id }).rows))
    end)
  end)
end
