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
  end)
end
