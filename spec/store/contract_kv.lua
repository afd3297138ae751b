-- SPDX-License-Identifier: MIT
-- The contract: keys and values that commit with a run.
local S = require "anzol_test.store"

return function(t)
  local run, event, due_events, row_count = t.run, t.event, t.due_events, t.row_count

  describe("kv", function()
    local function commit(fields)
      local all = { event = event(), subscriptions = { "a" } }
      for key, value in pairs(fields) do all[key] = value end
      return run("handled", all)
    end

    local function get(key, now_ms)
      return run("get_kv", { ns = "n", key = key, now_ms = now_ms or S.now_ms() })
    end

    it("is absent at first", function()
      local read = get "k"
      assert.equal("ok", read.status)
      assert.is_nil(read.value)
      assert.equal(0, read.version)
    end)

    it("reads what was written, with a version that moves", function()
      commit { writes = { { ns = "n", key = "k", value = "\"a\"" } } }
      local first = get "k"
      commit { writes = { { ns = "n", key = "k", value = "\"b\"" } } }
      local second = get "k"
      assert.equal("\"a\"", first.value)
      assert.equal("\"b\"", second.value)
      assert.is_true(second.version > first.version)
    end)

    it("commits a run whose reads are still true", function()
      commit { writes = { { ns = "n", key = "k", value = "1" } } }
      local version = get("k").version
      local op = commit {
        reads = { { ns = "n", key = "k", version = version },
                  { ns = "n", key = "none", version = 0 } },
        writes = { { ns = "n", key = "k", value = "2" } },
      }
      assert.equal("ok", op.status)
      assert.equal("2", get("k").value)
    end)

    it("refuses a run that read something older, and writes nothing of it", function()
      commit { writes = { { ns = "n", key = "k", value = "1" } } }
      local version = get("k").version
      commit { writes = { { ns = "n", key = "k", value = "2" } } }
      local id = event()
      local op = run("handled", {
        event = id, subscriptions = { "a" },
        reads = { { ns = "n", key = "k", version = version } },
        writes = { { ns = "n", key = "k", value = "3" } },
        messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 } } } },
      })
      assert.equal("conflict", op.status)
      assert.is_true(op.is_kv_conflict)
      assert.equal("2", get("k").value)
      assert.equal(0, row_count "message")
      assert.same({ id }, due_events())
    end)

    it("refuses a run that saw nothing where there is something now", function()
      commit { writes = { { ns = "n", key = "k", value = "1" } } }
      assert.is_true(commit({ reads = { { ns = "n", key = "k", version = 0 } } }).is_kv_conflict)
    end)

    it("gives a key that was deleted and made again another version", function()
      commit { writes = { { ns = "n", key = "k", value = "1" } } }
      local version = get("k").version
      commit { writes = { { ns = "n", key = "k" } } }
      assert.equal(0, get("k").version)
      commit { writes = { { ns = "n", key = "k", value = "1" } } }
      local op = commit { reads = { { ns = "n", key = "k", version = version } } }
      assert.is_true(op.is_kv_conflict)
    end)

    it("adds deltas at commit, whoever comes first", function()
      for i = 1, 20 do
        t.store:handled { event = event(), subscriptions = { "a" },
                          writes = { { ns = "n", key = "k", delta = i } } }
      end
      t.store:wait()
      assert.equal("210", get("k").value)
    end)

    it("adds a delta to what the same run wrote", function()
      commit { writes = { { ns = "n", key = "k", value = "40" }, { ns = "n", key = "k", delta = 1 },
                          { ns = "n", key = "k", delta = 1 } } }
      assert.equal("42", get("k").value)
    end)

    it("adds a delta to a real number", function()
      commit { writes = { { ns = "n", key = "k", value = "0.1" } } }
      commit { writes = { { ns = "n", key = "k", delta = 2 } } }
      assert.equal("2.1", get("k").value)
    end)

    it("refuses a delta on what is no number, or past the range", function()
      commit { writes = { { ns = "n", key = "text", value = "\"a\"" },
                          { ns = "n", key = "large", value = "9223372036854775807" } } }
      for _, key in ipairs { "text", "large" } do
        assert.equal("invalid", commit({ writes = { { ns = "n", key = key, delta = 1 } } }).status)
      end
      assert.equal("\"a\"", get("text").value)
      assert.equal(2, #due_events())
    end)

    it("lets values expire", function()
      local now = 1767225600000
      S.clock_fake(now)
      commit { writes = { { ns = "n", key = "k", value = "1", expires_ms = now + 10 } } }
      assert.equal("1", get("k", now + 9).value)
      assert.is_nil(get("k", now + 10).value)
      S.clock_fake(now + 10)
      assert.equal("ok", commit({ reads = { { ns = "n", key = "k", version = 0 } },
                                  writes = { { ns = "n", key = "k", delta = 5 } } }).status)
      assert.equal("5", get("k", now + 1000).value)
    end)

    it("keeps the expiry of a value under a delta", function()
      local now = 1767225600000
      S.clock_fake(now)
      commit { writes = { { ns = "n", key = "k", value = "1", expires_ms = now + 100 } } }
      commit { writes = { { ns = "n", key = "k", delta = 1 } } }
      assert.equal("2", get("k", now + 99).value)
      assert.is_nil(get("k", now + 100).value)
    end)

    describe("lists", function()
      local function list(fields)
        local all = { ns = "n", prefix = "", after = "", limit = 100, now_ms = S.now_ms() }
        for key, value in pairs(fields or {}) do all[key] = value end
        return run("list_kv", all)
      end

      local function keys(read)
        local names = {}
        for i, row in ipairs(read.rows) do names[i] = row.key end
        return table.concat(names, " ")
      end

      local function set(...)
        local writes = {}
        for i, key in ipairs { ... } do writes[i] = { ns = "n", key = key, value = '"' .. key .. '"' } end
        commit { writes = writes }
      end

      it("gives the keys with a prefix, by their bytes, with their values", function()
        set("b", "user:2", "user:10", "usf", "user:", "a")
        commit { writes = { { ns = "other", key = "user:1", value = "0" } } }
        local read = list { prefix = "user:" }
        assert.equal("user: user:10 user:2", keys(read))
        assert.equal('"user:10"', read.rows[2].value)
        assert.equal("a b user: user:10 user:2 usf", keys(list()))
      end)

      it("goes on behind a key, up to the limit", function()
        set("a1", "a2", "a3", "a4")
        assert.equal("a1 a2", keys(list { prefix = "a", limit = 2 }))
        assert.equal("a3 a4", keys(list { prefix = "a", after = "a2", limit = 2 }))
      end)

      it("leaves out what expired, and says when the values are too many", function()
        local now = 1767225600000
        S.clock_fake(now)
        set("a")
        commit { writes = { { ns = "n", key = "b", value = "1", expires_ms = now + 10 } } }
        assert.equal("a b", keys(list { now_ms = now + 9 }))
        assert.equal("a", keys(list { now_ms = now + 10 }))
        assert.is_true(list({ bytes_max = 3 }).is_cut)
        assert.is_false(list({ bytes_max = 4 }).is_cut)
      end)

      local changes = {
        ["another value"] = { key = "a2", value = "1" },
        ["a new key"] = { key = "a9", value = "1" },
        ["a key less"] = { key = "a1" },
        ["a delta"] = { key = "a5", delta = 1 },
      }
      for name, write in pairs(changes) do
        it("are not true any more after " .. name, function()
          set("a1", "a2")
          commit { writes = { { ns = "n", key = "a5", value = "5" } } }
          local read = { ns = "n", key = "a", after = "", limit = 10,
                         version = list({ prefix = "a", limit = 10 }).version }
          set "b"
          assert.equal("ok", commit({ reads = { read } }).status)
          write.ns = "n"
          commit { writes = { write } }
          local op = commit { reads = { read }, writes = { { ns = "n", key = "x", value = "1" } } }
          assert.equal("conflict", op.status)
          assert.is_true(op.is_kv_conflict)
          assert.is_nil(get("x").value)
        end)
      end

      it("stay true when something changes behind their limit", function()
        set("a1", "a2", "a3")
        local read = { ns = "n", key = "a", after = "", limit = 2,
                       version = list({ prefix = "a", limit = 2 }).version }
        commit { writes = { { ns = "n", key = "a3" } } }
        assert.equal("ok", commit({ reads = { read } }).status)
      end)
    end)
  end)
end
