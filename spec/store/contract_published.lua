-- SPDX-License-Identifier: MIT
-- The contract: what is published over the API is found by its application, id and eventId, once for
-- each idempotency key, and goes with its event.
local S = require "anzol_test.store"
local wait = require "support.wait"

local DAY = 86400000

return function(t)
  local run, row_count = t.run, t.row_count

  local function publish(published, fields)
    local all = { source = "api", type = "api.invoice.paid", body = '{"a":1}', published = published or {} }
    for key, value in pairs(fields or {}) do all[key] = value end
    return run("ingest", all)
  end
  local function list(fields) return run("list_published", fields or {}) end
  local function ids(fields) return t.ids(list(fields).published) end

  describe("what is published", function()
    it("is there with what was said of it, after a restart too", function()
      local op = publish { application = 7, uid = "inv-1", channels = '["eu"]', tags = '["t"]' }
      assert.equal("ok", op.status)
      local wanted = { { id = op.id, application = 7, uid = "inv-1", channels = '["eu"]', tags = '["t"]',
        type = "invoice.paid", payload = '{"a":1}' } }
      t.reopen()
      assert.same(wanted, list { application = 7, with_payload = true }.published)
      assert.same(wanted, list { application = 7, only = op.id, with_payload = true }.published)
      assert.same(wanted, list { application = 7, only_uid = "inv-1", with_payload = true }.published)
      assert.is_nil(list { application = 7 }.published[1].payload)
      assert.equal('{"a":1}', run("get_event", op.id).row.body)
    end)

    it("is found by its own application only", function()
      local op = publish { application = 7, uid = "inv-1" }
      assert.same({}, ids { application = 8 })
      assert.equal("notfound", list { application = 8, only = op.id }.status)
      assert.equal("notfound", list { application = 8, only_uid = "inv-1" }.status)
    end)

    it("has a uid that no other of its application has", function()
      publish { uid = "one" }
      assert.equal("conflict", publish({ uid = "one" }).status)
      assert.equal("ok", publish({ application = 2, uid = "one" }).status)
      assert.equal("ok", publish({}).status)
      assert.equal("ok", publish({}).status)
      assert.same({ 4, 4 }, { row_count "event", row_count "published" })
    end)

    it("is made once by one key for twelve hours", function()
      S.clock_fake(1800000000000)
      local key = ("k"):rep(32)
      local first = publish({ uid = "a" }, { answer_key = key })
      local second = publish({ uid = "b" }, { answer_key = key })
      assert.same({ "ok", true, first.id }, { second.status, second.is_duplicate, second.duplicate_of })
      assert.is_false(publish({ uid = "c" }, { answer_key = ("l"):rep(32) }).is_duplicate)
      assert.equal("conflict", publish({ uid = "a" }, { answer_key = ("m"):rep(32) }).status)
      assert.equal(2, row_count "event")
      S.clock_fake(1800000000000 + DAY // 2)
      assert.is_false(publish({ uid = "d" }, { answer_key = key }).is_duplicate)
    end)

    it("is listed newest first, in pages both ways", function()
      local made = {}
      for i = 1, 5 do
        made[i] = publish().id
        publish { application = 2 }
      end
      assert.same({ made[5], made[4] }, ids { limit = 2 })
      assert.same({ made[3], made[2] }, ids { limit = 2, before = made[4] })
      assert.same({ made[3], made[4] }, ids { limit = 2, after = made[2], is_backward = true })
      assert.is_false(list { limit = 4 }.is_end)
      assert.is_true(list { limit = 5 }.is_end)
    end)

    it("is listed by channel, tag and type", function()
      local eu = publish { channels = '["eu","b2b"]', tags = '["t1","t2"]' }.id
      local us = publish({ channels = '["us"]', tags = '["t1"]' }, { type = "api.other" }).id
      local none = publish().id
      assert.same({ eu }, ids { channel = "eu" })
      assert.same({ eu }, ids { channel = "b2b" })
      assert.same({}, ids { channel = "b2" })
      assert.same({ us, eu }, ids { tag = "t1" })
      assert.same({ eu }, ids { tag = "t2" })
      assert.same({ eu }, ids { tag = "t1", channel = "eu" })
      assert.same({ us }, ids { tag = "t1", types = "other" })
      assert.same({}, ids { tag = "eu" })
      assert.same({ us }, ids { types = "other" })
      assert.same({ none, us, eu }, ids { types = "other,invoice.paid" })
      assert.same({}, ids { types = "invoice" })
    end)

    it("goes with its event", function()
      S.clock_fake(1800000000000)
      publish({ uid = "old" }, { is_finished = true })
      S.clock_fake(1800000000000 + DAY)
      t.store:retain { { before_ms = 1800000000000 + 1000 } }
      wait.until_true("the event goes", 5000, function() return row_count "event" == 0 end)
      assert.equal(0, row_count "published")
      assert.equal("ok", publish({ uid = "old" }).status)
    end)
  end)

  local FIRST = 1 << 40 -- of registered endpoints

  -- A published event that went to these endpoints: its id, and its deliveries.
  local function sent(endpoints, published, fields)
    local id = publish(published, fields).id
    local deliveries = {}
    for i, endpoint in ipairs(endpoints) do deliveries[i] = { endpoint = FIRST + endpoint } end
    local op = run("handled", { event = id, subscriptions = {}, messages = { { type = "invoice.paid",
      ordinal = 255, is_forwarded = true, deliveries = deliveries } } })
    assert.equal("ok", op.status)
    return id, t.ids(op.deliveries)
  end
  local function settle(delivery, endpoint, state, status, more)
    local all = { delivery = delivery, state = state, registered = FIRST + endpoint, due_ms = 5000,
      attempt = { number = 1, status = status, body = "answer " .. status } }
    for key, value in pairs(more or {}) do all[key] = value end
    local op = run("settle", all)
    assert.equal("ok", op.status)
    return op.attempt
  end

  describe("a payload that was forgotten", function()
    it("is not sent by a run that ends only then, whatever it asked for", function()
      local id = publish().id
      assert.equal("ok", run("change", { { verb = "expunge", message = id | 255 } }).status)
      local op = run("handled", { event = id, subscriptions = { "a" }, messages = {
        { type = "invoice.paid", ordinal = 255, is_forwarded = true, deliveries = { { endpoint = FIRST } } },
        { type = "api.invoice.paid", ordinal = 1, is_forwarded = true, deliveries = { { endpoint = 1 } } },
        { type = "mine", ordinal = 2, body = "own", deliveries = { { endpoint = 1 } } } } })
      assert.equal("ok", op.status)
      assert.equal(1, t.row_count "message")
      assert.equal(1, t.row_count "delivery")
      assert.equal("own", t.sql("SELECT CAST(body AS TEXT) FROM content WHERE id <> " .. id)[1][1])
    end)

    it("has expired for what is due, for copies with ids of their own too", function()
      local id = sent { 1 }
      local op = run("change", { { verb = "replay", message = id | 255, new_ids = true } })
      assert.equal("ok", op.changes[1].status)
      local claim = { endpoint = FIRST + 1, now_ms = 1 << 50 }
      local before = run("claim_deliveries", claim).rows
      assert.same({ 1, 0 }, { #before, before[1].expires_ms })
      run("change", { { verb = "expunge", message = id | 255 } })
      assert.equal(1, run("claim_deliveries", claim).rows[1].expires_ms)
    end)
  end)

  describe("what was published and sent", function()
    it("is listed by endpoint, once for each message, by the best that became of it", function()
      local one, first = sent { 1, 2 }
      local two, second = sent { 1 }
      local three, third = sent { 1 }
      local four = sent { 1 }
      sent { 2 }
      settle(first[1], 1, "succeeded", 200)
      settle(second[1], 1, "retrying", 500)
      settle(third[1], 1, "dead", 500)
      local page = run("list_sent", { endpoint = FIRST + 1, with_payload = true })
      local states = {}
      for i, row in ipairs(page.rows) do states[i] = { row.id, row.state, row.next_ms } end
      assert.same({ { four, 1, 0 }, { three, 2, 0 }, { two, 3, 5000 }, { one, 0, 0 } }, states)
      assert.equal('{"a":1}', page.rows[1].payload)
      assert.is_true(page.is_end)
      assert.same({ two }, t.ids(run("list_sent", { endpoint = FIRST + 1, state = 3 }).rows))
      assert.same({ three, two }, t.ids(run("list_sent", { endpoint = FIRST + 1, before = four, limit = 2 }).rows))
      assert.same({ three, four },
        t.ids(run("list_sent", { endpoint = FIRST + 1, after = two, is_backward = true }).rows))
      assert.same({}, run("list_sent", { endpoint = FIRST + 1, application = 9 }).rows)
      local count = run("count_sent", { endpoint = FIRST + 1 })
      assert.same({ [0] = 1, 1, 1, 1 }, count.counts)
      assert.same({ [0] = 0, 1, 1, 0 }, run("count_sent", { endpoint = FIRST + 1, after = two }).counts)
    end)

    local function add_endpoints()
      t.sql("INSERT INTO endpoint(id, name, url, state) VALUES (1099511627777, 'ep_a', 'http://a/', 0),"
        .. " (1099511627778, 'ep_b', 'http://b/', 0)")
    end

    it("finds attempts by when they began", function()
      add_endpoints()
      local one, first = sent { 1, 2 }
      for i, started_ms in ipairs { 1000, 2000 } do
        settle(first[i], i, "succeeded", 200 + i, { attempt = { number = 1, status = 200 + i, started_ms = started_ms,
          duration_ms = 900 } })
      end
      local function answers(fields)
        fields.event = one
        local found = {}
        for i, row in ipairs(run("list_tried", fields).rows) do found[i] = row.answer end
        return found
      end
      assert.same({ 202, 201 }, answers { from_ms = 1000, before_ms = 2001 })
      assert.same({ 202 }, answers { from_ms = 1001 })
      assert.same({ 201 }, answers { before_ms = 2000 })
      assert.same({}, answers { from_ms = 1001, before_ms = 2000 })
      assert.same({ 1 }, { #run("list_tried", { endpoint = FIRST + 2, from_ms = 2000 }).rows })
      assert.same({ 0 }, { #run("list_tried", { endpoint = FIRST + 2, before_ms = 2000 }).rows })
    end)

    it("tells where a message went, the newest endpoint first", function()
      local id, deliveries = sent { 3, 1, 2 }
      settle(deliveries[1], 3, "succeeded", 200)
      local page = run("list_destinations", { event = id })
      assert.same({ FIRST + 3, FIRST + 2, FIRST + 1 }, t.ids(page.rows))
      assert.same({ 0, 1, 1 }, { page.rows[1].state, page.rows[2].state, page.rows[3].state })
      assert.same({ FIRST + 2 }, t.ids(run("list_destinations", { event = id, before = FIRST + 3, limit = 1 }).rows))
      assert.is_false(run("list_destinations", { event = id, before = FIRST + 3, limit = 1 }).is_end)
      assert.equal("notfound", run("list_destinations", { event = id, application = 2 }).status)
      assert.equal("notfound", run("list_destinations", { event = t.event() }).status)
      assert.same({}, run("list_destinations", { event = publish().id }).rows)
    end)

    it("tells its attempts, by endpoint and by message", function()
      add_endpoints()
      local one, first = sent({ 1, 2 }, { channels = '["eu"]' })
      local two, second = sent { 1 }
      settle(first[1], 1, "retrying", 503)
      settle(first[1], 1, "succeeded", 200, { attempt = { number = 2, status = 200 } })
      settle(second[1], 1, "dead", 0)
      settle(first[2], 2, "succeeded", 204)
      local function tried(fields)
        local answers = {}
        for i, row in ipairs(run("list_tried", fields).rows) do answers[i] = row.answer end
        return answers
      end
      assert.same({ 0, 200, 503 }, tried { endpoint = FIRST + 1 })
      assert.same({ 204, 200, 503 }, tried { event = one })
      assert.same({ 200, 503 }, tried { event = one, endpoint = FIRST + 1 })
      assert.same({ 503 }, tried { endpoint = FIRST + 1, state = 3 })
      assert.same({ 0 }, tried { endpoint = FIRST + 1, class_from = 0, class_to = 99 })
      assert.same({ 200, 503 }, tried { endpoint = FIRST + 1, channel = "eu" })
      local all = run("list_tried", { event = one, with_payload = true })
      assert.same({ "answer 204", FIRST + 2, one }, { all.rows[1].body, all.rows[1].endpoint, all.rows[1].event })
      local page = run("list_tried", { event = one, limit = 2 })
      assert.same({ 2, false }, { #page.rows, page.is_end })
      assert.same({ 503 }, tried { event = one, before = page.rows[2].id })
      assert.same({ 503, 200 }, tried { event = one, after = all.rows[3].id - 1, limit = 2, is_backward = true })
      assert.equal(all.rows[2].id, run("list_tried", { event = one, only = all.rows[2].id }).rows[1].id)
      assert.equal("notfound", run("list_tried", { event = two, only = all.rows[2].id }).status)
      assert.equal("notfound", run("list_tried", { event = one, application = 2 }).status)
    end)
  end)
end
