-- SPDX-License-Identifier: MIT
-- The contract: attempts, spills, endpoints.

return function(t)
  local run, endpoint, delivery, settle, ids, row_count =
    t.run, t.endpoint, t.delivery, t.settle, t.ids, t.row_count

  describe("settle", function()
    local attempt = {
      number = 1, status = 200, started_ms = 1000, duration_ms = 30, first_byte_us = 20000,
      head = "h", body = "thanks", detail = "fine",
    }

    it("ends a delivery with its attempt", function()
      local id = delivery()
      local op = settle(id, "succeeded", { attempt = attempt })
      assert.equal("ok", op.status)
      local row = run("get_delivery", id).row
      assert.equal("succeeded", row.state)
      assert.equal(1, row.attempt_count)
      assert.equal(200, row.last_status)
      assert.equal(1, #row.attempts)
      local stored = row.attempts[1]
      assert.equal(op.attempt, stored.id)
      assert.same({ 1, 200, "", 1000, 30, 20000, "h", "thanks", "fine", "succeeded" },
        { stored.number, stored.status, stored.error, stored.started_ms, stored.duration_ms,
          stored.first_byte_us, stored.head, stored.body, stored.detail, stored.state })
      assert.equal(0, #run("claim_open", {}).rows)
    end)

    it("keeps the trace of the event with what is claimed", function()
      local trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      settle((delivery { endpoint = 5, event = { trace = trace } }), "retrying", { due_ms = 9 })
      settle((delivery { endpoint = 5 }), "retrying", { due_ms = 10 })
      local rows = run("claim_deliveries", { endpoint = 5, now_ms = 10 }).rows
      assert.equal(trace, rows[1].trace)
      assert.is_nil(rows[2].trace)
    end)

    it("makes a retry due later and keeps every attempt in order", function()
      local id = delivery { endpoint = 4 }
      for number = 1, 3 do
        settle(id, "retrying", {
          due_ms = 10000 * number,
          attempt = { number = number, error = "timeout", started_ms = 10000 * number - 3000,
                      duration_ms = 1000 },
        })
      end
      local claim = run("claim_deliveries", { endpoint = 4, now_ms = 30000 })
      assert.equal(1, #claim.rows)
      assert.equal("retrying", claim.rows[1].state)
      assert.equal(3, claim.rows[1].attempts)
      assert.equal(30000, claim.rows[1].due_ms)
      assert.equal(2000, claim.rows[1].previous_delay_ms)
      settle(id, "dead", { reason = "six tries", attempt = { number = 4, status = 500 } })
      local row = run("get_delivery", id).row
      assert.equal("dead", row.state)
      assert.equal("six tries", row.reason)
      local numbers = {}
      for i, one in ipairs(row.attempts) do numbers[i] = one.number end
      assert.same({ 1, 2, 3, 4 }, numbers)
      assert.equal("timeout", row.attempts[3].error)
      assert.equal(30000, row.attempts[3].next_ms)
      assert.equal(500, row.last_status)
    end)

    it("is harmless a second time", function()
      local id = delivery()
      settle(id, "succeeded", { attempt = attempt })
      assert.equal("ok", settle(id, "dead", { attempt = { number = 2, status = 500 } }).status)
      assert.equal("ok", settle(id, "retrying", { due_ms = 1, attempt = attempt }).status)
      local row = run("get_delivery", id).row
      assert.equal("succeeded", row.state)
      assert.equal(1, #row.attempts)
      assert.equal(1, row_count "attempt")
    end)

    it("ends a delivery without an attempt", function()
      local dead, cancelled = delivery(), delivery()
      settle(dead, "dead", { reason = "expired" })
      settle(cancelled, "cancelled")
      assert.equal("dead", run("get_delivery", dead).row.state)
      assert.equal("expired", run("get_delivery", dead).row.reason)
      assert.equal("cancelled", run("get_delivery", cancelled).row.state)
      assert.equal(0, row_count "attempt")
      assert.equal(0, #run("claim_open", {}).rows)
    end)

    it("gives a delivery back as it was", function()
      local id = delivery { endpoint = 4 }
      settle(id, "retrying", { due_ms = 50, attempt = { number = 1, status = 500 } })
      settle(id, "pending", { due_ms = 99 })
      local claimed = run("claim_deliveries", { endpoint = 4, now_ms = 99 }).rows[1]
      assert.equal("retrying", claimed.state)
      assert.equal(99, claimed.due_ms)
      assert.equal(1, claimed.attempts)
    end)

    it("counts an attempt of a delivery that stays as it was", function()
      local id = delivery { endpoint = 4 }
      settle(id, "pending", { due_ms = 99, attempt = { number = 1, error = "blocked_address" } })
      local claimed = run("claim_deliveries", { endpoint = 4, now_ms = 99 }).rows[1]
      assert.equal("pending", claimed.state)
      assert.equal(1, claimed.attempts)
    end)
  end)

  describe("the log of attempts", function()
    local function listed(fields) return ids(run("list_attempts", fields).rows) end

    it("has those of all deliveries, newest first, and each whole by its id", function()
      local crm, billing = endpoint "crm", endpoint "billing"
      local one, two = delivery { endpoint = crm }, delivery { endpoint = billing }
      local first = settle(one, "retrying", { due_ms = 50, attempt = { number = 1, status = 503,
        request = "sent", body = "busy", decided = 2 } }).attempt
      local second = settle(two, "succeeded", { attempt = { number = 1, status = 200 } }).attempt
      local third = settle(one, "dead", { attempt = { number = 2, error = "timeout",
        decided = 1 } }).attempt
      assert.same({ third, second, first }, listed {})
      assert.same({ third, second }, listed { limit = 2 })
      assert.same({ second, first }, listed { before = third })
      assert.same({ first, second }, listed { is_backward = true, limit = 2 })
      assert.same({ third, first }, listed { endpoint = "crm" })
      assert.same({}, listed { endpoint = "nobody" })
      assert.same({ second }, listed { status_from = 200, status_to = 299 })
      assert.same({ third }, listed { error = 1 })
      assert.same({ first }, listed { state = "retrying" })
      assert.same({}, listed { type = "other" })
      local row = run("list_attempts", { only = first }).rows[1]
      assert.same({ "sent", "busy", "retry_after", 50, "crm", "out", one }, { row.request, row.body,
        row.decided, row.next_ms, row.endpoint, row.type, row.delivery })
      assert.equal("schedule", run("get_delivery", one).row.attempts[2].decided)
      assert.equal("", run("list_attempts", {}).rows[3].request)
      assert.equal("notfound", run("list_attempts", { only = 12345 }).status)
    end)
  end)

  describe("spill", function()
    it("gives deliveries in memory a due time", function()
      local one, two = delivery { endpoint = 3 }, delivery { endpoint = 3 }
      assert.equal(2, #run("claim_open", {}).rows)
      run("spill", { { delivery = one, due_ms = 20 }, { delivery = two, due_ms = 10 } })
      assert.equal(0, #run("claim_open", {}).rows)
      assert.same({ two, one }, ids(run("claim_deliveries", { endpoint = 3 }).rows))
    end)

    it("makes what is told of it in the same commit, one deeper than its parent", function()
      local id, parent = delivery { event = { depth = 4 } }
      local op = settle(id, "dead", { reason = "enough", attempt = { number = 1, status = 500 },
        news = { source = "anzol", type = "anzol.delivery.dead", parent = parent, body = "{}" } })
      assert.is_true(op.is_made)
      local rows = run("claim_events", {}).rows
      assert.equal(1, #rows)
      assert.same({ "anzol.delivery.dead", parent, 5 }, { rows[1].type, rows[1].parent, rows[1].depth })
    end)

    it("tells nothing when it changes nothing, or when the chain is too deep", function()
      local news = { source = "anzol", type = "anzol.delivery.dead", body = "{}" }
      local id, parent = delivery { event = { depth = 16 } }
      news.parent = parent
      assert.is_false(settle(id, "dead", { news = news }).is_made)
      id, news.parent = delivery { event = { depth = 15 } }
      assert.is_true(settle(id, "dead", { news = news }).is_made)
      assert.is_false(settle(id, "dead", { news = news }).is_made)
      assert.equal(1, #run("claim_events", {}).rows)
    end)

    it("leaves a settled delivery alone", function()
      local id = delivery { endpoint = 3 }
      settle(id, "succeeded", { attempt = { number = 1, status = 200 } })
      run("spill", { { delivery = id, due_ms = 20 } })
      assert.equal(0, #run("claim_deliveries", { endpoint = 3 }).rows)
    end)
  end)

  describe("endpoints", function()
    -- What a registration finds.
    local function state(url)
      return run("endpoint", { name = "crm", url = url, keep_state = true }).state
    end

    it("get an id by name, the same each time", function()
      local first = endpoint "crm"
      local other = endpoint "billing"
      assert.is_true(first > 0)
      assert.are_not.equal(first, other)
      t.reopen()
      assert.equal(first, endpoint "crm")
    end)

    it("stay disabled until their url changes", function()
      run("endpoint", { name = "crm", url = "http://one/", keep_state = true })
      run("endpoint", { name = "crm", state = "disabled", reason = "410" })
      assert.equal("disabled", state "http://one/")
      assert.equal("410", t.sql("SELECT reason FROM endpoint")[1][1])
      assert.equal("enabled", state "http://two/")
      assert.is_nil(t.sql("SELECT reason FROM endpoint")[1][1])
      assert.equal("enabled", state())
    end)

    it("are told of in the commit that disables them", function()
      run("endpoint", { name = "crm", url = "http://one/", keep_state = true })
      local parent = t.event { is_finished = true }
      local op = run("endpoint", { name = "crm", state = "disabled", reason = "410",
        news = { source = "anzol", type = "anzol.endpoint.disabled", parent = parent, body = "{}" } })
      assert.is_true(op.is_made)
      assert.equal(1, run("claim_events", {}).rows[1].depth)
    end)

    it("take the state that is set", function()
      endpoint "crm"
      run("endpoint", { name = "crm", state = "paused" })
      assert.equal("paused", state "http://x/")
      run("endpoint", { name = "crm", state = "enabled" })
      assert.equal("enabled", state "http://x/")
    end)

    local ENABLED, DISABLED, PAUSED = 1, 2, 4 -- as bits of `from`

    it("that are paused stay so when their url changes, with the reason", function()
      endpoint "crm"
      run("endpoint", { name = "crm", state = "paused", reason = "moving" })
      assert.equal("paused", state "http://two/")
      assert.equal("moving", t.sql("SELECT reason FROM endpoint")[1][1])
    end)

    it("take a state only from those that are named, and only if they are there", function()
      assert.equal("notfound",
        run("endpoint", { name = "gone", state = "paused", from = ENABLED }).status)
      assert.equal(0, #t.sql "SELECT 1 FROM endpoint")
      endpoint "crm"
      run("endpoint", { name = "crm", state = "disabled", reason = "410" })
      local op = run("endpoint", { name = "crm", state = "enabled", from = ENABLED | PAUSED })
      assert.same({ "conflict", "disabled" }, { op.status, op.state })
      assert.equal("disabled", state())
      op = run("endpoint", { name = "crm", state = "enabled", from = ENABLED | DISABLED })
      assert.same({ "ok", "enabled" }, { op.status, op.state })
    end)

    it("are known to fail since then until they are well, enabled, or have another url", function()
      local function since() return t.sql("SELECT failing_since_ms FROM endpoint")[1][1] end
      local crm = endpoint "crm"
      local function fail(ms)
        settle((delivery { endpoint = crm }), "dead", { attempt = { number = 1, status = 500 },
          failing_since_ms = ms })
      end
      state "http://one/"
      fail(77)
      t.reopen()
      local op = run("endpoint", { name = "crm", url = "http://one/", keep_state = true })
      assert.equal(77, op.failing_since_ms)
      assert.equal(77, run("list_endpoints", {}).rows[1].failing_since_ms)
      fail(0)
      assert.is_nil(since())
      fail(78)
      run("endpoint", { name = "crm", state = "disabled", reason = "failing" })
      assert.equal(78, since())
      run("endpoint", { name = "crm", state = "enabled" })
      assert.is_nil(since())
      fail(79)
      run("endpoint", { name = "crm", state = "disabled" })
      op = run("endpoint", { name = "crm", url = "http://two/", keep_state = true })
      assert.same({ "enabled", 0 }, { op.state, op.failing_since_ms })
      assert.is_nil(since())
    end)
  end)
end
