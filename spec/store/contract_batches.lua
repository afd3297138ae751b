-- SPDX-License-Identifier: MIT
-- The contract: runs of a key are handled together. The run of a batch's first event is due when it
-- closes; the batches of a key go one after another.
local S = require "anzol_test.store"

return function(t)
  local run, event = t.run, t.event

  describe("a batch", function()
    local NOW = 1900000000000
    local WAIT = 60000

    before_each(function() S.clock_fake(NOW) end)

    -- An event of one subscription for a batch; the id, the operation.
    local function batched(fields, usual)
      usual = usual or {}
      usual.plan = { { "a", nil, batch = fields or { key = "k" } } }
      usual.source, usual.type, usual.body = "s", "t", usual.body or "{}"
      local op = run("ingest", usual)
      assert(op.status == "ok", op.status)
      return op.id, op
    end

    local function due(now_ms)
      return t.ids(run("claim_events", { now_ms = now_ms }).rows)
    end

    local function batch_of(id)
      local row = run("claim_events", { only = id }).rows[1]
      return row.runs[1].batch
    end

    local function claim(id)
      return run("claim_batch", { batch = batch_of(id), event = id, subscription = "a" })
    end

    local function finish(ids, fields)
      local all = { event = ids[1], subscriptions = { "a" }, batch = batch_of(ids[1]), members = ids }
      for key, value in pairs(fields or {}) do all[key] = value end
      return run(all.due_ms and "run" or "handled", all)
    end

    local function states()
      local list = {}
      for i, row in ipairs(t.sql "SELECT state FROM run ORDER BY event, subscription") do list[i] = row[1] end
      return list
    end

    it("is due at its time, counted from its first event", function()
      local first = batched()
      S.clock_fake(NOW + 5000)
      local second = batched()
      assert.same({}, due(NOW + WAIT - 1))
      assert.same({ first }, due(NOW + WAIT))
      local claimed = claim(first)
      assert.equal(NOW + WAIT, claimed.close_ms)
      assert.same({ first, second }, t.ids(claimed.members))
      assert.equal(1, claimed.members[2].run_count)
      local early = run("claim_events", { now_ms = NOW })
      assert.equal(NOW + WAIT, early.next_due_ms)
    end)

    it("ends with all of its events", function()
      local first, second = batched(), batched()
      assert.equal("ok", finish({ first, second }).status)
      assert.same({ 2, 2 }, states())
      assert.same({}, due(NOW + 10 * WAIT))
      assert.equal(0, t.row_count "event_due")
      assert.equal(0, t.row_count "batch")
      assert.equal("conflict", run("handled", { event = first, subscriptions = { "a" }, batch = 1,
        members = { first, second } }).status)
    end)

    it("closes at once when it is full, and tells whose run that is", function()
      local first, op = batched { key = "k", max = 3 }
      assert.equal(0, op.released)
      batched { key = "k", max = 3 }
      assert.same({}, due(NOW))
      local third
      third, op = batched { key = "k", max = 3 }
      assert.equal(first, op.released)
      assert.same({ first }, due(NOW))
      assert.equal(0, claim(first).close_ms)
      assert.equal(3, #claim(first).members)
      local fourth = batched { key = "k", max = 3 }
      assert.equal(third, claim(first).members[3].id)
      assert.same({ first }, due(NOW + 10 * WAIT))
      assert.equal(fourth, finish(t.ids(claim(first).members)).released)
      assert.same({ fourth }, due(NOW + WAIT))
    end)

    it("of one event is due at once", function()
      local id = batched { key = "k", max = 1 }
      assert.same({ id }, due(NOW))
    end)

    it("closes when the sum of the bodies passes the limit", function()
      local half = ("x"):rep(512 * 1024)
      local first = batched(nil, { body = half:sub(2) })
      assert.same({}, due(NOW))
      batched(nil, { body = half })
      assert.same({}, due(NOW))
      batched(nil, { body = "x" })
      assert.same({ first }, due(NOW))
    end)

    it("waits for quiet, and not longer than its time", function()
      local spec = { key = "k", wait_ms = WAIT, quiet_ms = 10000 }
      local first = batched(spec)
      assert.same({}, due(NOW + 9999))
      assert.same({ first }, due(NOW + 10000))
      for i = 1, 7 do
        S.clock_fake(NOW + i * 8000)
        batched(spec)
      end
      assert.same({}, due(NOW + WAIT - 1))
      assert.same({ first }, due(NOW + WAIT))
      assert.equal(8, #claim(first).members)
    end)

    it("takes nothing more from its time on; the next one waits for its end", function()
      local first = batched()
      S.clock_fake(NOW + WAIT)
      local second = batched()
      assert.same({ first }, due(NOW + 10 * WAIT))
      S.clock_fake(NOW + WAIT + 1000)
      local third = batched()
      assert.equal(second, finish({ first }).released)
      assert.same({}, due(NOW + 2 * WAIT - 1))
      assert.same({ second }, due(NOW + 2 * WAIT))
      assert.same({ second, third }, t.ids(claim(second).members))
    end)

    it("that is full while the one before it lasts is due at the end of that", function()
      local first = batched { key = "k", max = 1 }
      local second, op = batched { key = "k", max = 1 }
      assert.equal(0, op.released)
      local third = batched { key = "k", max = 1 }
      assert.same({ first }, due(NOW))
      finish { first }
      assert.same({ second }, due(NOW))
      finish { second }
      assert.same({ third }, due(NOW))
    end)

    it("is of one key, one subscription", function()
      local ids = {}
      for i, name in ipairs { "k", "", "l" } do ids[i] = batched { key = name, max = 2 } end
      local other = event { plan = { { "b", nil, batch = { key = "k", max = 2 } } } }
      assert.same({}, due(NOW))
      batched { key = "", max = 2 }
      assert.same({ ids[2] }, due(NOW))
      assert.equal(2, #claim(ids[2]).members)
      assert.is_number(other)
    end)

    it("leaves the event's other runs to themselves", function()
      local plan = { { "a", nil, batch = { key = "k" } }, { "b" } }
      local first, second = event { plan = plan }, event { plan = plan }
      assert.same({ first, second }, due(NOW))
      run("handled", { event = first, subscriptions = { "a", "b" }, index = 2 })
      run("handled", { event = second, subscriptions = { "a", "b" }, index = 2 })
      assert.same({}, due(NOW))
      assert.same({ first }, due(NOW + WAIT))
      assert.equal(2, claim(first).members[1].run_count)
      local op = run("handled", { event = first, subscriptions = { "a", "b" }, index = 1,
        batch = batch_of(first), members = { first, second } })
      assert.equal("ok", op.status)
      assert.same({ 2, 2, 2, 2 }, states())
      assert.equal(0, t.row_count "event_due")
    end)

    it("runs again as a whole", function()
      local first, second = batched(), batched()
      local op = finish({ first, second }, { due_ms = NOW + 5000, number = 1, error = "no" })
      assert.equal("ok", op.status)
      assert.same({ 1, 0 }, states())
      assert.same({}, due(NOW + 4999))
      assert.same({ first }, due(NOW + 5000))
      assert.same({ first, second }, t.ids(claim(first).members))
      assert.equal("ok", finish({ first, second }, { number = 2 }).status)
      assert.same({ 2, 2 }, states())
    end)

    it("is dead as a whole, with the reason; the next one goes", function()
      local first, second = batched(), batched { key = "k", max = 2 }
      local third = batched { key = "k", max = 1 }
      local op = finish({ first, second }, { due_ms = 0, number = 6, error = "no more" })
      assert.equal(third, op.released)
      assert.same({ 4, 4, 0 }, states())
      for _, id in ipairs { first, second } do
        local row = run("get_event", id).row
        assert.equal("dead", row.state)
        assert.equal("no more", row.runs[1].error)
        assert.equal(6, row.runs[1].number)
      end
      assert.same({ third }, due(NOW))
    end)

    it("is dead as a whole when its subscription is gone, whatever the caller knows of it", function()
      local first = batched()
      batched()
      finish({ first }, { due_ms = 0, number = 1, error = "gone" })
      assert.same({ 4, 4 }, states())
      assert.equal(0, t.row_count "batch")
    end)

    it("that is no more gives a dead run that is tried again alone", function()
      local first, second = batched(), batched()
      local id = batch_of(first)
      finish({ first, second }, { due_ms = 0, number = 1, error = "no" })
      t.sql(("UPDATE run SET state = 0 WHERE event = %d; INSERT INTO event_due VALUES (%d, 0)")
        :format(second, second))
      local claimed = run("claim_batch", { batch = id, event = second, subscription = "a" })
      assert.same({ second }, t.ids(claimed.members))
      assert.equal(0, claimed.close_ms)
      local op = run("handled", { event = second, subscriptions = { "a" }, batch = id,
        members = { second } })
      assert.equal("ok", op.status)
      assert.same({ 4, 2 }, states())
      assert.equal(0, t.row_count "event_due")
    end)

    it("gives nothing for a run that is over", function()
      local first = batched()
      local id = batch_of(first)
      finish { first }
      assert.same({}, run("claim_batch", { batch = id, event = first, subscription = "a" }).members)
    end)

    it("goes on with what came after it was claimed", function()
      local first, second, third = batched(), batched(), batched()
      local op = finish { first, second }
      assert.equal(third, op.released)
      assert.same({ third }, due(NOW))
      assert.same({ third }, t.ids(claim(third).members))
      finish { third }
      assert.same({ 2, 2, 2 }, states())
      assert.equal(0, t.row_count "batch")
    end)

    it("keeps only the last, where that is asked for", function()
      local spec = { key = "k", keeps_last = true }
      local first = batched(spec)
      S.clock_fake(NOW + 1000)
      local second = batched(spec)
      assert.same({ 3, 0 }, states())
      assert.equal("a newer event of its batch came", run("get_event", first).row.runs[1].error)
      assert.same({ second }, due(NOW + WAIT))
      assert.same({ second }, t.ids(claim(second).members))
      finish { second }
      assert.same({ 3, 2 }, states())
    end)

    it("that keeps only the last is held behind the one before, too", function()
      local spec = { key = "k", keeps_last = true, max = 2 }
      local first = batched { key = "k", max = 1 }
      batched(spec)
      local third = batched(spec)
      assert.same({ first }, due(NOW + 10 * WAIT))
      assert.equal(third, finish({ first }).released)
      assert.same({ third }, due(NOW))
    end)

    it("writes nothing when its commit is refused", function()
      local first, second = batched(), batched()
      local op = finish({ first, second }, { reads = { { ns = "n", key = "k", version = 7 } } })
      assert.equal("conflict", op.status)
      assert.same({ 0, 0 }, states())
      assert.equal("ok", finish({ first, second }).status)
    end)

    it("commits what its run sends, with all of its events, and drops their steps", function()
      local first, second = batched(), batched()
      for _, id in ipairs { first, second } do
        run("step", { event = id, subscription = "a", name = "s", result = "[]" })
      end
      local op = finish({ first, second }, { has_steps = true, writes = { { ns = "n", key = "k", value = "1" } } })
      assert.equal("ok", op.status)
      assert.equal(0, t.row_count "step")
      assert.equal(1, t.row_count "kv")
    end)

    it("stands in the file", function()
      local first, second = batched(), batched()
      t.reopen()
      local third = batched()
      assert.same({ first }, due(NOW + WAIT))
      assert.same({ first, second, third }, t.ids(claim(first).members))
    end)
  end)
end
