-- SPDX-License-Identifier: MIT
-- The contract: what runs by itself has one row, which moves on with what a run asked for.
return function(t)
  local run = t.run

  describe("a routine", function()
    local function put(fields)
      local all = { kind = "poll", name = "tickets", rule = "30s", due_ms = 1000, tick_ms = 1000 }
      for key, value in pairs(fields or {}) do all[key] = value end
      return run("routine", all)
    end
    local function rows() return run("list_routines", {}).routines end

    it("is there from its first row on, with all that is known", function()
      assert.equal("ok", put { error = "no", items = 7 }.status)
      local wanted = { { kind = "poll", name = "tickets", version = 1, rule = "30s", due_ms = 1000,
        tick_ms = 1000, error = "no", items = 7 } }
      assert.same(wanted, rows())
      t.reopen()
      assert.same(wanted, rows())
    end)

    it("is one of its kind and name", function()
      put()
      put { kind = "cron" }
      put { name = "orders" }
      assert.equal(3, #rows())
    end)

    it("moves on only from where it stands", function()
      put()
      assert.equal("conflict", put { due_ms = 2000 }.status)
      assert.equal("conflict", put { version = 2, due_ms = 2000 }.status)
      assert.equal(1000, rows()[1].due_ms)
      assert.equal("ok", put { version = 1, due_ms = 2000 }.status)
      assert.equal(2000, rows()[1].due_ms)
      assert.equal(2, rows()[1].version)
    end)

    it("commits what its run asked for with its place, or nothing", function()
      put()
      local asked = { version = 1, writes = { { ns = "n", key = "cursor", value = "5" } },
        emits = { { source = "tickets", type = "ticket.open", body = "{}" } } }
      asked.version = 3
      assert.equal("conflict", put(asked).status)
      assert.equal(0, t.row_count "event")
      assert.is_nil(run("get_kv", { ns = "n", key = "cursor" }).value)
      asked.version = 1
      assert.equal("ok", put(asked).status)
      assert.equal(1, t.row_count "event")
      assert.equal("5", run("get_kv", { ns = "n", key = "cursor" }).value)
    end)

    it("lets one commit of those that ran from one place, though all end in one group", function()
      put()
      local ops, won = {}, nil
      for i = 1, 20 do
        ops[i] = assert(t.store:routine { kind = "poll", name = "tickets", rule = "30s", version = 1,
          due_ms = 1000 + i, tick_ms = 1000, writes = { { ns = "n", key = "who", value = tostring(i) } },
          emits = { { source = "tickets", type = "ticket.open", body = tostring(i) } } })
      end
      t.store:wait()
      for i, op in ipairs(ops) do
        assert.is_true(op.status == "conflict" or (op.status == "ok" and not won), op.status)
        if op.status == "ok" then won = i end
      end
      assert.equal(tostring(won), run("get_kv", { ns = "n", key = "who" }).value)
      assert.same({ 2, 1000 + won }, { rows()[1].version, rows()[1].due_ms })
      assert.same({ { tostring(won) } }, t.sql "SELECT CAST(body AS TEXT) FROM event JOIN content USING(id)")
    end)

    it("stores the event that its messages are of, as finished", function()
      put()
      local endpoint = t.endpoint "chat"
      local op = put { version = 1, event = { source = "digest", type = "anzol.cron", body = "{}" },
        messages = { { type = "t", body = "x", deliveries = { { endpoint = endpoint, due_ms = 1 } } } } }
      assert.equal("ok", op.status)
      local events = run("list_events", { limit = 10 }).rows
      assert.equal(1, #events)
      assert.equal("handled", events[1].state)
      assert.same({}, t.due_events())
      assert.equal(1, t.row_count "delivery")
    end)

    it("is refused by a key that others changed meanwhile", function()
      put()
      put { version = 1, writes = { { ns = "n", key = "k", value = "1" } } }
      local op = put { version = 2, reads = { { ns = "n", key = "k", version = 0 } } }
      assert.equal("conflict", op.status)
      assert.is_true(op.is_kv_conflict)
      assert.equal("invalid", put { version = 2, writes = { { ns = "n", key = "k", value = '"x"' },
        { ns = "n", key = "k", delta = 1 } } }.status)
      assert.equal(2, rows()[1].version)
    end)

    it("makes an item of one key once, for a week and not only a day", function()
      local day_ms = 86400000
      put()
      local function find(version, id)
        return put { version = version, emits = { { source = "tickets", type = "t", key = "4711",
          body = "{}", id = id } } }
      end
      local S = require "anzol_test.store"
      local now_ms = S.now_ms()
      S.clock_fake(now_ms)
      find(1)
      S.clock_fake(now_ms + 2 * day_ms)
      find(2)
      assert.equal(1, t.row_count "event")
      S.clock_fake(now_ms + 8 * day_ms)
      find(3)
      assert.equal(2, t.row_count "event")
    end)
  end)
end
