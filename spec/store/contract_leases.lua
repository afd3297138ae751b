-- SPDX-License-Identifier: MIT
-- The contract: leases of deliveries of long-poll endpoints.
local S = require "anzol_test.store"

return function(t)
  local run, delivery, settle, ids = t.run, t.delivery, t.settle, t.ids
  local NOW = 1000000

  local function lease(verb, fields, ...)
    local all = { verb = verb, endpoint = 7, now_ms = NOW, due_ms = NOW + 60000 }
    for name, value in pairs(fields) do all[name] = value end
    for i, row in ipairs { ... } do all[i] = type(row) == "table" and row or { delivery = row } end
    local op = run("lease", all)
    assert.equal("ok", op.status)
    return op.done
  end

  local function message(fields)
    local all = { endpoint = 7, due_ms = NOW }
    for name, value in pairs(fields or {}) do all[name] = value end
    return (delivery(all))
  end

  local function claim(fields)
    local all = { endpoint = 7, now_ms = NOW }
    for name, value in pairs(fields or {}) do all[name] = value end
    return run("claim_deliveries", all)
  end

  local function ack(id, number, state, fields)
    local all = { leased_of = 7, attempt = { number = number or 1, detail = "done" } }
    for name, value in pairs(fields or {}) do all[name] = value end
    return settle(id, state or "succeeded", all)
  end

  describe("lease", function()
    it("gives what is due to one only, until its time", function()
      local id = message()
      assert.same({ id }, lease("give", {}, id))
      assert.equal("in_flight", run("get_delivery", id).row.state)
      assert.same({ id }, ids(run("list_deliveries", { state = "in_flight" }).rows))
      assert.same({}, lease("give", {}, id))
      assert.equal(0, #claim().rows)
      local later = claim { now_ms = NOW + 60000 }.rows
      assert.same({ id }, ids(later))
      assert.equal(NOW, later[1].leased_ms)
      assert.equal(0, later[1].attempts)
    end)

    it("gives nothing that is not due, of another endpoint, over, or held for its key", function()
      local late = message { due_ms = NOW + 1 }
      local other = message { endpoint = 8 }
      local over = message()
      settle(over, "cancelled")
      local first = message { order_key = "k" }
      local second = message { order_key = "k" }
      assert.same({ first }, lease("give", {}, late, other, over, first, second))
    end)

    it("is lengthened and given back under its own number only", function()
      local id = message()
      lease("give", {}, id)
      assert.same({}, lease("extend", { due_ms = NOW + 90000 }, { delivery = id, number = 2 }))
      assert.same({ id }, lease("extend", { due_ms = NOW + 90000 }, { delivery = id, number = 1 }))
      assert.equal(0, #claim { now_ms = NOW + 89999 }.rows)
      assert.same({ id }, lease("return", { due_ms = NOW }, { delivery = id, number = 1 }))
      assert.same({}, lease("return", { due_ms = NOW }, { delivery = id, number = 1 }))
      local row = claim().rows[1]
      assert.equal(0, row.leased_ms)
      assert.equal(0, row.attempts)
    end)

    it("ends with an acknowledgement that says how long it was", function()
      local id = message()
      lease("give", { now_ms = NOW }, id)
      S.clock_fake(NOW + 1500)
      assert.is_true(ack(id).is_settled)
      S.clock_fake()
      local row = run("get_delivery", id).row
      assert.equal("succeeded", row.state)
      assert.equal(NOW, row.attempts[1].started_ms)
      assert.equal(1500, row.attempts[1].duration_ms)
      assert.is_false(ack(id).is_settled)
      assert.equal(1, #run("get_delivery", id).row.attempts)
    end)

    it("that ended and was given again is not ended by the one before", function()
      local id = message()
      lease("give", {}, id)
      assert.is_true(ack(id, 1, "retrying", { due_ms = NOW }).is_settled)
      assert.is_false(ack(id, 2).is_settled)
      assert.same({ id }, lease("give", {}, { delivery = id, number = 2 }))
      assert.is_false(ack(id, 1).is_settled)
      assert.is_false(ack(id, 2, "succeeded", { leased_of = 8 }).is_settled)
      assert.is_true(ack(id, 2).is_settled)
      local row = run("get_delivery", id).row
      assert.equal(2, #row.attempts)
    end)

    it("lets the next of its order key go when it is acknowledged", function()
      local first = message { order_key = "k" }
      local second = message { order_key = "k" }
      lease("give", {}, first)
      assert.equal(second, ack(first, 1, "succeeded", { is_ordered = true }).released)
      assert.same({ second }, lease("give", { now_ms = NOW + 10 ^ 13 // 1 | 0 }, second))
    end)

    it("is found by its end, whatever is due besides", function()
      local leased = message { priority = -3 }
      message { priority = 5 }
      lease("give", { due_ms = NOW + 10 }, leased)
      local early = claim { is_ended = true }
      assert.equal(0, #early.rows)
      assert.equal(NOW + 10, early.next_due_ms)
      assert.same({ leased }, ids(claim { is_ended = true, now_ms = NOW + 10 }.rows))
    end)

    it("leaves alone what expires meanwhile; what is not leased is found by that time", function()
      local free = message { expires_ms = NOW + 5 }
      local leased = message { expires_ms = NOW + 5 }
      local first = message { order_key = "k" }
      message { order_key = "k", expires_ms = NOW + 4 } -- held: not yet
      lease("give", {}, leased, first)
      assert.equal(NOW + 4, claim { is_ended = true }.next_due_ms)
      assert.same({ free }, ids(claim { is_ended = true, now_ms = NOW + 5 }.rows))
      settle(free, "dead")
      assert.equal(0, #claim { is_ended = true, now_ms = NOW + 5 }.rows)
    end)

    it("is read by id while it lasts", function()
      local leased, free = message(), message()
      lease("give", {}, leased)
      assert.same({ leased }, ids(claim { ids = { free, leased, 12345 } }.rows))
      assert.equal(0, #claim { ids = { leased }, endpoint = 8 }.rows)
    end)

    it("is over when its delivery is cancelled, and a fresh chance has none", function()
      local id = message()
      lease("give", {}, id)
      run("change", { { verb = "cancel", delivery = id }, now_ms = NOW })
      assert.is_false(ack(id).is_settled)
      run("change", { { verb = "retry", delivery = id }, now_ms = NOW })
      assert.same({ id }, lease("give", {}, id))
    end)

    it("is counted, and the oldest delivery is named", function()
      local queue = run("endpoint", { name = "queue", url = "", keep_state = true }).id
      local oldest = message { endpoint = queue, priority = -1 }
      local leased = message { endpoint = queue }
      lease("give", { endpoint = queue }, leased)
      for _, row in ipairs(run("list_endpoints").rows) do
        if row.name == "queue" then
          assert.same({ 2, 1, oldest }, { row.pending, row.leased, row.oldest })
          assert.is_true(row.is_queue)
        else
          assert.is_false(row.is_queue)
        end
      end
    end)

    it("is kept over a restart", function()
      local id = message()
      lease("give", {}, id)
      t.reopen()
      assert.equal(0, #claim().rows)
      assert.is_true(ack(id).is_settled)
    end)
  end)
end
