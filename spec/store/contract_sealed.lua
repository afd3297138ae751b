-- SPDX-License-Identifier: MIT
-- The contract: values of kv and bodies of events that are to lie sealed do, open for their own row
-- alone, are counted, and are sealed anew with what else is.
local S = require "anzol_test.store"

local key_a, key_b = ("a1"):rep(32), ("b2"):rep(32)

return function(t)
  local run, event, file_holds = t.run, t.event, t.file_holds

  local function write(writes, fields)
    local all = { event = event(), subscriptions = { "a" }, writes = writes }
    for name, value in pairs(fields or {}) do all[name] = value end
    local op = run("handled", all)
    assert.equal("ok", op.status)
    return op
  end
  local function set(key, value, sealed)
    write { { ns = "n", key = key, value = value, sealed = sealed ~= false } }
  end
  local function get(key)
    return run("get_kv", { ns = "n", key = key, now_ms = S.now_ms() })
  end
  local function body(id) return run("get_event", id).row.body end
  local function counts() return run("count_secrets", {}).counts end
  local function reseal_all()
    local behind, sealed, failed, looked_at = nil, 0, 0, 0
    repeat
      local step = run("reseal", { count_max = 7, behind = behind })
      assert.equal("ok", step.status)
      behind, sealed, failed = step.last, sealed + step.sealed, failed + step.failed
      looked_at = looked_at + step.looked_at
    until step.is_end
    return { sealed = sealed, failed = failed, looked_at = looked_at }
  end

  describe("a sealed value of kv", function()
    it("is read as any other, in the files it is not", function()
      t.reopen(key_a)
      set("k", '"a secret word"')
      assert.equal('"a secret word"', get("k").value)
      local list = run("list_kv", { ns = "n", prefix = "", after = "", now_ms = S.now_ms() })
      assert.same({ { key = "k", value = '"a secret word"' } }, list.rows)
      assert.is_false(file_holds "a secret word")
      t.reopen()
      assert.equal('"a secret word"', get("k").value)
      assert.is_false(file_holds "a secret word")
    end)

    it("is a flag of the row: the last write decides", function()
      t.reopen(key_a)
      set("k", '"first words"', false)
      assert.is_true(file_holds "first words")
      set("k", '"second words"')
      assert.equal('"second words"', get("k").value)
      assert.is_false(file_holds "second words")
      set("k", '"third words"', false)
      assert.equal('"third words"', get("k").value)
      assert.same({}, counts())
    end)

    it("may be as long as any, and may be counted up", function()
      t.reopen(key_a)
      local long = '"' .. ("x"):rep(65534) .. '"'
      set("k", long)
      assert.equal(long, get("k").value)
      set("n", "41")
      write { { ns = "n", key = "n", delta = 1, sealed = true } }
      assert.equal("42", get("n").value)
      write { { ns = "n", key = "fresh", delta = 3, sealed = true } }
      assert.equal("3", get("fresh").value)
      assert.equal(3, select(2, next(counts())))
    end)

    it("changes under who read it before, but not when it is only sealed anew", function()
      t.reopen(key_a)
      set("k", "1")
      local version = get("k").version
      t.store:add_keys(key_b)
      assert.equal(1, reseal_all().sealed)
      assert.equal(version, get("k").version)
      write(nil, { reads = { { ns = "n", key = "k", version = version } } })
      set("k", "2")
      local op = run("handled", { event = event(), subscriptions = { "a" },
        reads = { { ns = "n", key = "k", version = version } } })
      assert.is_true(op.is_kv_conflict)
    end)

    it("does not open in the place of another key", function()
      t.reopen(key_a)
      set("k", "1")
      set("l", "2")
      t.sql "UPDATE kv SET value = (SELECT value FROM kv WHERE key = 'k') WHERE key = 'l'"
      assert.equal("io", get("l").status)
      assert.equal("1", get("k").value)
    end)

    it("goes with its time, and when it is deleted", function()
      t.reopen(key_a)
      write { { ns = "n", key = "k", value = "1", sealed = true,
        expires_ms = S.now_ms() - 1 } }
      assert.is_nil(get("k").value)
      set("l", "1")
      write { { ns = "n", key = "l" } }
      assert.is_nil(get("l").value)
    end)
  end)

  describe("a sealed body", function()
    it("comes with the event and what forwards it, in the files it is not", function()
      t.reopen(key_a)
      local id = event { body = "a secret word", sealed = true }
      assert.equal("a secret word", body(id))
      assert.equal("a secret word", run("claim_events", {}).rows[1].body)
      local op = run("handled", { event = id, subscriptions = { "a" }, messages = { { ordinal = 1,
        type = "out", is_forwarded = true, deliveries = { { endpoint = 1, due_ms = 1 } } } } })
      assert.equal("ok", op.status)
      t.reopen()
      local claimed = run("claim_deliveries", { endpoint = 1, now_ms = 5 }).rows[1]
      assert.equal("a secret word", claimed.body)
      assert.is_false(file_holds "a secret word")
    end)

    it("may be empty, or long", function()
      t.reopen(key_a)
      local long = ("0123456789abcde\n"):rep(1 << 16)
      local empty, full = event { body = "", sealed = true }, event { body = long, sealed = true }
      assert.equal("", body(empty))
      assert.equal(long, body(full))
      assert.equal(1 << 20, run("list_events", {}).rows[1].body_bytes)
      assert.is_false(file_holds(long:sub(1, 64)))
    end)

    it("does not open in the place of another, nor as a value of kv", function()
      t.reopen(key_a)
      local one, two = event { body = "one", sealed = true }, event { body = "two", sealed = true }
      set("k", "1")
      t.sql(("UPDATE content SET body = (SELECT body FROM content WHERE id = %d) WHERE id = %d")
        :format(one, two))
      t.sql(("UPDATE kv SET value = (SELECT body FROM content WHERE id = %d)"):format(one))
      assert.equal("one", body(one))
      assert.equal("io", run("get_event", two).status)
      assert.equal("io", get("k").status)
    end)

    it("that does not open holds up nothing else", function()
      t.reopen(key_a)
      local bad, good = event { body = "bad", sealed = true }, event { body = "good", sealed = true }
      local sent, forwards = event { body = "sent", sealed = true }, { event { body = "x", sealed = true },
        event { body = "y", sealed = true } }
      set("n", "1")
      for i, id in ipairs { sent, forwards[1], forwards[2] } do
        local op = run("handled", { event = id, subscriptions = { "a" }, messages = { { ordinal = 1,
          type = "out", is_forwarded = true, deliveries = { { endpoint = 1, order_key = i > 1 and "k" or nil,
            due_ms = i == 1 and 1 or nil } } } } })
        if i == 2 then forwards.first = op.deliveries[1].id end
      end
      t.sql(("UPDATE content SET body = x'01' || zeroblob(50) WHERE id IN (%d, %d)"):format(bad, forwards[2]))
      t.sql "UPDATE kv SET value = x'01' || zeroblob(50)"
      assert.same({ good }, t.due_events())
      t.settle(forwards.first, "succeeded")
      local rows = run("claim_deliveries", { endpoint = 1, now_ms = 1 << 50 }).rows
      assert.same({ 1, "sent" }, { #rows, rows[1].body })
      assert.equal("invalid", run("handled", { event = event(), subscriptions = { "a" },
        writes = { { ns = "n", key = "n", delta = 1, sealed = true } } }).status)
      assert.equal("good", body(good))
    end)

    it("leaves with an event that is erased", function()
      t.reopen(key_a)
      local id = event { body = "one", sealed = true }
      assert.equal("ok", run("erase", { id = id }).status)
      assert.equal("", body(id))
      assert.same({}, counts())
    end)
  end)

  describe("all that lies sealed", function()
    it("is counted and sealed anew, of whatever kind; the old key opens nothing more", function()
      local ids, texts = {}, {}
      for i = 1, 20 do
        texts[i] = ("word %d "):format(i):rep(i * 40)
        ids[i] = event { body = texts[i], sealed = true }
        set("key" .. i, '"' .. texts[i] .. '"')
        event { body = "plain" .. i }
      end
      run("resource", { kind = "application", body = "{}", now_ms = 1,
        secrets = { { kind = "key", text = "word 0 " } } })
      assert.same({ [""] = 41 }, counts())
      assert.is_true(file_holds "word 7 word 7")
      for _, key in ipairs { key_a, key_b } do
        t.store:add_keys(key)
        assert.same({ sealed = 41, failed = 0, looked_at = 41 }, reseal_all())
        assert.same({ sealed = 0, failed = 0, looked_at = 41 }, reseal_all())
        t.scrub()
      end
      assert.is_false(file_holds "word 7 ")
      assert.is_false(file_holds "word 0 ")
      t.reopen(key_b)
      for i = 1, 20 do
        assert.equal(texts[i], body(ids[i]))
        assert.equal('"' .. texts[i] .. '"', get("key" .. i).value)
      end
      t.store:close()
      local store, status, why = S.open { path = t.path, secrets_key = key_a }
      assert.same({ nil, "invalid" }, { store, status })
      assert.matches("41 secrets are sealed with the key %x+, which is not given", why)
      t.store = assert(S.open { path = t.path, secrets_key = key_b })
    end)

    it("ends its steps early where it is long, and goes on behind what does not open", function()
      t.reopen(key_a)
      local long = ("x"):rep(3 << 20)
      for _ = 1, 3 do event { body = long, sealed = true } end
      set("bad", "1")
      t.sql "UPDATE kv SET key = 'moved'"
      t.store:add_keys(key_b)
      local step = run("reseal", { count_max = 100 })
      assert.same({ 3, 2, 1, false }, { step.looked_at, step.sealed, step.failed, step.is_end })
      step = run("reseal", { count_max = 100, behind = step.last })
      assert.same({ 1, 1, 0, true }, { step.looked_at, step.sealed, step.failed, step.is_end })
    end)
  end)
end
