-- SPDX-License-Identifier: MIT
-- The contract: deliveries with an order key go one after another, in order of their commits; those
-- of a higher priority are claimed first.
local S = require "anzol_test.store"

return function(t)
  local run, settle, ids = t.run, t.settle, t.ids

  -- A delivery with a key, due in the store.
  local function ordered(key, fields)
    fields = fields or {}
    fields.endpoint, fields.order_key = fields.endpoint or 4, key
    fields.due_ms = fields.due_ms or 1000
    return (t.delivery(fields))
  end

  local function due(now_ms, endpoint)
    return ids(run("claim_deliveries", { endpoint = endpoint or 4, now_ms = now_ms or S.now_ms() }).rows)
  end

  local function finish(id, state, fields)
    local all = { is_ordered = true, attempt = { number = 1, status = 200 } }
    for name, value in pairs(fields or {}) do all[name] = value end
    return settle(id, state or "succeeded", all)
  end

  describe("order of deliveries", function()
    it("lets the first of each key go, and those without a key", function()
      local first, _, other = ordered "k", ordered "k", ordered "l"
      local free, elsewhere = t.delivery { endpoint = 4, due_ms = 1000 }, ordered("k", { endpoint = 5 })
      assert.same({ first, other, free }, due())
      assert.same({ elsewhere }, due(nil, 5))
    end)

    it("takes an empty key as one", function()
      local first = ordered ""
      ordered ""
      assert.same({ first }, due())
    end)

    it("says which waits, and of a claimed one that it has a key", function()
      local event = t.event()
      local op = run("handled", { event = event, subscriptions = { "a" }, messages = { { type = "o", body = "{}",
        deliveries = { { endpoint = 4, due_ms = 1, order_key = "k" }, { endpoint = 4, due_ms = 1 },
          { endpoint = 4, order_key = "k" } } } } })
      assert.same({ false, false, true },
        { op.deliveries[1].is_held, op.deliveries[2].is_held, op.deliveries[3].is_held })
      local rows = run("claim_deliveries", { endpoint = 4 }).rows
      assert.same({ true, false }, { rows[1].is_ordered, rows[2].is_ordered })
      assert.same({}, ids(run("claim_open", {}).rows))
      local row = run("get_delivery", op.deliveries[3].id).row
      assert.same({ "pending", true, 0 }, { row.state, row.is_held, row.due_ms })
      assert.is_false(run("get_delivery", op.deliveries[1].id).row.is_held)
    end)

    it("lets the next one go when one succeeds, is cancelled or dies", function()
      local list = {}
      for i = 1, 4 do list[i] = ordered "k" end
      for i, state in ipairs { "succeeded", "cancelled", "dead" } do
        local op = finish(list[i], state)
        assert.same({ list[i + 1], 0 }, { op.released, op.next })
        assert.equal(1000, op.released_due_ms)
        assert.same({ list[i + 1] }, due())
      end
      assert.equal(0, finish(list[4]).released)
      assert.same({}, due())
    end)

    it("gives the next one to who has room for it", function()
      local first, second = ordered "k", ordered("k", { body = "two" })
      local op = finish(first, "succeeded", { takes_next = true })
      assert.same({ second, second }, { op.released, op.next })
      assert.same({}, due())
      local rows = run("claim_open", {}).rows
      assert.same({ second }, ids(rows))
      assert.is_true(rows[1].is_ordered)
      assert.equal("two", rows[1].body)
    end)

    it("does not give what is due later", function()
      local later = S.now_ms() + 60000
      local first, second, third = ordered "k", ordered("k", { due_ms = later }), ordered "k"
      local op = finish(first, "succeeded", { takes_next = true })
      assert.same({ second, later, 0 }, { op.released, op.released_due_ms, op.next })
      local claim = run("claim_deliveries", { endpoint = 4, now_ms = later - 1 })
      assert.same({}, ids(claim.rows))
      assert.equal(later, claim.next_due_ms)
      assert.same({ second }, due(later))
      assert.equal(third, finish(second).released)
    end)

    it("keeps the place of one that is to be tried again", function()
      local first, second = ordered "k", ordered "k"
      local later = S.now_ms() + 60000
      local op = finish(first, "retrying", { due_ms = later, takes_next = true })
      assert.same({ 0, 0 }, { op.released, op.next })
      local third = ordered "k"
      assert.same({}, due())
      assert.same({ first }, due(later))
      finish(first, "pending", { due_ms = later + 1 })
      assert.same({ first }, due(later + 1))
      assert.equal(second, finish(first, "succeeded", { attempt = { number = 3, status = 200 } }).released)
      assert.equal(third, finish(second).released)
    end)

    it("keeps the place of a dead one if its key is to wait for it", function()
      local first, second = ordered "k", ordered "k"
      assert.equal(0, finish(first, "dead", { is_blocking = true, takes_next = true }).released)
      assert.same({}, due())
      ordered "k"
      assert.same({}, due())
      assert.equal("dead", run("get_delivery", first).row.state)
      t.reopen()
      assert.same({}, due())
      assert.is_number(second)
    end)

    it("lets every key that waits for a dead one go when its endpoint wants that no more", function()
      local endpoint = run("endpoint", { name = "crm", url = "http://x/", state = "enabled" }).id
      local first, second, third = ordered("k", { endpoint = endpoint }),
        ordered("k", { endpoint = endpoint }), ordered("k", { endpoint = endpoint })
      local alone = ordered("l", { endpoint = endpoint })
      local elsewhere, held = ordered("k", { endpoint = 5 }), ordered("k", { endpoint = 5 })
      for _, id in ipairs { first, alone, elsewhere } do finish(id, "dead", { is_blocking = true }) end
      local same = { name = "crm", url = "http://x/", keep_state = true }
      assert.equal(0, run("endpoint", same).released_count)
      assert.same({}, due(nil, endpoint))
      same.unblocks = true
      assert.equal(1, run("endpoint", same).released_count)
      assert.same({ second }, due(nil, endpoint))
      assert.equal(0, run("endpoint", same).released_count)
      assert.equal(third, finish(second).released)
      assert.same({}, due(nil, 5))
      assert.is_number(held)
      local late = ordered("l", { endpoint = endpoint })
      assert.is_truthy(table.concat(due(nil, endpoint), " "):find(late, 1, true))
    end)

    it("does not delete a dead one that its key waits for", function()
      local old = 1767225600000
      S.clock_fake(old)
      local waited_for = ordered "k"
      finish(waited_for, "dead", { is_blocking = true })
      finish(ordered "l", "dead")
      S.clock_fake(old + 86400000)
      t.store:retain { { before_ms = old + 1000 } }
      for _ = 1, 2000 do
        if t.row_count "event" == 1 then break end
        run("list_events", { limit = 1 })
      end
      assert.same({ waited_for }, ids(run("list_deliveries", {}).rows))
    end)

    it("lets one that comes when nothing of its key is open go at once", function()
      finish(ordered "k")
      local second = ordered "k"
      assert.same({ second }, due())
    end)

    it("lets a repeated end release nothing", function()
      local first, second, third = ordered "k", ordered "k", ordered "k"
      finish(first)
      assert.equal(0, finish(first).released)
      assert.same({ second }, due())
      assert.is_number(third)
    end)

    it("leaves one that waits alone when it is given back", function()
      local first, second = ordered "k", ordered "k"
      run("spill", { { delivery = second, due_ms = 1 } })
      assert.same({ first }, due())
      finish(first, "succeeded", { takes_next = true })
      run("spill", { { delivery = second, due_ms = 7 } })
      assert.same({ second }, due(7))
    end)

    it("stands in the file", function()
      local first, second = ordered "k", ordered "k"
      t.reopen()
      assert.same({ first }, due())
      finish(first)
      t.reopen()
      assert.same({ second }, due())
    end)

    it("counts those that wait as pending, and no endpoint as due for them", function()
      local endpoint = t.endpoint "e"
      t.delivery { endpoint = endpoint, order_key = "k" } -- held in memory
      ordered("k", { endpoint = endpoint })
      assert.equal(2, run("list_endpoints", {}).rows[1].pending)
      assert.same({}, run("backlog", {}).rows)
    end)

    it("counts the dead ones that keys wait for, until they are let go", function()
      local endpoint, other = t.endpoint "e", t.endpoint "f"
      local function blocking()
        local rows = run("list_endpoints", {}).rows
        return { rows[1].blocking, rows[2].blocking }
      end
      local first = ordered("k", { endpoint = endpoint })
      ordered("k", { endpoint = endpoint })
      finish(ordered("l", { endpoint = other }), "dead")
      assert.same({ 0, 0 }, blocking())
      finish(first, "dead", { is_blocking = true })
      assert.same({ 1, 0 }, blocking())
      run("change", { { verb = "drop", delivery = first } })
      assert.same({ 0, 0 }, blocking())
    end)
  end)

  describe("priority", function()
    it("is claimed from the highest down, by due time within one", function()
      local list = {}
      for i, priority in ipairs { 0, 9, -9, 9, 0 } do
        list[i] = (t.delivery { endpoint = 4, due_ms = 1000 - i, priority = priority })
      end
      local claim = run("claim_deliveries", { endpoint = 4, now_ms = 1000 })
      assert.same({ list[4], list[2], list[5], list[1], list[3] }, ids(claim.rows))
      assert.same({ 9, 9, 0, 0, -9 }, { claim.rows[1].priority, claim.rows[2].priority, claim.rows[3].priority,
        claim.rows[4].priority, claim.rows[5].priority })
      assert.is_true(claim.is_end)
    end)

    it("is kept where a claim comes to its bound", function()
      local low = t.delivery { endpoint = 4, due_ms = 1 }
      local high = t.delivery { endpoint = 4, due_ms = 2, priority = 1 }
      local claim = run("claim_deliveries", { endpoint = 4, now_ms = 9, count_max = 1 })
      assert.same({ { high }, false }, { ids(claim.rows), claim.is_end })
      claim = run("claim_deliveries", { endpoint = 4, now_ms = 9, count_max = 2 })
      assert.same({ high, low }, ids(claim.rows))
    end)

    it("can be claimed above another", function()
      t.delivery { endpoint = 4, due_ms = 1, priority = -9 }
      local zero = t.delivery { endpoint = 4, due_ms = 1 }
      local high = t.delivery { endpoint = 4, due_ms = 1, priority = 2 }
      t.delivery { endpoint = 4, due_ms = 70, priority = -8 }
      local claim = run("claim_deliveries", { endpoint = 4, now_ms = 9, above = -8 })
      assert.same({ { high, zero }, true, 0 }, { ids(claim.rows), claim.is_end, claim.next_due_ms })
    end)

    it("hides no due time", function()
      t.delivery { endpoint = 4, due_ms = 50, priority = -1 }
      t.delivery { endpoint = 4, due_ms = 70, priority = 3 }
      t.delivery { endpoint = 4, due_ms = 10, priority = 3 }
      local claim = run("claim_deliveries", { endpoint = 4, now_ms = 20 })
      assert.same({ 1, 50 }, { #claim.rows, claim.next_due_ms })
      assert.same({ { endpoint = 4, due_ms = 10 } }, run("backlog", {}).rows)
    end)
  end)
end
