-- SPDX-License-Identifier: MIT
-- The contract: what is known of an event goes, out of the files too; its rows stay.

return function(t)
  local run, settle, file_holds = t.run, t.settle, t.file_holds

  local function event_row(id) return run("get_event", id).row end
  local function delivery_row(id) return run("get_delivery", id).row end
  local function erase(fields)
    if type(fields) == "number" then fields = { id = fields } end
    return run("erase", fields)
  end
  local places = { "body", "key", "forwarded", "own", "order", "reason", "detail", "request",
    "answerhead", "answerbody", "error", "result" }
  local function mark(number, place) return ("mark%d%s"):format(number, place) end

  -- An event with something in each place where it can lie: its id, and its deliveries.
  local function full(number)
    local function m(place) return (mark(number, place) .. "-"):rep(number % 7 * 40 + 1) end
    local id = t.event { body = m "body", key = mark(number, "key") }
    local subscriptions = { "good", "bad" }
    run("step", { event = id, subscription = "bad", name = "s", result = '["' .. m "result" .. '"]' })
    local op = run("handled", { event = id, subscriptions = subscriptions, index = 1, messages = {
      { ordinal = 1, type = "out", is_forwarded = true, deliveries = { { endpoint = 1 } } },
      { ordinal = 2, type = "out", body = m "own", deliveries = {
        { endpoint = 2, order_key = m "order" }, { endpoint = 3 } } } } })
    assert.equal("ok", op.status)
    run("run", { event = id, subscriptions = subscriptions, index = 2, due_ms = 0, error = m "error" })
    local ids = t.ids(op.deliveries)
    for i, delivery in ipairs(ids) do
      settle(delivery, i == 1 and "succeeded" or "dead", { reason = i > 1 and m "reason" or nil,
        attempt = { number = 1, status = 500, detail = m "detail", request = m "request",
          head = m "answerhead", body = m "answerbody" } })
    end
    return id, ids
  end

  describe("an event that is erased", function()
    it("has nothing left in the files, wherever it lay", function()
      local ids = {}
      for i = 1, 40 do ids[i] = full(i) end
      for i = 3, 40, 4 do
        assert.is_true(file_holds(mark(i, "own")))
        assert.equal("ok", erase { id = ids[i], now_ms = 77 }.status)
        t.scrub()
        for _, place in ipairs(places) do
          assert.is_false(file_holds(mark(i, place)), mark(i, place))
        end
      end
      assert.is_true(file_holds(mark(4, "body")))
      assert.equal(mark(4, "key"), event_row(ids[4]).key)
    end)

    it("is still there, erased, with what became of it", function()
      local id, deliveries = full(1)
      assert.equal("ok", erase(id).status)
      local row = event_row(id)
      assert.same({ "erased", "github.push", 0 }, { row.state, row.type, row.body_bytes })
      assert.equal("erased", run("list_events", {}).rows[1].state)
      assert.equal(0, #run("list_events", { state = "dead" }).rows)
      assert.same({ "succeeded", "cancelled", "cancelled" }, { delivery_row(deliveries[1]).state,
        delivery_row(deliveries[2]).state, delivery_row(deliveries[3]).state })
      assert.equal("erased", delivery_row(deliveries[2]).reason)
      assert.equal(500, delivery_row(deliveries[2]).attempts[1].status)
      t.reopen()
      assert.equal("erased", event_row(id).state)
      assert.equal("ok", erase(id).status)
    end)

    it("is not run, retried or replayed", function()
      local id, deliveries = full(1)
      local waiting = t.event()
      assert.equal("ok", erase(id).status)
      assert.equal("ok", erase(waiting).status)
      assert.same({}, t.due_events())
      assert.equal("erased", event_row(waiting).state)
      local late = run("handled", { event = waiting, subscriptions = { "hook" },
        messages = { { type = "out", deliveries = { { endpoint = 1 } } } } })
      assert.equal("conflict", late.status)
      for _, one in ipairs { { verb = "retry", event = id }, { verb = "retry", delivery = deliveries[2] },
        { verb = "replay", delivery = deliveries[1] }, { verb = "replay", message = id + 2 },
        { verb = "replay", event = id, subscriptions = { "good" } } } do
        assert.equal("conflict", run("change", { one }).changes[1].status)
      end
    end)

    it("waits for its open deliveries to be ended by their owners; no run makes more", function()
      local delivery, id = t.delivery { body = "still open" }
      local op = erase(id)
      assert.equal("conflict", op.status)
      assert.same({ delivery }, op.open)
      assert.is_true(file_holds "still open")
      settle(delivery, "cancelled")
      assert.equal("ok", erase(id).status)
      t.scrub()
      assert.is_false(file_holds "still open")
    end)

    it("takes the copies of its messages with it, and is found by any message", function()
      local delivery, id = t.delivery { body = "copied" }
      settle(delivery, "succeeded", { attempt = { number = 1, status = 200 } })
      assert.equal("ok", run("change", { { verb = "replay", message = id + 1, new_ids = true } })
        .changes[1].status)
      local copy = t.sql("SELECT id, delivery FROM message WHERE id <> " .. id + 1)[1]
      assert.equal("conflict", erase(copy[1]).status)
      settle(copy[2], "succeeded", { attempt = { number = 1, status = 200, request = "copyrequest" } })
      local op = erase(copy[1])
      assert.same({ "ok", id }, { op.status, op.event })
      t.scrub()
      assert.is_false(file_holds "copied")
      assert.is_false(file_holds "copyrequest")
    end)

    it("tells of its children", function()
      local id = t.event()
      local one, two = t.event { parent = id }, t.event { parent = id }
      t.event { parent = one }
      assert.same({ one, two }, erase(id).children)
      assert.same({}, erase(two).children)
    end)

    it("lets those go that waited for its run or its dead delivery", function()
      local function ordered()
        return t.event { plan = { { "hook", "k" } } }
      end
      local first, second = ordered(), ordered()
      assert.same({ second }, erase(first).released)
      local dead, of = t.delivery { endpoint = 5, order_key = "k" }
      local held = t.delivery { endpoint = 5, order_key = "k" }
      settle(dead, "dead", { is_ordered = true, is_blocking = true,
        attempt = { number = 1, status = 500 } })
      assert.is_true(delivery_row(held).is_held)
      assert.equal("ok", erase(of).status)
      assert.is_false(delivery_row(held).is_held)
    end)

    it("leaves its batch to the others", function()
      local function member()
        return t.event { plan = { { "hook", nil, batch = { key = "k" } } } }
      end
      local one, two = member(), member()
      assert.same({ two }, erase(one).released)
      assert.equal("pending", event_row(two).state)
    end)

    it("is found by its key or its application's uid, and its key stays taken", function()
      local id = t.event { key = "k1" }
      local other = t.event { key = "k2" }
      assert.equal("notfound", erase { source = "github", key = "k3" }.status)
      assert.equal("notfound", erase { source = "nowhere", key = "k1" }.status)
      assert.equal(id, erase { source = "github", key = "k1" }.event)
      assert.equal("pending", event_row(other).state)
      local again = run("ingest", { source = "github", type = "github.push", body = "{}", key = "k1" })
      assert.same({ true, id }, { again.is_duplicate, again.duplicate_of })
      local published = run("ingest", { source = "api", type = "api.x", body = "{}",
        published = { application = 9, uid = "order-1" } })
      assert.equal("notfound", erase { application = 8, uid = "order-1" }.status)
      assert.equal(published.id, erase { application = 9, uid = "order-1" }.event)
    end)

    it("must be there", function()
      assert.equal("notfound", erase(12345).status)
    end)
  end)
end
