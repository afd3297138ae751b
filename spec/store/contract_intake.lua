-- SPDX-License-Identifier: MIT
-- The contract: intake, restarts, credits, groups.
local S = require "anzol_test.store"

local SECOND = 1000

return function(t)
  local run, event, delivery, settle, due_events, row_count =
    t.run, t.event, t.delivery, t.settle, t.due_events, t.row_count

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

    it("has a dead run from the start when it is told why", function()
      local id = event { is_finished = true, dead_reason = "type failed" }
      local row = run("get_event", id).row
      assert.same({ "dead", "type", "dead" }, { row.state, row.runs[1].subscription, row.runs[1].state })
      assert.equal("type failed", row.runs[1].error)
      assert.same({}, t.due_events())
    end)

    it("makes an event that nobody subscribed to finished at once", function()
      local id = event { is_finished = true }
      assert.same({}, due_events())
      assert.equal("handled", run("get_event", id).row.state)
    end)

    it("answers a repeated key with the first event's id", function()
      local first = event { key = "k" }
      local second = run("ingest", { source = "github", type = "t", key = "k", body = "other" })
      assert.equal("ok", second.status)
      assert.is_true(second.is_duplicate)
      assert.equal(first, second.duplicate_of)
      assert.equal(1, row_count "event")
      assert.equal(1, row_count "content")
    end)

    it("answers a repeated key within the same group", function()
      local ops = {}
      for i = 1, 10 do
        ops[i] = t.store:ingest { source = "github", type = "t", key = "same", body = "b" .. i }
      end
      t.store:wait()
      assert.is_false(ops[1].is_duplicate)
      for i = 2, 10 do
        assert.is_true(ops[i].is_duplicate)
        assert.equal(ops[1].id, ops[i].duplicate_of)
      end
      assert.equal(1, row_count "event")
    end)

    it("answers a repeated key after a restart", function()
      local first = event { key = "k" }
      t.reopen()
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

    it("forgets a key after its window", function()
      local now = 1767225600000
      S.clock_fake(now)
      event { key = "k" }
      S.clock_fake(now + 10 * SECOND)
      local again = { source = "github", type = "t", key = "k", window_ms = 10 * SECOND }
      local inside = run("ingest", again)
      S.clock_fake(now + 10 * SECOND + 1)
      local outside = run("ingest", again)
      assert.is_true(inside.is_duplicate)
      assert.is_false(outside.is_duplicate)
    end)

    it("remembers no key when the window is none", function()
      event { key = "k", window_ms = 0 }
      local again = run("ingest", { source = "github", type = "t", key = "k", window_ms = 0 })
      assert.is_false(again.is_duplicate)
    end)

    it("keeps an event without a key as often as it comes", function()
      event()
      event()
      assert.equal(2, #due_events())
    end)

    it("refuses more than the intake queue holds, and takes what it holds", function()
      t.store:fault "delay:group:1:1:2000" -- longer than a busy machine needs to fill it
      local taken, refused = {}, nil
      for _ = 1, 20000 do
        local op, status = t.store:ingest { source = "s", type = "t", is_finished = true }
        if not op then
          refused = status
          break
        end
        taken[#taken + 1] = op
      end
      t.store:wait()
      assert.equal("busy", refused)
      assert.is_true(#taken >= 8192)
      for _, op in ipairs(taken) do assert.equal("ok", op.status) end
    end)
  end)

  describe("a restart", function()
    it("gives ids above the highest in the store, also when the clock went back", function()
      local now = 1767225600000
      S.clock_fake(now)
      local last_event = event { id = t.store:next_id() }
      local last_delivery = delivery()
      local retry = { due_ms = 1, attempt = { number = 1 } }
      local last_attempt = settle(last_delivery, "retrying", retry).attempt
      S.clock_fake(now - 3600 * SECOND)
      t.reopen()
      assert.is_true(t.store:next_id() > last_event)
      local next_delivery = delivery()
      assert.is_true(next_delivery > last_attempt)
    end)

    it("finds everything where it stood", function()
      local kept = event { body = "kept" }
      local handled = event()
      run("handled", { event = handled, subscriptions = { "a" } })
      t.reopen()
      local rows = run("claim_events", {}).rows
      assert.equal(1, #rows)
      assert.equal(kept, rows[1].id)
      assert.equal("kept", rows[1].body)
    end)
  end)

  describe("credits", function()
    it("are limited and come back", function()
      local taken = 0
      while t.store:credit_take() == "ok" do taken = taken + 1 end
      assert.equal(65536, taken)
      assert.equal("busy", t.store:credit_take())
      t.store:credit_put()
      assert.equal("ok", t.store:credit_take())
    end)
  end)

  it("says how it is", function()
    event()
    local health = t.store:health()
    assert.is_true(health.is_writable)
    assert.is_true(health.commits >= 1)
    assert.is_true(health.operations >= 1)
    assert.equal(0, health.queued)
  end)

  it("commits many waiting operations with one sync", function()
    -- Long enough for all of them to queue up behind the first, however slow this build is.
    t.store:fault("delay:group:1:1:" .. (os.getenv "ANZOL_SANITIZER" and 1000 or 50))
    event()
    local before = t.store:health().commits
    for _ = 1, 600 do t.store:ingest { source = "s", type = "t" } end
    t.store:wait()
    assert.is_true(t.store:health().commits - before < 100)
  end)
end
