-- SPDX-License-Identifier: MIT
-- What the store does when the disk is full, locked or broken: through the fault decorator, and
-- with a file system that fails below SQLite (F09, F12).
local S = require "anzol_test.store"
local rig = require "store.rig"

local is_long = os.getenv "ANZOL_LONG" == "1"
local ENOSPC, EFBIG, EDQUOT, EIO = 28, 27, 122, 5

describe("a store in trouble", function()
  local folder, path, store

  local function open(vfs)
    store = assert(S.open { path = path, vfs = vfs })
  end

  before_each(function()
    folder = rig.folder()
    path = folder .. "/anzol.db"
  end)

  after_each(function()
    store:close()
    rig.remove(folder)
  end)

  local function ingest(fields)
    local all = { source = "s", type = "t", body = "body" }
    for key, value in pairs(fields or {}) do all[key] = value end
    return store:ingest(all)
  end

  local function run(kind, fields)
    local op = assert(store[kind](store, fields))
    store:wait()
    return op
  end

  -- Waits until intake is taken again; how long that was, in ms.
  local function wait_for_intake()
    local start = S.now_ms()
    repeat
      local op = ingest()
      if op then
        store:wait()
        if op.status == "ok" then return S.now_ms() - start, op end
      else
        run("list_events", { limit = 1 })
      end
    until S.now_ms() - start > 10000
    error "intake was never taken again"
  end

  local function open_delivery()
    local event = ingest()
    store:wait()
    return run("handled", {
      event = event.id, subscriptions = { "a" },
      messages = { { type = "m", body = "m", deliveries = { { endpoint = 1 } } } },
    }).deliveries[1].id
  end

  for _, kind in ipairs { "full", "busy" } do
    it(("fails intake, then refuses it at the door, while the disk is %s"):format(kind), function()
      open()
      S.quiet(function()
        store:fault(kind .. ":group:1:0")
        local first = ingest()
        store:wait()
        assert.equal("io", first.status)
        assert.is_false(store:health().is_writable)
        local second, status = ingest()
        assert.is_nil(second)
        assert.equal("busy", status)
        store:fault()
        local waited = wait_for_intake()
        assert.is_true(waited <= 5000)
        assert.is_true(store:health().is_writable)
      end)
    end)

    it(("keeps outcomes while the disk is %s, and writes them after"):format(kind), function()
      open()
      local delivery = open_delivery()
      S.quiet(function()
        store:fault(kind .. ":group:1:3")
        local settled = store:settle { delivery = delivery, state = "succeeded",
                                       attempt = { number = 1, status = 200 } }
        local other = ingest()
        store:wait()
        assert.equal("ok", settled.status)
        if other then assert.equal("io", other.status) end
      end)
      assert.equal("succeeded", run("get_delivery", delivery).row.state)
    end)
  end

  it("keeps steps while the disk is full, and writes them after", function()
    open()
    local event = ingest()
    store:wait()
    S.quiet(function()
      store:fault "full:group:1:3"
      local step = store:step { event = event.id, subscription = "a", name = "pay", result = "[1]" }
      store:wait()
      assert.equal("ok", step.status)
    end)
    assert.same({ pay = "[1]" }, run("list_steps", { event = event.id, subscription = "a" }).steps)
  end)

  it("reads while nothing can be written", function()
    open()
    local event = ingest()
    store:wait()
    S.quiet(function()
      store:fault "full:group:1:0"
      ingest()
      store:wait()
      assert.equal("body", run("get_event", event.id).row.body)
      store:fault()
      wait_for_intake()
    end)
  end)

  it("fails only the operation that the database refuses", function()
    open()
    local same = store:next_id()
    local ops = {}
    S.quiet(function()
      store:fault "delay:group:1:1:100"
      ingest()
      for i = 1, 20 do ops[i] = ingest { id = (i == 7 or i == 13) and same or nil } end
      store:wait()
    end)
    for i = 1, 20 do assert.equal(i == 13 and "io" or "ok", ops[i].status, i) end
    assert.equal(20, S.sql(path, "SELECT count(*) FROM event")[1][1])
    assert.is_true(store:health().is_writable)
  end)

  it("takes the sources of a group that failed back out of its memory", function()
    open()
    S.quiet(function()
      local same = store:next_id()
      store:fault "delay:group:1:1:100"
      ingest { id = same }
      ingest { source = "new" }
      ingest { id = same, source = "newer" }
      store:wait()
    end)
    for _, source in ipairs { "new", "newer" } do
      local op = ingest { source = source }
      store:wait()
      assert.equal(source, run("get_event", op.id).row.source)
    end
    assert.equal(3, S.sql(path, "SELECT count(DISTINCT id) FROM source")[1][1])
  end)

  for _, kind in ipairs { "io", "lie" } do
    it(("gives the file up after %s, and tells the owner once"):format(kind), function()
      open()
      local before = ingest()
      store:wait()
      S.quiet(function()
        store:fault(kind .. ":group:1:1")
        local ops = {}
        for i = 1, 10 do ops[i] = ingest() or { status = "refused" } end
        store:wait()
        assert.equal("io", ops[1].status)
        for i = 2, 10 do assert.is_true(ops[i].status == "io" or ops[i].status == "refused") end
        assert.is_nil((ingest()))
        local outcome = run("handled", { event = before.id, subscriptions = { "a" } })
        assert.equal("io", outcome.status)
        assert.equal("io", run("get_event", before.id).status)
        assert.equal(1, store:fatal_count())
        assert.is_false(store:health().is_writable)
      end)
    end)
  end

  describe("(F09) with no room for the nth write", function()
    for _, case in ipairs { { "ENOSPC", ENOSPC }, { "EFBIG", EFBIG }, { "EDQUOT", EDQUOT } } do
      it(("acknowledges nothing it cannot keep, and resumes: %s"):format(case[1]), function()
        local vfs = S.vfs_reset {}
        open(vfs)
        local kept, lost = {}, 0
        for nth = 1, is_long and 200 or 6 do
          S.vfs_fail { write_at = nth, errno = case[2] }
          S.quiet(function()
            for _ = 1, 50 do
              local op = ingest { body = ("x"):rep(3000) }
              if not op then break end
              store:wait()
              if op.status == "ok" then
                kept[#kept + 1] = op.id
              else
                assert.equal("io", op.status)
                lost = lost + 1
                break
              end
            end
            S.vfs_fail {}
            local waited, op = wait_for_intake()
            assert.is_true(waited <= 5000)
            kept[#kept + 1] = op.id
          end)
        end
        assert.is_true(lost >= 5)
        assert.equal(0, store:fatal_count())
        store:close()
        open(vfs)
        for _, id in ipairs(kept) do assert.equal("ok", run("get_event", id).status) end
        assert.equal(#kept, S.sql(path, "SELECT count(*) FROM event")[1][1])
      end)
    end

    it("resumes by itself when only outcomes wait", function()
      local vfs = S.vfs_reset {}
      open(vfs)
      local delivery = open_delivery()
      S.quiet(function()
        S.vfs_fail { write_at = 1, writes = 8 }
        local settled = run("settle", { delivery = delivery, state = "succeeded",
                                        attempt = { number = 1, status = 200 } })
        assert.equal("ok", settled.status)
      end)
      assert.equal("succeeded", run("get_delivery", delivery).row.state)
    end)

    it("goes on when the checkpoint finds no room", function()
      local vfs = S.vfs_reset {}
      store = assert(S.open { path = path, vfs = vfs, checkpoint_frames = 50 })
      local kept = {}
      S.quiet(function()
        for round = 1, 10 do
          S.vfs_fail { write_at = 60 + round, writes = 1 }
          for _ = 1, 10 do
            local op = ingest { body = ("x"):rep(9000) }
            if op then
              store:wait()
              if op.status == "ok" then kept[#kept + 1] = op.id end
            end
          end
        end
        S.vfs_fail {}
        wait_for_intake()
      end)
      assert.equal(0, store:fatal_count())
      for _, id in ipairs(kept) do assert.equal("ok", run("get_event", id).status) end
    end)
  end)

  it("gives the file up when a write fails for another reason", function()
    local vfs = S.vfs_reset {}
    open(vfs)
    S.quiet(function()
      S.vfs_fail { write_at = 1, errno = EIO }
      local op = ingest()
      store:wait()
      assert.equal("io", op.status)
      assert.equal(1, store:fatal_count())
    end)
  end)

  it("(F12) ends when a sync fails once, and never syncs again", function()
    for nth = 1, is_long and 40 or 8 do
      local vfs = S.vfs_reset {}
      store = assert(S.open { path = path, vfs = vfs, checkpoint_frames = 20 })
      S.vfs_fail { sync_at = nth }
      local acknowledged = {}
      S.quiet(function()
        for _ = 1, 100 do
          local group = {}
          for i = 1, 5 do group[i] = ingest { body = ("y"):rep(5000) } end
          store:wait()
          for _, op in ipairs(group) do
            if op.status == "ok" then acknowledged[#acknowledged + 1] = op.id end
          end
          if store:fatal_count() > 0 then break end
        end
        assert.equal(1, store:fatal_count())
        assert.is_nil((ingest()))
        store:close()
      end)
      assert.equal(0, S.vfs_state().syncs_after_failure)
      open()
      for _, id in ipairs(acknowledged) do assert.equal("ok", run("get_event", id).status) end
      assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
      store:close()
    end
    open()
  end)

  it("says which file a reader cannot read", function()
    open()
    local event = ingest()
    store:wait()
    S.sql(path, "DROP TABLE run")
    S.quiet(function()
      local read = run("get_event", event.id)
      assert.equal("io", read.status)
      assert.truthy(read.text:find(path, 1, true))
    end)
  end)
end)
