-- SPDX-License-Identifier: MIT
-- The contract: what is done by hand to deliveries and to runs that died.

return function(t)
  local run, delivery, event, settle, ids = t.run, t.delivery, t.event, t.settle, t.ids

  -- One change; what became of it.
  local function change(one, fields)
    local op = fields or {}
    op[1] = one
    return run("change", op).changes[1]
  end

  local function dead(fields)
    local id, of = delivery(fields)
    settle(id, "dead", { reason = "six tries", attempt = { number = 1, status = 500 } })
    return id, of
  end

  local function state(id) return run("get_delivery", id).row.state end

  describe("a delivery that is retried", function()
    it("is pending and due now, with a fresh chance; its attempts go on", function()
      local id = dead { endpoint = 4, expires_ms = 77 }
      local was = change({ verb = "retry", delivery = id }, { now_ms = 5000 })
      assert.same({ "ok", "dead", 4 }, { was.status, was.state, was.endpoint })
      assert.equal(0, #run("claim_deliveries", { endpoint = 4, now_ms = 4999 }).rows)
      local claimed = run("claim_deliveries", { endpoint = 4, now_ms = 5000 }).rows
      assert.same({ id }, ids(claimed))
      assert.same({ "pending", 1, 5000, 1, 0 }, { claimed[1].state, claimed[1].attempts,
        claimed[1].fresh_ms, claimed[1].fresh_attempts, claimed[1].expires_ms })
      assert.is_nil(run("get_delivery", id).row.reason)
      settle(id, "succeeded", { attempt = { number = 2, status = 200 } })
      local row = run("get_delivery", id).row
      assert.same({ "succeeded", 2, 2 }, { row.state, row.attempt_count, #row.attempts })
    end)

    it("is read with its message, whatever its state", function()
      local id = dead()
      local read = run("get_delivery", id)
      assert.same({ "dead", id }, { read.row.state, read.rows[1].id })
      assert.equal(read.row.message, read.rows[1].message)
      assert.equal("notfound", run("get_delivery", 12345).status)
    end)

    it("may have been cancelled, and lives again after a restart", function()
      local id = delivery { endpoint = 4 }
      settle(id, "cancelled")
      assert.equal("ok", change({ verb = "retry", delivery = id }).status)
      t.reopen()
      assert.same({ id }, ids(run("claim_deliveries", { endpoint = 4, now_ms = 10 }).rows))
    end)

    it("must have ended without success", function()
      local open, done = delivery(), delivery()
      settle(done, "succeeded", { attempt = { number = 1, status = 200 } })
      local was = change { verb = "retry", delivery = open }
      assert.same({ "conflict", "pending" }, { was.status, was.state })
      was = change { verb = "retry", delivery = done }
      assert.same({ "conflict", "succeeded" }, { was.status, was.state })
      assert.equal("notfound", change({ verb = "retry", delivery = 12345 }).status)
    end)
  end)

  describe("a delivery that is dropped or cancelled", function()
    it("keeps the reason and is no dead letter any more", function()
      local id = dead()
      assert.equal("ok", change({ verb = "drop", delivery = id }, { reason = "ours" }).status)
      local row = run("get_delivery", id).row
      assert.same({ "cancelled", "ours" }, { row.state, row.reason })
      assert.equal(0, #run("list_deliveries", { state = "dead" }).rows)
      assert.equal("conflict", change({ verb = "drop", delivery = id }).status)
    end)

    it("is not settled any more, whoever still had it", function()
      local held, due = delivery { endpoint = 4 }, delivery { endpoint = 4, due_ms = 50 }
      local was = change({ verb = "cancel", delivery = held }, { reason = "no need" })
      assert.same({ "ok", true }, { was.status, was.was_held })
      assert.is_false(change({ verb = "cancel", delivery = due }).was_held)
      settle(held, "succeeded", { attempt = { number = 1, status = 200 } })
      assert.equal("cancelled", state(held))
      assert.equal("no need", run("get_delivery", held).row.reason)
      assert.equal(0, #run("claim_open", {}).rows)
      assert.equal(0, #run("claim_deliveries", { endpoint = 4, now_ms = 99 }).rows)
    end)

    it("must be in a state for it", function()
      local open, gone = delivery(), dead()
      assert.equal("conflict", change({ verb = "drop", delivery = open }).status)
      assert.equal("conflict", change({ verb = "cancel", delivery = gone }).status)
      assert.equal("dead", state(gone))
    end)

    it("leaves the others of the same operation alone", function()
      local one, open, two = dead(), delivery(), dead()
      local op = run("change", { { verb = "drop", delivery = one },
        { verb = "drop", delivery = open }, { verb = "retry", delivery = two } })
      assert.equal("ok", op.status)
      assert.same({ "ok", "conflict", "ok" },
        { op.changes[1].status, op.changes[2].status, op.changes[3].status })
      assert.same({ "cancelled", "pending", "pending" }, { state(one), state(open), state(two) })
    end)
  end)

  describe("a delivery with an order key", function()
    local function ordered(key)
      return (delivery { endpoint = 4, order_key = key, due_ms = 1 })
    end

    local function due()
      return ids(run("claim_deliveries", { endpoint = 4, now_ms = 100 }).rows)
    end

    local function die(id, is_blocking)
      settle(id, "dead", { is_ordered = true, is_blocking = is_blocking, reason = "six tries",
        attempt = { number = 1, status = 500 } })
    end

    it("that blocks its key is retried first, or lets the next one go when it is dropped", function()
      local first, second = ordered "k", ordered "k"
      die(first, true)
      assert.same({}, due())
      change({ verb = "retry", delivery = first }, { now_ms = 2 })
      assert.same({ first }, due())
      die(first, true)
      local was = change({ verb = "drop", delivery = first })
      assert.is_true(was.has_released)
      assert.same({ second }, due())
    end)

    it("that lost its place waits for what goes now, and then comes before the others", function()
      local first, second, third = ordered "k", ordered "k", ordered "k"
      die(first)
      change({ verb = "retry", delivery = first }, { now_ms = 2 })
      assert.same({ second }, due())
      settle(second, "succeeded", { is_ordered = true, attempt = { number = 1, status = 200 } })
      assert.same({ first }, due())
      assert.is_true(change({ verb = "cancel", delivery = first }).has_released)
      assert.same({ third }, due())
    end)

    it("that waits lets nobody go when it is cancelled, nor one that was out of its line", function()
      local first, second, third, fourth = ordered "k", ordered "k", ordered "k", ordered "k"
      die(first)
      die(second)
      change({ verb = "retry", delivery = first }, { now_ms = 2 })
      assert.same({ third }, due())
      assert.is_false(change({ verb = "cancel", delivery = fourth }).has_released)
      assert.is_false(change({ verb = "drop", delivery = second }).has_released)
      assert.same({ third }, due())
      settle(third, "succeeded", { is_ordered = true, attempt = { number = 1, status = 200 } })
      assert.same({ first }, due())
    end)

    it("is replayed at the end of its line", function()
      local first = ordered "k"
      change({ verb = "replay", delivery = first }, { now_ms = 2 })
      assert.same({ first }, due())
      settle(first, "succeeded", { is_ordered = true, attempt = { number = 1, status = 200 } })
      assert.equal(1, #due())
      change({ verb = "replay", delivery = first }, { now_ms = 2 })
      assert.equal(1, #due())
    end)
  end)

  describe("an event whose run died", function()
    local function fail(id, names, index)
      return run("run", { event = id, subscriptions = names, index = index, number = 6,
        error = "traceback" })
    end

    it("is due again when it is retried, from its first run on", function()
      local id = event()
      fail(id, { "hook" }, 1)
      assert.same({}, t.due_events())
      local was = change({ verb = "retry", event = id }, { now_ms = 5000 })
      assert.same({ "ok", "dead" }, { was.status, was.state })
      local claimed = run("claim_events", { now_ms = 5000 }).rows[1]
      assert.equal(id, claimed.id)
      assert.same({ "hook", "pending", 0, 5000 }, { claimed.runs[1].subscription,
        claimed.runs[1].state, claimed.runs[1].number, claimed.runs[1].due_ms })
      run("handled", { event = id, subscriptions = { "hook" }, is_stored = true })
      assert.equal("handled", run("get_event", id).row.state)
      assert.equal("conflict", change({ verb = "retry", event = id }).status)
    end)

    it("may be retried for one subscription, also while another is open", function()
      local id, names = event(), { "a", "b", "c" }
      fail(id, names, 1)
      fail(id, names, 2)
      assert.equal("ok", change({ verb = "retry", event = id, subscription = "b" }).status)
      assert.equal("notfound", change({ verb = "retry", event = 77 << 16 }).status)
      assert.equal("conflict", change({ verb = "retry", event = id, subscription = "b" }).status)
      local states = {}
      for i, row in ipairs(run("get_event", id).row.runs) do states[i] = row.state end
      assert.same({ "dead", "pending", "pending" }, states)
      run("handled", { event = id, subscriptions = names, index = 2 })
      run("handled", { event = id, subscriptions = names, index = 3 })
      assert.same({}, t.due_events())
    end)

    it("is skipped with the reason when it is dropped", function()
      local id = event()
      fail(id, { "hook" }, 1)
      assert.equal("ok", change({ verb = "drop", event = id }, { reason = "ours" }).status)
      local row = run("get_event", id).row
      assert.same({ "skipped", "ours" }, { row.state, row.runs[1].error })
      assert.equal(0, #run("list_events", { state = "dead" }).rows)
      assert.same({}, t.due_events())
    end)

    it("waits its turn when its order key is taken", function()
      local plan = { { "hook", "key" } }
      local first = event { plan = plan }
      run("run", { event = first, subscriptions = { "hook" }, number = 6, is_ordered = true })
      local second = event { plan = plan }
      change({ verb = "retry", event = first }, { now_ms = 5000 })
      assert.same({ second }, ids(run("claim_events", { now_ms = 6000 }).rows))
      local op = run("handled", { event = second, subscriptions = { "hook" }, is_ordered = true,
        is_stored = true })
      assert.equal(first, op.released)
      assert.same({ first }, ids(run("claim_events", { now_ms = 6000 }).rows))
    end)
  end)

  describe("a replay", function()
    local function deliveries_of(id)
      return ids(run("list_deliveries", { event = id }).rows)
    end

    -- An event of two subscriptions, handled by both: each sent one message.
    local function handled_by(names)
      local id = event()
      for index in ipairs(names) do
        run("handled", { event = id, subscriptions = names, index = index,
          messages = { { type = "out", body = "old", ordinal = 1 + (index - 1) * (254 // #names),
                         deliveries = { { endpoint = index } } } } })
      end
      return id
    end

    local function run_rows(id)
      local rows = {}
      for i, row in ipairs(run("get_event", id).row.runs) do
        rows[i] = { row.subscription, row.state, row.first_ordinal }
      end
      return rows
    end

    it("of a delivery is one more of the same message", function()
      local id, of = delivery { endpoint = 4 }
      settle(id, "succeeded", { attempt = { number = 1, status = 200 } })
      local was = change({ verb = "replay", delivery = id }, { now_ms = 50 })
      assert.same({ "ok", 4 }, { was.status, was.endpoint })
      change({ verb = "replay", delivery = id }, { now_ms = 60 })
      local rows = run("claim_deliveries", { endpoint = 4, now_ms = 60 }).rows
      assert.equal(2, #rows)
      assert.same({ of | 1, of | 1, "out" }, { rows[1].message, rows[2].message, rows[1].body })
      assert.same({ 0, 50 }, { rows[1].attempts, rows[1].due_ms })
      assert.equal(3, #deliveries_of(of))
      assert.equal("succeeded", state(id))
      assert.equal("notfound", change({ verb = "replay", delivery = 12345 }).status)
    end)

    it("may have a new message id, as long as there are some", function()
      local id, of = delivery { endpoint = 4 }
      for i = 1, 253 do
        assert.equal("ok", change({ verb = "replay", delivery = id, new_ids = true }).status, i)
      end
      assert.equal("limit", change({ verb = "replay", delivery = id, new_ids = true }).status)
      assert.equal("ok", change({ verb = "replay", delivery = id }).status)
      local row = run("claim_deliveries", { endpoint = 4, count_max = 1 }).rows[1]
      assert.same({ of | 254, "out" }, { row.message, row.body })
    end)

    it("of a message goes once to each endpoint that it went to", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "hook" }, messages = { { type = "out",
        body = "b", deliveries = { { endpoint = 3 }, { endpoint = 4 } } } } })
      assert.equal("ok", change({ verb = "replay", message = id | 1 }).status)
      assert.equal("ok", change({ verb = "replay", message = id | 1 }).status)
      assert.equal(2, #run("claim_deliveries", { endpoint = 3 }).rows)
      assert.equal(2, #run("claim_deliveries", { endpoint = 4 }).rows)
      assert.equal("notfound", change({ verb = "replay", message = id | 2 }).status)
    end)

    it("of an event runs its handler again: the same message id, what it says now", function()
      local id = handled_by { "hook" }
      local was = change({ verb = "replay", event = id, subscriptions = { "hook" } },
        { now_ms = 50 })
      assert.equal("ok", was.status)
      assert.equal("conflict",
        change({ verb = "replay", event = id, subscriptions = { "hook" } }).status)
      local claimed = run("claim_events", { now_ms = 50 }).rows[1]
      assert.same({ id, "hook", "pending", 0, 1 }, { claimed.id, claimed.runs[1].subscription,
        claimed.runs[1].state, claimed.runs[1].number, claimed.runs[1].first_ordinal })
      local op = run("handled", { event = id, subscriptions = { "hook" }, is_stored = true,
        messages = { { type = "out", body = "new", deliveries = { { endpoint = 1, due_ms = 9 } } },
                     { type = "more", body = "more", deliveries = { { endpoint = 2 } } } } })
      assert.equal("ok", op.status)
      assert.same({ { "hook", "handled", 1 } }, run_rows(id))
      local row = run("claim_deliveries", { endpoint = 1 }).rows[1]
      assert.same({ id | 1, "new" }, { row.message, row.body })
      assert.equal(3, #deliveries_of(id))
      t.store:retain { { before_ms = t.store:next_id() } }
    end)

    it("of an event with several runs keeps their ids, and gives others ids that are free", function()
      local id = handled_by { "a", "b" }
      assert.equal("ok", change({ verb = "replay", event = id, subscription = "b",
        subscriptions = { "a", "b", "c" } }).status)
      assert.same({ { "a", "handled", 1 }, { "b", "pending", 128 } }, run_rows(id))
      assert.equal("ok", change({ verb = "replay", event = id,
        subscriptions = { "c", "a", "b" } }).status)
      local rows = run_rows(id)
      assert.same({ "a", "pending", 1 }, rows[1])
      assert.same("c", rows[2][1])
      assert.is_true(rows[2][3] > 2 and rows[2][3] < 128)
      assert.same({ "b", "pending", 128 }, rows[3])
    end)

    it("of an event whose handler was another gives ids that are free", function()
      local id = handled_by { "hook" }
      assert.equal("ok", change({ verb = "replay", event = id,
        subscriptions = { "one", "two" } }).status)
      local firsts = {}
      for i, row in ipairs(run_rows(id)) do firsts[i] = row[3] end
      assert.is_true(firsts[1] > 1 and firsts[2] > firsts[1])
    end)

    it("may give an event's messages new ids", function()
      local id = handled_by { "hook" }
      change { verb = "replay", event = id, subscriptions = { "hook" }, new_ids = true }
      assert.is_true(run_rows(id)[1][3] > 1)
    end)

    it("leaves an event alone that waits for its first run, or that nothing matches", function()
      local id = event()
      assert.equal("conflict",
        change({ verb = "replay", event = id, subscriptions = { "hook" } }).status)
      assert.equal("conflict",
        change({ verb = "replay", event = handled_by { "hook" }, subscriptions = {} }).status)
    end)
  end)

  describe("a task", function()
    local function task_of(id) return run("list_tasks", { only = id }).rows[1] end

    it("is moved by its steps, each once", function()
      local id = run("task", { verb = "drop", endpoint = "crm" }).id
      local one, two = dead(), delivery()
      local step = { task = id, cursor = 0, next_cursor = two, { verb = "drop", delivery = one },
        { verb = "drop", delivery = two } }
      assert.equal("ok", run("change", step).status)
      local row = task_of(id)
      assert.same({ "drop", "running", "crm", two, 1, 1 }, { row.verb, row.state, row.endpoint,
        row.cursor, row.done, row.skipped })
      assert.equal("conflict", run("change", step).status)
      assert.same({ 1, 1 }, { task_of(id).done, task_of(id).skipped })
      run("change", { task = id, cursor = two, next_cursor = two, is_last = true, now_ms = 77 })
      assert.same({ "done", 77 }, { task_of(id).state, task_of(id).ended_ms })
      t.reopen()
      assert.equal(0, #run("list_tasks", { running = true }).rows)
    end)

    it("begins with the commit of the run that asks for it, once", function()
      local id = event()
      local life = { event = id, subscriptions = { "a" },
        tasks = { { verb = "replay", source = "github", type = "github.push" }, { verb = "retry" } } }
      assert.equal("ok", run("handled", life).status)
      assert.equal("conflict", run("handled", life).status)
      t.reopen()
      local two, one = table.unpack(run("list_tasks", { running = true }).rows)
      assert.same({ "replay", "running", "github", "github.push", 0 },
        { one.verb, one.state, one.source, one.type, one.cursor })
      assert.same({ "retry", "running" }, { two.verb, two.state })
      assert.equal(2, #run("list_tasks", {}).rows)
      assert.equal("ok", run("change", { task = one.id, cursor = 0, next_cursor = id,
        { verb = "replay", event = id, subscriptions = { "a" } } }).status)
      assert.same({ id, 1 }, { task_of(one.id).cursor, task_of(one.id).done })
    end)

    it("does not begin when the run is not committed", function()
      local life = { event = event(), subscriptions = { "a" }, tasks = { { verb = "replay" } },
        reads = { { ns = "n", key = "k", version = 7 } } }
      assert.equal("conflict", run("handled", life).status)
      assert.equal(0, #run("list_tasks", {}).rows)
      life.reads = nil
      assert.equal("ok", run("handled", life).status)
      assert.equal(1, #run("list_tasks", {}).rows)
    end)

    it("does nothing any more when it is cancelled", function()
      local id = run("task", { verb = "replay" }).id
      local one = dead()
      assert.equal("ok", run("task", { end_of = id }).status)
      assert.equal("conflict", run("change", { task = id, cursor = 0, next_cursor = one,
        { verb = "drop", delivery = one } }).status)
      assert.equal("dead", state(one))
      assert.equal("cancelled", task_of(id).state)
      assert.equal("conflict", run("task", { end_of = id }).status)
      assert.equal("notfound", run("task", { end_of = 12345 }).status)
      assert.equal("notfound", run("list_tasks", { only = 12345 }).status)
    end)

    it("is listed newest first, and forgotten 30 days after its end", function()
      local day = 86400000
      local one = run("task", { verb = "retry", now_ms = day }).id
      local two = run("task", { verb = "retry", now_ms = day }).id
      run("task", { end_of = one, now_ms = day })
      assert.same({ two, one }, ids(run("list_tasks", {}).rows))
      assert.same({ one }, ids(run("list_tasks", { limit = 1, before = two }).rows))
      assert.same({ two }, ids(run("list_tasks", { running = true }).rows))
      local three = run("task", { verb = "retry", now_ms = 31 * day }).id
      assert.same({ three, two, one }, ids(run("list_tasks", {}).rows))
      run("task", { verb = "retry", now_ms = 31 * day + 1 })
      assert.equal(3, #run("list_tasks", {}).rows)
    end)
  end)
end
