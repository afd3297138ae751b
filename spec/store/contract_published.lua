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

    it("is listed by channel and type", function()
      local eu = publish { channels = '["eu","b2b"]' }.id
      local us = publish({ channels = '["us"]' }, { type = "api.other" }).id
      local none = publish().id
      assert.same({ eu }, ids { channel = "eu" })
      assert.same({ eu }, ids { channel = "b2b" })
      assert.same({}, ids { channel = "b2" })
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
end
