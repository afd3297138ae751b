-- SPDX-License-Identifier: MIT
-- The contract: how runs end, and what commits with them.

-- One field of every row.
local function pluck(rows, field)
  local list = {}
  for i, row in ipairs(rows) do list[i] = row[field] end
  return list
end

return function(t)
  local run, event, delivery, ids, due_events, row_count =
    t.run, t.event, t.delivery, t.ids, t.due_events, t.row_count

  describe("handled", function()
    it("finishes an event without subscriptions", function()
      local id = event()
      assert.equal("ok", run("handled", { event = id, subscriptions = {} }).status)
      assert.same({}, due_events())
      assert.equal(0, row_count "run")
      assert.equal("handled", run("get_event", id).row.state)
    end)

    it("finishes an event with its only run, without a run row", function()
      local id = event()
      assert.equal("ok", run("handled", { event = id, subscriptions = { "a" } }).status)
      assert.same({}, due_events())
      assert.equal(0, row_count "run")
    end)

    it("writes nothing when the run had ended before", function()
      local id = event()
      local life = {
        event = id,
        subscriptions = { "a" },
        messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 } } } },
        emits = { { source = "self", type = "e", body = "e" } },
        writes = { { ns = "n", key = "k", value = "1" } },
      }
      assert.equal("ok", run("handled", life).status)
      local function everything()
        return { row_count "event", row_count "message", row_count "delivery", row_count "content",
                 t.sql("SELECT version FROM kv")[1][1] }
      end
      local before = everything()
      local again = run("handled", life)
      assert.equal("conflict", again.status)
      assert.is_false(again.is_kv_conflict)
      assert.same(before, everything())
    end)

    it("keeps the reason of a skip", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "a" }, skip = "not a branch" })
      local row = run("get_event", id).row
      assert.equal("skipped", row.state)
      assert.equal("not a branch", row.runs[1].error)
      assert.same({}, due_events())
    end)

    it("does not copy the body of a forwarded message", function()
      local id, source = delivery { is_forwarded = true, event = { body = "as it came" } }
      assert.equal(1, row_count "content")
      local claimed = run("claim_open", {}).rows[1]
      assert.equal(id, claimed.id)
      assert.equal("as it came", claimed.body)
      assert.is_true(claimed.is_forwarded)
      assert.equal(source | 1, claimed.message)
    end)

    it("keeps a message's own body once for all its deliveries", function()
      local id = event { body = "in" }
      run("handled", {
        event = id,
        subscriptions = { "a" },
        messages = { { type = "m", body = "out",
                       deliveries = { { endpoint = 1 }, { endpoint = 2 } } } },
      })
      assert.equal(2, row_count "content")
      for _, row in ipairs(run("claim_open", {}).rows) do assert.equal("out", row.body) end
    end)

    it("gives every delivery an id in order of commit", function()
      local id = event()
      local messages = {}
      for i = 1, 3 do
        messages[i] = { type = "m", body = "m" .. i,
                        deliveries = { { endpoint = i }, { endpoint = i + 10 } } }
      end
      local op = run("handled", { event = id, subscriptions = { "a" }, messages = messages })
      local last = 0
      for _, one in ipairs(op.deliveries) do
        assert.is_true(one.id > last)
        last = one.id
      end
      local listed = run("list_deliveries", { event = id })
      assert.equal(6, #listed.rows)
    end)

    it("emits events that are due and know their parent", function()
      local id = event()
      run("handled", {
        event = id,
        subscriptions = { "a" },
        emits = { { source = "self", type = "derived", body = "child", parent = id, depth = 1 } },
      })
      local rows = run("claim_events", {}).rows
      assert.equal(1, #rows)
      assert.equal("child", rows[1].body)
      assert.equal(id, rows[1].parent)
    end)

    it("makes one event of emits with the same key, in one run or in two", function()
      local function emit(body)
        return { source = "self", type = "derived", body = body, key = "only once" }
      end
      for i = 1, 2 do
        run("handled", { event = event(), subscriptions = { "a" },
          emits = { emit(("first of %d"):format(i)), emit "second" } })
      end
      local rows = run("claim_events", {}).rows
      assert.equal(1, #rows)
      assert.equal("first of 1", rows[1].body)
    end)

    it("keeps keys of emits apart from those of senders, and by type", function()
      local id = event { source = "self", type = "derived", key = "k" }
      local function emit(type)
        return { source = "self", type = type, body = type, key = "k", parent = id, depth = 1 }
      end
      for _ = 1, 2 do
        run("handled", { event = event(), subscriptions = { "a" },
          emits = { emit "derived", emit "other", emit "other" } })
      end
      assert.is_true(run("ingest", { source = "self", type = "other", key = "k" }).is_duplicate)
      t:reopen()
      run("handled", { event = event(), subscriptions = { "a" }, emits = { emit "other" } })
      local bodies = {}
      for _, row in ipairs(run("list_events", { source = "self" }).rows) do
        bodies[#bodies + 1] = run("get_event", row.id).row.type
      end
      table.sort(bodies)
      assert.same({ "derived", "derived", "other" }, bodies)
    end)

    it("holds deliveries in memory or makes them due, as asked", function()
      delivery { endpoint = 1 }
      delivery { endpoint = 2, due_ms = 5000 }
      assert.equal(1, #run("claim_open", {}).rows)
      assert.equal(0, #run("claim_deliveries", { endpoint = 1 }).rows)
      assert.equal(1, #run("claim_deliveries", { endpoint = 2, now_ms = 5000 }).rows)
    end)
  end)

  describe("runs of several subscriptions", function()
    local names = { "a", "b", "c" }

    it("are fixed by the first commit, with their ordinals", function()
      local id = event()
      run("handled", { event = id, subscriptions = names, index = 2 })
      local runs = run("get_event", id).row.runs
      assert.equal(3, #runs)
      assert.same({ 1, 85, 169 }, pluck(runs, "first_ordinal"))
      assert.same({ "pending", "handled", "pending" }, pluck(runs, "state"))
      assert.same({ id }, due_events())
    end)

    it("end the event with the last of them", function()
      local id = event()
      for i = 1, 3 do
        assert.same({ id }, due_events())
        assert.equal("ok", run("handled", { event = id, subscriptions = names, index = i }).status)
      end
      assert.same({}, due_events())
      assert.equal("handled", run("get_event", id).row.state)
    end)

    it("each commit once", function()
      local id = event()
      run("handled", { event = id, subscriptions = names, index = 1 })
      local again = run("handled", {
        event = id, subscriptions = names, index = 1,
        messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 } } } },
      })
      assert.equal("conflict", again.status)
      assert.equal(0, row_count "message")
    end)

    it("take no subscription that a later generation adds", function()
      local id = event()
      run("handled", { event = id, subscriptions = names, index = 1 })
      local more = { "a", "b", "c", "d" }
      local op = run("handled", { event = id, subscriptions = more, index = 4 })
      assert.equal("conflict", op.status)
      assert.equal(3, #run("get_event", id).row.runs)
    end)

    it("conflict after the event was finished", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "a" } })
      local op = run("handled", { event = id, subscriptions = names, index = 1 })
      assert.equal("conflict", op.status)
      assert.equal(0, row_count "run")
    end)

    it("fail, wait and die alone", function()
      local id = event()
      run("run", { event = id, subscriptions = names, index = 1, due_ms = 9000, error = "boom" })
      run("handled", { event = id, subscriptions = names, index = 2 })
      run("run", { event = id, subscriptions = names, index = 3, error = "dead now" })
      local claim = run("claim_events", { now_ms = 8999 })
      assert.same({}, ids(claim.rows))
      assert.equal(9000, claim.next_due_ms)
      local row = run("get_event", id).row
      assert.equal("dead", row.state)
      assert.same({ "retrying", "handled", "dead" }, pluck(row.runs, "state"))
      assert.same({ "boom", "dead now" }, { row.runs[1].error, row.runs[3].error })
      local op = run("handled", { event = id, subscriptions = names, index = 1, number = 2 })
      assert.equal("ok", op.status)
      assert.same({}, due_events())
    end)
  end)

  describe("a failed run", function()
    it("is due again later, with its error", function()
      local id = event()
      local op = run("run", { event = id, subscriptions = { "a" }, number = 1, due_ms = 7000,
                              error = "x:1: boom" })
      assert.equal("ok", op.status)
      assert.same({}, ids(run("claim_events", { now_ms = 6999 }).rows))
      local claimed = run("claim_events", { now_ms = 7000 }).rows[1]
      assert.equal(id, claimed.id)
      assert.equal(7000, claimed.due_ms)
      local expected = { subscription = "a", state = "retrying", number = 1, first_ordinal = 1,
                         due_ms = 7000, is_ordered = false }
      assert.same({ expected }, claimed.runs)
      assert.equal("x:1: boom", run("get_event", id).row.runs[1].error)
    end)

    it("counts its runs and can end well", function()
      local id = event()
      run("run", { event = id, subscriptions = { "a" }, number = 1, due_ms = 1, error = "one" })
      run("run", { event = id, subscriptions = { "a" }, number = 2, due_ms = 2, error = "two" })
      run("handled", { event = id, subscriptions = { "a" }, number = 3 })
      local row = run("get_event", id).row
      assert.equal("handled", row.state)
      assert.equal(3, row.runs[1].number)
      assert.same({}, due_events())
    end)

    it("is a dead letter without a time to come", function()
      local id = event()
      run("run", { event = id, subscriptions = { "a" }, number = 6, error = "traceback" })
      assert.same({}, due_events())
      assert.same({ id }, ids(run("list_events", { state = "dead" }).rows))
    end)

    it("conflicts when it had ended", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "a" } })
      for _, due_ms in ipairs { 0, 1 } do
        local op = run("run", { event = id, subscriptions = { "a" }, due_ms = due_ms })
        assert.equal("conflict", op.status)
      end
      assert.equal("handled", run("get_event", id).row.state)
    end)
  end)
end
