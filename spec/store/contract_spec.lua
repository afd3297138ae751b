-- SPDX-License-Identifier: MIT
-- What every engine behind store.h must do, whatever is around it.
local S = require "anzol_test.store"
local rig = require "store.rig"

local SECOND = 1000
local DAY = 86400 * SECOND

-- How the suite runs: the engine as it is; and with every group refused, so that each operation
-- runs alone.
local variants = {
  { name = "the SQLite store", fault = nil },
  { name = "the SQLite store, every operation alone", fault = "refuse:group:1:0" },
}

local function suite(variant)
  local folder, path, store

  local function open()
    store = assert(S.open { path = path })
    store:fault(variant.fault)
    return store
  end

  local function reopen()
    store:close()
    return open()
  end

  before_each(function()
    folder = rig.folder()
    path = folder .. "/anzol.db"
    open()
  end)

  after_each(function()
    S.clock_fake()
    store:close()
    rig.remove(folder)
  end)

  -- Submits one operation and waits for its end.
  local function run(kind, fields)
    local op = assert(store[kind](store, fields))
    store:wait()
    return op
  end

  local function event(fields)
    local all = { source = "github", type = "github.push", body = "{}" }
    for key, value in pairs(fields or {}) do all[key] = value end
    local op = run("ingest", all)
    assert.equal("ok", op.status)
    return op.id
  end

  local function endpoint(name)
    return run("endpoint", { name = name, url = "http://x/", keep_state = true }).id
  end

  -- An event with one message to each endpoint. due_ms nil: held in memory.
  local function delivery(fields)
    fields = fields or {}
    local id = event(fields.event)
    local op = run("handled", {
      event = id,
      subscriptions = { "hook" },
      messages = {
        {
          type = "out",
          body = fields.body or "out",
          is_forwarded = fields.is_forwarded,
          expires_ms = fields.expires_ms,
          deliveries = { { endpoint = fields.endpoint or 1, due_ms = fields.due_ms } },
        },
      },
    })
    assert.equal("ok", op.status)
    return op.deliveries[1].id, id
  end

  local function settle(id, state, fields)
    local all = { delivery = id, state = state }
    for key, value in pairs(fields or {}) do all[key] = value end
    return run("settle", all)
  end

  local function ids(rows)
    local list = {}
    for i, row in ipairs(rows) do list[i] = row.id end
    return list
  end

  local function due_events()
    return ids(run("claim_events", {}).rows)
  end

  local function row_count(table_name)
    return S.sql(path, "SELECT count(*) FROM " .. table_name)[1][1]
  end

  describe("ingest", function()
    it("keeps the bytes and everything that came with them", function()
      local body = "\0\1\2 raw \255 bytes"
      local parent = event()
      local id = event { body = body, head = "a head", key = "k", parent = parent, depth = 3,
                         received_ms = 1767225600123 }
      local row = run("get_event", id).row
      assert.equal(body, row.body)
      assert.equal("a head", row.head)
      assert.equal("github", row.source)
      assert.equal("github.push", row.type)
      assert.equal("k", row.key)
      assert.equal(parent, row.parent)
      assert.equal(3, row.depth)
      assert.equal(1767225600123, row.received_ms)
      assert.equal(#body, row.body_bytes)
      assert.equal("pending", row.state)
    end)

    it("keeps an empty body", function()
      assert.equal("", run("get_event", event { body = "" }).row.body)
    end)

    it("keeps a body of a megabyte", function()
      local body = ("x"):rep(1 << 20)
      assert.equal(body, run("get_event", event { body = body }).row.body)
    end)

    it("makes the event due", function()
      local id = event()
      assert.same({ id }, due_events())
    end)

    it("makes an event that nobody subscribed to finished at once", function()
      local id = event { is_finished = true }
      assert.same({}, due_events())
      assert.equal("handled", run("get_event", id).row.state)
    end)

    it("answers a repeated key with the first event's id", function()
      local first = event { key = "k" }
      local second = run("ingest", { source = "github", type = "github.push", key = "k", body = "other" })
      assert.equal("ok", second.status)
      assert.is_true(second.is_duplicate)
      assert.equal(first, second.duplicate_of)
      assert.equal(1, row_count "event")
      assert.equal(1, row_count "content")
    end)

    it("answers a repeated key within the same group", function()
      local ops = {}
      for i = 1, 10 do
        ops[i] = store:ingest { source = "github", type = "t", key = "same", body = "b" .. i }
      end
      store:wait()
      assert.is_false(ops[1].is_duplicate)
      for i = 2, 10 do
        assert.is_true(ops[i].is_duplicate)
        assert.equal(ops[1].id, ops[i].duplicate_of)
      end
      assert.equal(1, row_count "event")
    end)

    it("answers a repeated key after a restart", function()
      local first = event { key = "k" }
      reopen()
      local op = run("ingest", { source = "github", type = "t", key = "k", body = "b" })
      assert.equal(first, op.duplicate_of)
    end)

    it("keeps the keys of sources apart", function()
      event { key = "k", source = "one" }
      local op = run("ingest", { source = "two", type = "t", key = "k", body = "b" })
      assert.is_false(op.is_duplicate)
    end)

    it("tells keys that only look alike apart", function()
      event { key = "k", source = "ab" }
      assert.is_false(run("ingest", { source = "a", type = "t", key = "bk" }).is_duplicate)
      assert.is_false(run("ingest", { source = "ab", type = "t", key = "k\0" }).is_duplicate)
      assert.is_true(run("ingest", { source = "ab", type = "t", key = "k\0" }).is_duplicate)
    end)

    it("lets the event's own text settle a collision of hashes", function()
      local first = event { key = "k" }
      local hash = S.sql(path, "SELECT hash FROM dedupe")[1][1]
      local other = event { key = "another" }
      S.sql(path, ("DELETE FROM dedupe WHERE event = %d; INSERT INTO dedupe VALUES (%d, %d)")
        :format(other, hash, other))
      local op = run("ingest", { source = "github", type = "t", key = "k" })
      assert.equal(first, op.duplicate_of)
    end)

    it("forgets a key after its window", function()
      local now = 1767225600000
      S.clock_fake(now)
      event { key = "k" }
      S.clock_fake(now + 10 * SECOND)
      local inside = run("ingest", { source = "github", type = "t", key = "k", window_ms = 10 * SECOND })
      S.clock_fake(now + 10 * SECOND + 1)
      local outside = run("ingest", { source = "github", type = "t", key = "k", window_ms = 10 * SECOND })
      assert.is_true(inside.is_duplicate)
      assert.is_false(outside.is_duplicate)
    end)

    it("remembers no key when the window is none", function()
      event { key = "k", window_ms = 0 }
      assert.is_false(run("ingest", { source = "github", type = "t", key = "k", window_ms = 0 }).is_duplicate)
    end)

    it("keeps an event without a key as often as it comes", function()
      event()
      event()
      assert.equal(2, #due_events())
    end)

    it("refuses more than the intake queue holds, and takes what it holds", function()
      store:fault "delay:group:1:1:300"
      local taken, refused = {}, nil
      for _ = 1, 20000 do
        local op, status = store:ingest { source = "s", type = "t", is_finished = true }
        if not op then
          refused = status
          break
        end
        taken[#taken + 1] = op
      end
      store:wait()
      assert.equal("busy", refused)
      assert.is_true(#taken >= 8192)
      for _, op in ipairs(taken) do assert.equal("ok", op.status) end
    end)
  end)

  describe("handled", function()
    it("finishes an event without subscriptions", function()
      local id = event()
      assert.equal("ok", run("handled", { event = id, subscriptions = {} }).status)
      assert.same({}, due_events())
      assert.equal(0, row_count "run")
      assert.equal("handled", run("get_event", id).row.state)
    end)

    it("finishes an event with its only run, without a run row", function()
      local id = event()
      assert.equal("ok", run("handled", { event = id, subscriptions = { "a" } }).status)
      assert.same({}, due_events())
      assert.equal(0, row_count "run")
    end)

    it("writes nothing when the run had ended before", function()
      local id = event()
      local life = {
        event = id,
        subscriptions = { "a" },
        messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 } } } },
        emits = { { source = "self", type = "e", body = "e" } },
        writes = { { ns = "n", key = "k", value = "1" } },
      }
      assert.equal("ok", run("handled", life).status)
      local before = { row_count "event", row_count "message", row_count "delivery", row_count "content",
                       S.sql(path, "SELECT version FROM kv")[1][1] }
      local again = run("handled", life)
      assert.equal("conflict", again.status)
      assert.is_false(again.is_kv_conflict)
      assert.same(before, { row_count "event", row_count "message", row_count "delivery",
                            row_count "content", S.sql(path, "SELECT version FROM kv")[1][1] })
    end)

    it("keeps the reason of a skip", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "a" }, skip = "not a branch" })
      local row = run("get_event", id).row
      assert.equal("skipped", row.state)
      assert.equal("not a branch", row.runs[1].error)
      assert.same({}, due_events())
    end)

    it("does not copy the body of a forwarded message", function()
      local id, source = delivery { is_forwarded = true, event = { body = "as it came" } }
      assert.equal(1, row_count "content")
      local claimed = run("claim_open", {}).rows[1]
      assert.equal(id, claimed.id)
      assert.equal("as it came", claimed.body)
      assert.is_true(claimed.is_forwarded)
      assert.equal(source | 1, claimed.message)
    end)

    it("keeps a message's own body once for all its deliveries", function()
      local id = event { body = "in" }
      run("handled", {
        event = id,
        subscriptions = { "a" },
        messages = { { type = "m", body = "out", deliveries = { { endpoint = 1 }, { endpoint = 2 } } } },
      })
      assert.equal(2, row_count "content")
      for _, row in ipairs(run("claim_open", {}).rows) do assert.equal("out", row.body) end
    end)

    it("gives every delivery an id in order of commit", function()
      local id = event()
      local messages = {}
      for i = 1, 3 do
        messages[i] = { type = "m", body = "m" .. i,
                        deliveries = { { endpoint = i }, { endpoint = i + 10 } } }
      end
      local op = run("handled", { event = id, subscriptions = { "a" }, messages = messages })
      local last = 0
      for _, one in ipairs(op.deliveries) do
        assert.is_true(one.id > last)
        last = one.id
      end
      local listed = run("list_deliveries", { event = id })
      assert.equal(6, #listed.rows)
    end)

    it("emits events that are due and know their parent", function()
      local id = event()
      run("handled", {
        event = id,
        subscriptions = { "a" },
        emits = { { source = "self", type = "derived", body = "child", parent = id, depth = 1 } },
      })
      local rows = run("claim_events", {}).rows
      assert.equal(1, #rows)
      assert.equal("child", rows[1].body)
      assert.equal(id, rows[1].parent)
    end)

    it("holds deliveries in memory or makes them due, as asked", function()
      delivery { endpoint = 1 }
      delivery { endpoint = 2, due_ms = 5000 }
      assert.equal(1, #run("claim_open", {}).rows)
      assert.equal(0, #run("claim_deliveries", { endpoint = 1 }).rows)
      assert.equal(1, #run("claim_deliveries", { endpoint = 2, now_ms = 5000 }).rows)
    end)
  end)

  describe("runs of several subscriptions", function()
    local names = { "a", "b", "c" }

    it("are fixed by the first commit, with their ordinals", function()
      local id = event()
      run("handled", { event = id, subscriptions = names, index = 2 })
      local runs = run("get_event", id).row.runs
      assert.equal(3, #runs)
      assert.same({ 1, 85, 169 }, { runs[1].first_ordinal, runs[2].first_ordinal, runs[3].first_ordinal })
      assert.same({ "pending", "handled", "pending" }, { runs[1].state, runs[2].state, runs[3].state })
      assert.same({ id }, due_events())
    end)

    it("end the event with the last of them", function()
      local id = event()
      for i = 1, 3 do
        assert.same({ id }, due_events())
        assert.equal("ok", run("handled", { event = id, subscriptions = names, index = i }).status)
      end
      assert.same({}, due_events())
      assert.equal("handled", run("get_event", id).row.state)
    end)

    it("each commit once", function()
      local id = event()
      run("handled", { event = id, subscriptions = names, index = 1 })
      local again = run("handled", {
        event = id, subscriptions = names, index = 1,
        messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 } } } },
      })
      assert.equal("conflict", again.status)
      assert.equal(0, row_count "message")
    end)

    it("take no subscription that a later generation adds", function()
      local id = event()
      run("handled", { event = id, subscriptions = names, index = 1 })
      local more = { "a", "b", "c", "d" }
      assert.equal("conflict", run("handled", { event = id, subscriptions = more, index = 4 }).status)
      assert.equal(3, #run("get_event", id).row.runs)
    end)

    it("conflict after the event was finished", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "a" } })
      assert.equal("conflict", run("handled", { event = id, subscriptions = names, index = 1 }).status)
      assert.equal(0, row_count "run")
    end)

    it("fail, wait and die alone", function()
      local id = event()
      run("run", { event = id, subscriptions = names, index = 1, due_ms = 9000, error = "boom" })
      run("handled", { event = id, subscriptions = names, index = 2 })
      run("run", { event = id, subscriptions = names, index = 3, error = "dead now" })
      local claim = run("claim_events", { now_ms = 8999 })
      assert.same({}, ids(claim.rows))
      assert.equal(9000, claim.next_due_ms)
      local row = run("get_event", id).row
      assert.equal("dead", row.state)
      assert.same({ "retrying", "handled", "dead" }, { row.runs[1].state, row.runs[2].state, row.runs[3].state })
      assert.same({ "boom", "dead now" }, { row.runs[1].error, row.runs[3].error })
      assert.equal("ok", run("handled", { event = id, subscriptions = names, index = 1, number = 2 }).status)
      assert.same({}, due_events())
    end)
  end)

  describe("a failed run", function()
    it("is due again later, with its error", function()
      local id = event()
      assert.equal("ok", run("run", { event = id, subscriptions = { "a" }, number = 1, due_ms = 7000,
                                       error = "x:1: boom" }).status)
      assert.same({}, ids(run("claim_events", { now_ms = 6999 }).rows))
      local claimed = run("claim_events", { now_ms = 7000 }).rows[1]
      assert.equal(id, claimed.id)
      assert.equal(7000, claimed.due_ms)
      assert.same({ { subscription = "a", state = "retrying", number = 1, first_ordinal = 1, due_ms = 7000 } },
        claimed.runs)
      assert.equal("x:1: boom", run("get_event", id).row.runs[1].error)
    end)

    it("counts its runs and can end well", function()
      local id = event()
      run("run", { event = id, subscriptions = { "a" }, number = 1, due_ms = 1, error = "one" })
      run("run", { event = id, subscriptions = { "a" }, number = 2, due_ms = 2, error = "two" })
      run("handled", { event = id, subscriptions = { "a" }, number = 3 })
      local row = run("get_event", id).row
      assert.equal("handled", row.state)
      assert.equal(3, row.runs[1].number)
      assert.same({}, due_events())
    end)

    it("is a dead letter without a time to come", function()
      local id = event()
      run("run", { event = id, subscriptions = { "a" }, number = 6, error = "traceback" })
      assert.same({}, due_events())
      assert.same({ id }, ids(run("list_events", { state = "dead" }).rows))
    end)

    it("conflicts when it had ended", function()
      local id = event()
      run("handled", { event = id, subscriptions = { "a" } })
      assert.equal("conflict", run("run", { event = id, subscriptions = { "a" }, due_ms = 1 }).status)
      assert.equal("conflict", run("run", { event = id, subscriptions = { "a" } }).status)
      assert.equal("handled", run("get_event", id).row.state)
    end)
  end)

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
        reads = { { ns = "n", key = "k", version = version }, { ns = "n", key = "none", version = 0 } },
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
      assert.is_true(commit({ reads = { { ns = "n", key = "k", version = version } } }).is_kv_conflict)
    end)

    it("adds deltas at commit, whoever comes first", function()
      local ops = {}
      for i = 1, 20 do
        ops[i] = store:handled { event = event(), subscriptions = { "a" },
                                 writes = { { ns = "n", key = "k", delta = i } } }
      end
      store:wait()
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
      assert.equal("invalid", commit({ writes = { { ns = "n", key = "text", delta = 1 } } }).status)
      assert.equal("invalid", commit({ writes = { { ns = "n", key = "large", delta = 1 } } }).status)
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

  describe("spill", function()
    it("gives deliveries in memory a due time", function()
      local one, two = delivery { endpoint = 3 }, delivery { endpoint = 3 }
      assert.equal(2, #run("claim_open", {}).rows)
      run("spill", { { delivery = one, due_ms = 20 }, { delivery = two, due_ms = 10 } })
      assert.equal(0, #run("claim_open", {}).rows)
      assert.same({ two, one }, ids(run("claim_deliveries", { endpoint = 3 }).rows))
    end)

    it("leaves a settled delivery alone", function()
      local id = delivery { endpoint = 3 }
      settle(id, "succeeded", { attempt = { number = 1, status = 200 } })
      run("spill", { { delivery = id, due_ms = 20 } })
      assert.equal(0, #run("claim_deliveries", { endpoint = 3 }).rows)
    end)
  end)

  describe("endpoints", function()
    it("get an id by name, the same each time", function()
      local first = endpoint "crm"
      local other = endpoint "billing"
      assert.is_true(first > 0)
      assert.are_not.equal(first, other)
      reopen()
      assert.equal(first, endpoint "crm")
    end)

    it("stay disabled until their url changes", function()
      run("endpoint", { name = "crm", url = "http://one/", keep_state = true })
      run("endpoint", { name = "crm", state = "disabled", reason = "410" })
      assert.equal("disabled", run("endpoint", { name = "crm", url = "http://one/", keep_state = true }).state)
      assert.equal("410", S.sql(path, "SELECT reason FROM endpoint")[1][1])
      assert.equal("enabled", run("endpoint", { name = "crm", url = "http://two/", keep_state = true }).state)
      assert.is_nil(S.sql(path, "SELECT reason FROM endpoint")[1][1])
      assert.equal("enabled", run("endpoint", { name = "crm", keep_state = true }).state)
    end)

    it("take the state that is set", function()
      endpoint "crm"
      run("endpoint", { name = "crm", state = "paused" })
      assert.equal("paused", run("endpoint", { name = "crm", url = "http://x/", keep_state = true }).state)
      run("endpoint", { name = "crm", state = "enabled" })
      assert.equal("enabled", run("endpoint", { name = "crm", url = "http://x/", keep_state = true }).state)
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
      for shard = 0, 3 do event { id = store:next_id(shard) } end
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
      reopen()
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
      assert.same({ made[4], made[3] }, ids(run("list_events", { before = made[5], limit = 2 }).rows))
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
      assert.same({ a }, ids(run("list_deliveries", { state = "dead" }).rows))
      assert.same({ c, b }, ids(run("list_deliveries", { state = "pending" }).rows))
      assert.same({ b }, ids(run("list_deliveries", { before = c, after = a }).rows))
      assert.same({}, ids(run("list_deliveries", { endpoint = "nobody" }).rows))
      local row = run("list_deliveries", { state = "dead" }).rows[1]
      assert.same({ "crm", "out", "dead", "gone", "connect", of_event },
        { row.endpoint, row.type, row.state, row.reason, row.last_error, row.event })
    end)

    it("say when something is not there", function()
      assert.equal("notfound", run("get_event", 12345).status)
      assert.equal("notfound", run("get_delivery", 12345).status)
    end)
  end)

  describe("retention", function()
    local old = 1767225600000

    -- Lets the store thread do what was asked; groups of other work go on meanwhile.
    local function retain(classes, done)
      store:retain(classes)
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
        messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 }, { endpoint = 2 } } } },
      })
      for _, row in ipairs(run("list_deliveries", { event = several }).rows) do
        settle(row.id, "dead", { attempt = { number = 1, status = 500 } })
      end
      S.clock_fake(old + DAY)
      local fresh = event()
      assert.is_true(retain({ { before_ms = old + SECOND } }, function() return row_count "event" == 1 end))
      assert.same({ fresh }, ids(run("list_events", {}).rows))
      for _, name in ipairs { "message", "delivery", "attempt", "run", "dedupe" } do
        assert.equal(0, row_count(name), name)
      end
      assert.equal(1, row_count "content")
      assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
    end)

    it("keeps what is not finished, and takes it later", function()
      S.clock_fake(old)
      local waiting = event()
      local open = delivery()
      local done = event { is_finished = true }
      S.clock_fake(old + DAY)
      local classes = { { before_ms = old + SECOND } }
      assert.is_true(retain(classes, function() return row_count "event" == 2 end))
      assert.equal("notfound", run("get_event", done).status)
      run("handled", { event = waiting, subscriptions = {} })
      settle(open, "cancelled")
      assert.is_true(retain(classes, function() return row_count "event" == 0 end))
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
      }, function() return row_count "event" == 1 end))
      assert.same({ long }, ids(run("list_events", {}).rows))
    end)

    it("goes in small steps, each in a group of its own or with others' work", function()
      S.clock_fake(old)
      for _ = 1, 1000 do store:ingest { source = "s", type = "t", is_finished = true } end
      store:wait()
      S.clock_fake(old + DAY)
      local before = store:health().commits
      assert.is_true(retain({ { before_ms = old + SECOND } }, function() return row_count "event" == 0 end))
      assert.is_true(store:health().commits - before >= 1000 // 128)
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
      assert.equal("stays", S.sql(path, "SELECT key FROM kv")[1][1])
    end)
  end)

  describe("a restart", function()
    it("gives ids above the highest in the store, also when the clock went back", function()
      local now = 1767225600000
      S.clock_fake(now)
      local last_event = event { id = store:next_id() }
      local last_delivery = delivery()
      local last_attempt = settle(last_delivery, "retrying", { due_ms = 1, attempt = { number = 1 } }).attempt
      S.clock_fake(now - 3600 * SECOND)
      reopen()
      assert.is_true(store:next_id() > last_event)
      local next_delivery = delivery()
      assert.is_true(next_delivery > last_attempt)
    end)

    it("finds everything where it stood", function()
      local kept = event { body = "kept" }
      local handled = event()
      run("handled", { event = handled, subscriptions = { "a" } })
      reopen()
      local rows = run("claim_events", {}).rows
      assert.equal(1, #rows)
      assert.equal(kept, rows[1].id)
      assert.equal("kept", rows[1].body)
    end)
  end)

  describe("credits", function()
    it("are limited and come back", function()
      local taken = 0
      while store:credit_take() == "ok" do taken = taken + 1 end
      assert.equal(65536, taken)
      assert.equal("busy", store:credit_take())
      store:credit_put()
      assert.equal("ok", store:credit_take())
    end)
  end)

  it("says how it is", function()
    event()
    local health = store:health()
    assert.is_true(health.is_writable)
    assert.is_true(health.commits >= 1)
    assert.is_true(health.operations >= 1)
    assert.equal(0, health.queued)
  end)

  it("commits many waiting operations with one sync", function()
    store:fault "delay:group:1:1:50"
    event()
    local before = store:health().commits
    for _ = 1, 600 do store:ingest { source = "s", type = "t" } end
    store:wait()
    assert.is_true(store:health().commits - before < 100)
  end)
end

for _, variant in ipairs(variants) do
  describe(variant.name, function() suite(variant) end)
end
