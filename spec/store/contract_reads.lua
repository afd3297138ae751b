-- SPDX-License-Identifier: MIT
-- The contract: claims, lists, retention.
local S = require "anzol_test.store"

local SECOND = 1000
local DAY = 86400 * SECOND

return function(t)
  local run, event, endpoint, delivery, settle, ids, row_count =
    t.run, t.event, t.endpoint, t.delivery, t.settle, t.ids, t.row_count

  describe("reads", function()
    local ROWS, LISTS = 200, 60

    -- turn: how many were done with it.
    it("of one application take turns with those of another, and no list keeps a look-up waiting", function()
      for _ = 1, ROWS do t.store:ingest { source = "github", type = "github.push", body = "{}" } end
      t.store:wait()
      local before = run("list_events", { limit = 1 }).turn
      local last
      for _ = 1, LISTS do last = assert(t.store:list_events { limit = ROWS, owner_id = 1 }) end
      local other = assert(t.store:list_events { limit = 1, owner_id = 2 })
      local look_up = assert(t.store:list_resources { kind = "application", only = 7, owner_id = 2 })
      t.store:wait()
      assert.equal(ROWS, #last.rows)
      assert.equal(LISTS + 2, last.turn - before)
      assert.is_true(other.turn - before < LISTS // 2, other.turn - before)
      assert.is_true(look_up.turn - before < LISTS // 2, look_up.turn - before)
    end)
  end)

  describe("claims", function()
    it("hand out due events in order, a page at a time, and again if asked", function()
      local made = {}
      for i = 1, 10 do made[i] = event { body = "b" .. i } end
      local first = run("claim_events", { count_max = 4 })
      local rest = run("claim_events", { after = first.last, count_max = 100 })
      local again = run("claim_events", { count_max = 4 })
      assert.same({ table.unpack(made, 1, 4) }, ids(first.rows))
      assert.is_false(first.is_end)
      assert.same({ table.unpack(made, 5) }, ids(rest.rows))
      assert.is_true(rest.is_end)
      assert.same(ids(first.rows), ids(again.rows))
    end)

    it("hand out events of a worker's own shards", function()
      for shard = 0, 3 do event { id = t.store:next_id(shard) } end
      local even = run("claim_events", { modulus = 2, remainder = 0 })
      local third = run("claim_events", { modulus = 4, remainder = 3 })
      assert.equal(2, #even.rows)
      assert.equal(1, #third.rows)
      assert.equal(3, (third.rows[1].id >> 8) & 255)
    end)

    it("stop at their bytes", function()
      for _ = 1, 5 do event { body = ("x"):rep(1000) } end
      local claim = run("claim_events", { bytes_max = 2000 })
      assert.equal(2, #claim.rows)
      assert.is_false(claim.is_end)
      for _ = 1, 3 do delivery { endpoint = 2, due_ms = 1, body = ("y"):rep(1000) } end
      local deliveries = run("claim_deliveries", { endpoint = 2, bytes_max = 1500 })
      assert.equal(2, #deliveries.rows)
      assert.is_false(deliveries.is_end)
    end)

    it("hand out due deliveries of one endpoint, least due first", function()
      local late = delivery { endpoint = 5, due_ms = 300 }
      local early = delivery { endpoint = 5, due_ms = 100 }
      delivery { endpoint = 6, due_ms = 100 }
      delivery { endpoint = 5, due_ms = 900 }
      local claim = run("claim_deliveries", { endpoint = 5, now_ms = 500 })
      assert.same({ early, late }, ids(claim.rows))
      assert.is_true(claim.is_end)
      assert.equal(900, claim.next_due_ms)
      local short = run("claim_deliveries", { endpoint = 5, now_ms = 500, count_max = 1 })
      assert.is_false(short.is_end)
      assert.equal(0, run("claim_deliveries", { endpoint = 7 }).next_due_ms)
    end)

    it("carry when a message expires", function()
      delivery { endpoint = 5, due_ms = 1, expires_ms = 777 }
      assert.equal(777, run("claim_deliveries", { endpoint = 5 }).rows[1].expires_ms)
    end)

    it("find what was held in memory when the process ended", function()
      local made = {}
      for i = 1, 6 do made[i] = delivery { endpoint = i % 2 } end
      t.reopen()
      local mine = run("claim_open", { modulus = 2, remainder = 1, count_max = 2 })
      local rest = run("claim_open", { modulus = 2, remainder = 1, after = mine.last })
      assert.same({ made[1], made[3] }, ids(mine.rows))
      assert.same({ made[5] }, ids(rest.rows))
      assert.is_false(mine.is_end)
      assert.is_true(rest.is_end)
      assert.equal(0, mine.rows[1].due_ms)
    end)

    it("know which endpoints have a backlog", function()
      delivery { endpoint = 9, due_ms = 50 }
      delivery { endpoint = 9, due_ms = 40 }
      delivery { endpoint = 2, due_ms = 70 }
      delivery { endpoint = 3 }
      assert.same({ { endpoint = 2, due_ms = 70 }, { endpoint = 9, due_ms = 40 } },
        run("backlog", {}).rows)
    end)
  end)

  describe("lists", function()
    it("show events newest first, between two ids", function()
      local made = {}
      for i = 1, 6 do made[i] = event() end
      local all = run("list_events", {})
      assert.same({ made[6], made[5], made[4], made[3], made[2], made[1] }, ids(all.rows))
      assert.is_true(all.is_end)
      assert.equal("", all.rows[1].body)
      assert.equal(2, all.rows[1].body_bytes)
      local two = run("list_events", { before = made[5], limit = 2 })
      assert.same({ made[4], made[3] }, ids(two.rows))
      assert.same({ made[6], made[5] }, ids(run("list_events", { after = made[4] }).rows))
      local page = run("list_events", { limit = 4 })
      assert.is_false(page.is_end)
      assert.same({ made[2], made[1] }, ids(run("list_events", { before = page.last }).rows))
    end)

    it("show events of a source, of a type, in a state", function()
      local one = event { source = "a", type = "x" }
      local two = event { source = "b", type = "x" }
      local three = event { source = "b", type = "y", is_finished = true }
      run("run", { event = two, subscriptions = { "s" }, due_ms = 1, error = "e" })
      assert.same({ three, two }, ids(run("list_events", { source = "b" }).rows))
      assert.same({ two, one }, ids(run("list_events", { type = "x" }).rows))
      assert.same({ one }, ids(run("list_events", { state = "pending" }).rows))
      assert.same({ two }, ids(run("list_events", { state = "retrying" }).rows))
      assert.same({ three }, ids(run("list_events", { state = "handled" }).rows))
      assert.same({}, ids(run("list_events", { source = "c" }).rows))
      local four = event { source = "a", type = "x.one" }
      assert.same({ four }, ids(run("list_events", { type = "x.*" }).rows))
      assert.same({ four, three, two, one }, ids(run("list_events", { type = "**" }).rows))
    end)

    it("show deliveries newest first, of an endpoint, an event, in a state", function()
      local crm, billing = endpoint "crm", endpoint "billing"
      local a, of_event = delivery { endpoint = crm }
      local b = delivery { endpoint = billing }
      local c = delivery { endpoint = crm }
      settle(a, "dead", { reason = "gone", attempt = { number = 1, error = "connect" } })
      assert.same({ c, b, a }, ids(run("list_deliveries", {}).rows))
      assert.same({ c, a }, ids(run("list_deliveries", { endpoint = "crm" }).rows))
      assert.same({ a }, ids(run("list_deliveries", { event = of_event }).rows))
      local message = run("get_delivery", a).row.message
      assert.same({ a }, ids(run("list_deliveries", { message = message }).rows))
      assert.same({}, ids(run("list_deliveries", { message = message + 1 }).rows))
      assert.same({ a }, ids(run("list_deliveries", { state = "dead" }).rows))
      assert.same({ c, b }, ids(run("list_deliveries", { state = "pending" }).rows))
      assert.same({ b }, ids(run("list_deliveries", { before = c, after = a }).rows))
      assert.same({}, ids(run("list_deliveries", { endpoint = "nobody" }).rows))
      assert.same({ c, b, a }, ids(run("list_deliveries", { type = "out" }).rows))
      assert.same({}, ids(run("list_deliveries", { type = "in" }).rows))
      assert.same({ c, b, a }, ids(run("list_deliveries", { type = "*" }).rows))
      assert.same({}, ids(run("list_deliveries", { type = "out.*" }).rows))
      local row = run("list_deliveries", { state = "dead" }).rows[1]
      assert.same({ "crm", "out", "dead", "gone", "connect", of_event },
        { row.endpoint, row.type, row.state, row.reason, row.last_error, row.event })
    end)

    it("show every endpoint with what is still to be sent to it", function()
      local crm, billing = endpoint "crm", endpoint "billing"
      endpoint "idle"
      delivery { endpoint = crm, due_ms = 100 }
      delivery { endpoint = crm }
      local sent = delivery { endpoint = crm, due_ms = 100 }
      settle(sent, "succeeded", { attempt = { number = 1, status = 200 } })
      delivery { endpoint = billing }
      run("endpoint", { name = "billing", state = "disabled", reason = "410" })
      local rows = {}
      for _, row in ipairs(run("list_endpoints").rows) do
        rows[row.name] = { row.pending, row.state, row.reason }
      end
      assert.same({ crm = { 2, "enabled" }, billing = { 1, "disabled", "410" },
        idle = { 0, "enabled" } }, rows)
    end)

    it("show endpoints page by page, newest first", function()
      local made = {}
      for i = 1, 5 do made[i] = endpoint("e" .. i) end
      local function page(fields)
        local result = run("list_endpoints", fields)
        return ids(result.rows), result.is_end
      end
      assert.same({ { made[5], made[4] }, false }, { page { limit = 2 } })
      assert.same({ { made[3], made[2] }, false }, { page { limit = 2, before = made[4] } })
      assert.same({ { made[1] }, true }, { page { limit = 2, before = made[2] } })
      assert.same({ { made[2], made[1] }, true }, { page { limit = 2, before = made[3] } })
      assert.same({ { made[3], made[4] }, false }, { page { limit = 2, after = made[2], is_backward = true } })
      assert.same({ made, true }, { page {} })
    end)

    it("say when something is not there", function()
      assert.equal("notfound", run("get_event", 12345).status)
      assert.equal("notfound", run("get_delivery", 12345).status)
    end)
  end)

  describe("retention", function()
    local old = 1767225600000

    -- Whether that many events are left.
    local function left(count)
      return function() return row_count "event" == count end
    end

    -- Lets the store thread do what was asked; groups of other work go on meanwhile.
    local function retain(classes, done)
      t.store:retain(classes)
      for _ = 1, 2000 do
        run("list_events", { limit = 1 })
        if done() then return true end
      end
      return false
    end

    it("deletes what is finished and old, with all that hangs on it", function()
      S.clock_fake(old)
      local id = delivery { event = { key = "k" } }
      settle(id, "retrying", { due_ms = 1, attempt = { number = 1, status = 500 } })
      settle(id, "succeeded", { attempt = { number = 2, status = 200 } })
      local skipped = event()
      run("handled", { event = skipped, subscriptions = { "a" }, skip = "no" })
      local several = event()
      run("handled", {
        event = several, subscriptions = { "a" },
        messages = { { type = "m", body = "m",
                       deliveries = { { endpoint = 1 }, { endpoint = 2 } } } },
      })
      for _, row in ipairs(run("list_deliveries", { event = several }).rows) do
        settle(row.id, "dead", { attempt = { number = 1, status = 500 } })
      end
      S.clock_fake(old + DAY)
      local fresh = event()
      assert.is_true(retain({ { before_ms = old + SECOND } }, left(1)))
      assert.same({ fresh }, ids(run("list_events", {}).rows))
      for _, name in ipairs { "message", "delivery", "attempt", "run" } do
        assert.equal(0, row_count(name), name)
      end
      assert.equal(1, row_count "content")
      assert.equal("ok", t.sql("PRAGMA integrity_check")[1][1])
    end)

    it("keeps what is not finished, and takes it later", function()
      S.clock_fake(old)
      local waiting = event()
      local open = delivery()
      local done = event { is_finished = true }
      S.clock_fake(old + DAY)
      local classes = { { before_ms = old + SECOND } }
      assert.is_true(retain(classes, left(2)))
      assert.equal("notfound", run("get_event", done).status)
      run("handled", { event = waiting, subscriptions = {} })
      settle(open, "cancelled")
      assert.is_true(retain(classes, left(0)))
    end)

    it("goes by source", function()
      S.clock_fake(old)
      local long = event { source = "long", is_finished = true }
      event { source = "short", is_finished = true }
      event { source = "other", is_finished = true }
      S.clock_fake(old + DAY)
      assert.is_true(retain({
        { before_ms = old + SECOND },
        { source = "long", before_ms = old - DAY },
        { source = "short", before_ms = old + SECOND },
      }, left(1)))
      assert.same({ long }, ids(run("list_events", {}).rows))
    end)

    it("goes in small steps, each in a group of its own or with others' work", function()
      S.clock_fake(old)
      for _ = 1, 1000 do t.store:ingest { source = "s", type = "t", is_finished = true } end
      t.store:wait()
      S.clock_fake(old + DAY)
      local before = t.store:health().commits
      assert.is_true(retain({ { before_ms = old + SECOND } }, left(0)))
      assert.is_true(t.store:health().commits - before >= 1000 // 128)
    end)

    it("deletes expired keys", function()
      S.clock_fake(old)
      run("handled", {
        event = event(), subscriptions = { "a" },
        writes = { { ns = "n", key = "gone", value = "1", expires_ms = old + 1 },
                   { ns = "n", key = "stays", value = "1" } },
      })
      S.clock_fake(old + DAY)
      assert.is_true(retain({}, function() return row_count "kv" == 1 end))
      assert.equal("stays", t.sql("SELECT key FROM kv")[1][1])
    end)
  end)
end
