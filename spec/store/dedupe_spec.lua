-- SPDX-License-Identifier: MIT
-- Where the SQLite engine keeps idempotency keys: the tail, a merge under way, the runs. A run here
-- is small (run_keys), so that a few hundred keys go all the way.
local S = require "anzol_test.store"
local keys = require "store.keys"
local rig = require "store.rig"

local is_long = os.getenv "ANZOL_LONG" == "1"
local SECOND, HOUR, DAY = 1000, 3600000, 86400000
local NOW = 1767225600000
local RUN = 256 -- keys of a run
local ENOSPC = 28

-- Unix ms of an event's id.
local function ms_of(id)
  return (id >> 22) + 1735689600000
end

describe("idempotency keys", function()
  local folder, path, store
  local known -- key -> id of its event

  local function open(options)
    options = options or {}
    store = assert(S.open { path = path, run_keys = options.run_keys or RUN, vfs = options.vfs })
  end

  local function reopen(options)
    store:close()
    open(options)
  end

  before_each(function()
    folder = rig.folder()
    path = folder .. "/anzol.db"
    known = {}
  end)

  after_each(function()
    S.clock_fake()
    store:close()
    rig.remove(folder)
  end)

  local function submit(key, fields)
    local all = { source = "s", type = "t", key = key, is_finished = true }
    for name, value in pairs(fields or {}) do all[name] = value end
    return store:ingest(all)
  end

  local function ask(key, fields)
    local op = assert(submit(key, fields))
    store:wait()
    return op
  end

  -- After a group that failed intake is refused for a moment.
  local function ask_until_taken(key)
    local op
    repeat
      op = submit(key)
      store:list_events { limit = 1 }
      store:wait()
    until op and op.status == "ok"
    return op
  end

  -- New keys, remembered.
  local function add(first, last)
    local ops = {}
    for i = first, last do ops["key " .. i] = submit("key " .. i) end
    store:wait()
    for key, op in pairs(ops) do
      assert.equal("ok", op.status)
      assert.is_false(op.is_duplicate)
      known[key] = op.id
    end
  end

  -- Every key that is known is a duplicate, of its event.
  local function assert_known()
    local ops = {}
    for key in pairs(known) do ops[key] = submit(key) end
    store:wait()
    for key, op in pairs(ops) do assert.equal(known[key], op.duplicate_of, key) end
  end

  local function counts()
    local read = keys.read(S, path)
    return { log = #read.log, run = #read.run, unfinished = #read.unfinished }
  end

  local function run_count()
    return S.sql(path, "SELECT count(*) FROM dedupe_run")[1][1]
  end

  -- Retention without classes, until what is wanted is so.
  local function upkeep(is_done, classes)
    store:retain(classes or {})
    for _ = 1, 2000 do
      if is_done() then return true end
      store:list_events { limit = 1 }
      store:wait()
    end
    return false
  end

  local function finish_merge()
    return upkeep(function() return counts().unfinished == 0 and run_count() > 0 end)
  end

  -- ---- Places -----------------------------------------------------------------------------------

  local places = {
    { name = "in the tail", fill = function()
      add(1, RUN - 1)
      assert.same({ log = RUN - 1, run = 0, unfinished = 0 }, counts())
    end },
    { name = "in a full tail before its merge", fill = function()
      add(1, RUN)
      assert.same({ log = RUN, run = 0, unfinished = 0 }, counts())
    end },
    { name = "in a frozen tail during its merge", fill = function()
      add(1, RUN)
      for i = RUN + 1, RUN + 20 do add(i, i) end
      local found = counts()
      assert.equal(RUN + 20, found.log)
      assert.equal(0, found.run)
      assert.is_true(found.unfinished > 20 and found.unfinished < RUN)
    end },
    { name = "in a run", fill = function()
      add(1, RUN)
      add(RUN + 1, RUN + RUN // 2 + 2)
      assert.same({ log = RUN // 2 + 2, run = RUN, unfinished = 0 }, counts())
    end },
    { name = "in several runs, a merge and the tail", fill = function()
      for from = 1, 5 * RUN, 10 do add(from, from + 9) end
      assert.is_true(run_count() >= 2)
    end },
  }

  for _, place in ipairs(places) do
    it("are found " .. place.name .. ", and again after restarts", function()
      open()
      place.fill()
      assert_known()
      for more = 1, 2 do
        reopen()
        assert_known()
        add(100000 * more, 100000 * more)
      end
      assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
    end)
  end

  it("are merged when nobody waits, without more of them", function()
    open()
    add(1, 3 * RUN)
    assert.is_true(finish_merge())
    assert_known()
    assert.is_true(counts().log < RUN)
  end)

  it("of a restart in the middle of a merge are merged anew", function()
    open()
    add(1, RUN)
    for i = RUN + 1, RUN + 20 do add(i, i) end
    assert.is_true(counts().unfinished > 0)
    reopen()
    assert.is_true(finish_merge())
    assert.same({ log = 20, run = RUN, unfinished = 0 }, counts())
    assert_known()
  end)

  it("become a run after an hour, when they are not very few", function()
    S.clock_fake(NOW)
    open()
    add(1, RUN // 32)
    S.clock_fake(NOW + HOUR - 1)
    add(50, 60)
    assert.equal(0, counts().unfinished)
    S.clock_fake(NOW + HOUR)
    add(70, 70)
    add(80, 100)
    assert.is_true(finish_merge())
    assert.same({ log = 21, run = RUN // 32 + 12, unfinished = 0 }, counts())
    assert_known()
  end)

  it("of runs that emit a great deal are all kept, however many a group has", function()
    open { run_keys = 10000 }
    local EMITS, ids, ops = 254, {}, {}
    for i = 1, 8 do ids[i] = submit(nil, { is_finished = false }) end
    store:wait()
    store:fault "delay:group:1:1:100"
    submit()
    for i, event in ipairs(ids) do
      local emits = {}
      for j = 1, EMITS do
        emits[j] = { source = "s", type = "t", key = ("%d-%d"):format(i, j), body = "" }
      end
      ops[i] = store:handled { event = event.id, subscriptions = { "a" }, emits = emits }
    end
    store:wait()
    for _, op in ipairs(ops) do assert.equal("ok", op.status) end
    for _, row in ipairs(S.sql(path, "SELECT key, id FROM event WHERE key IS NOT NULL")) do
      known[row[1]] = row[2]
    end
    assert.equal(8 * EMITS, counts().log)
    local rows = S.sql(path, "SELECT max(length(data)), count(*) FROM dedupe_log")[1]
    assert.equal(1024 * 16, rows[1])
    assert_known()
    reopen { run_keys = 1000 }
    assert_known()
    assert.is_true(finish_merge())
    assert_known()
  end)

  it("cost no memory of what is merged but their filter", function()
    open()
    add(1, 3 * RUN)
    assert.is_true(finish_merge())
    for _, row in ipairs(S.sql(path, "SELECT length(filter) FROM dedupe_run")) do
      assert.is_true(row[1] <= 3 * RUN * 2 + 64)
    end
  end)

  -- ---- Which event ------------------------------------------------------------------------------

  it("that only share a hash are told apart by the event's own text", function()
    open()
    local first, other = ask("k"), ask("another")
    store:close()
    local log = keys.read(S, path).log
    for _, key in ipairs(log) do key[1] = log[1][1] end
    keys.write_log(S, path, log)
    open()
    assert.equal(first.id, ask("k").duplicate_of)
    add(1, 2 * RUN)
    assert.is_true(finish_merge())
    assert.equal(2, S.sql(path, ("SELECT count(*) FROM dedupe WHERE hash = %d")
      :format(log[1][1]))[1][1])
    assert.equal(first.id, ask("k").duplicate_of)
    assert.is_true(other.id > first.id)
  end)

  for _, is_merged in ipairs { false, true } do
    local place = is_merged and "in a run" or "in the tail"

    it("are found up to the edge of their window " .. place, function()
      S.clock_fake(NOW)
      open()
      local first = ask("k")
      if is_merged then
        add(1, RUN)
        assert.is_true(finish_merge())
      end
      local window = { window_ms = 10 * SECOND }
      S.clock_fake(NOW + 10 * SECOND)
      assert.equal(first.id, ask("k", window).duplicate_of)
      S.clock_fake(NOW + 10 * SECOND + 1)
      assert.is_false(ask("k", window).is_duplicate)
    end)

    it("name the youngest of several events " .. place, function()
      S.clock_fake(NOW)
      open()
      ask("k")
      S.clock_fake(NOW + 20 * SECOND)
      local second = ask("k", { window_ms = 10 * SECOND })
      assert.is_false(second.is_duplicate)
      if is_merged then
        add(1, RUN)
        assert.is_true(finish_merge())
      end
      S.clock_fake(NOW + 30 * SECOND)
      assert.equal(second.id, ask("k").duplicate_of)
    end)

    it("of an event that retention deleted are free " .. place, function()
      S.clock_fake(NOW)
      open()
      local first = ask("k")
      if is_merged then
        add(1, RUN)
        assert.is_true(finish_merge())
      end
      S.clock_fake(NOW + HOUR)
      assert.equal(first.id, ask("k").duplicate_of)
      assert.is_true(upkeep(function()
        return S.sql(path, "SELECT count(*) FROM event")[1][1] == 0
      end, { { before_ms = NOW + SECOND } }))
      assert.is_false(ask("k").is_duplicate)
    end)
  end

  it("name the one in the tail before the one in a run", function()
    S.clock_fake(NOW)
    open()
    ask("k")
    add(1, RUN)
    assert.is_true(finish_merge())
    S.clock_fake(NOW + 20 * SECOND)
    local second = ask("k", { window_ms = 10 * SECOND })
    assert.is_false(second.is_duplicate)
    assert.equal(second.id, ask("k").duplicate_of)
  end)

  -- ---- Rollbacks --------------------------------------------------------------------------------

  it("of a group that failed are free again", function()
    open()
    -- The store thread takes what has come by then: until all ten were in the group that failed.
    local key, tries, is_one_group = nil, 0, false
    while not is_one_group and tries < 50 do
      tries = tries + 1
      key, is_one_group = "same" .. tries, true
      local ops = {}
      S.quiet(function()
        store:fault "full:group:1:1"
        for i = 1, 10 do ops[i] = submit(key) end
        store:wait()
      end)
      for i = 1, 10 do
        if ops[i] and ops[i].status ~= "io" then is_one_group = false end
      end
      if not is_one_group then S.quiet(function() ask_until_taken("other" .. tries) end) end
    end
    assert.is_true(is_one_group)
    local again
    S.quiet(function() again = ask_until_taken(key) end)
    assert.is_false(again.is_duplicate)
    assert.equal(again.id, ask(key).duplicate_of)
  end)

  it("of the one operation that is refused are free again, the others' are kept once", function()
    open()
    local same, ops = store:next_id(), {}
    S.quiet(function()
      store:fault "delay:group:1:1:100"
      submit("before")
      for i = 1, 20 do
        ops[i] = submit("k" .. i, { id = (i == 7 or i == 13) and same or nil })
      end
      store:wait()
    end)
    for i = 1, 20 do
      assert.equal(i == 13 and "io" or "ok", ops[i].status)
      local again = ask("k" .. i)
      if i == 13 then
        assert.is_false(again.is_duplicate)
      else
        assert.equal(ops[i].id, again.duplicate_of)
      end
    end
    assert.equal(21, counts().log)
  end)

  it("survive a full disk at every write of a merge, and none is taken for known", function()
    local vfs = S.vfs_reset {}
    open { vfs = vfs, run_keys = 64 }
    local stored, failed = {}, {}
    S.quiet(function()
      for nth = 1, is_long and 300 or 25 do
        S.vfs_fail { write_at = nth % 40 + 1, writes = 1, errno = ENOSPC }
        for i = 1, 12 do
          local key = ("%d-%d"):format(nth, i)
          local op = submit(key)
          if op and i % 3 == 0 then store:wait() end
          if op then stored[key] = op else failed[#failed + 1] = key end
        end
        store:wait()
        S.vfs_fail {}
        local key = "after " .. nth
        stored[key] = ask_until_taken(key)
      end
    end)
    assert.equal(0, store:fatal_count())
    local lost = 0
    for _ = 1, 2 do
      for key, op in pairs(stored) do
        local again = ask(key)
        if op.status == "ok" then
          assert.equal(op.id, again.duplicate_of)
        else
          lost = lost + 1
          assert.is_false(again.is_duplicate)
          stored[key] = again
        end
      end
      assert.is_true(lost >= 5)
      reopen { vfs = vfs, run_keys = 64 }
    end
    for _, key in ipairs(failed) do assert.is_false(ask(key).is_duplicate) end
  end)

  it("survive a full disk at every commit of a merge, when nothing more has a key", function()
    local vfs = S.vfs_reset {}
    open { vfs = vfs, run_keys = 8 }
    add(1, 8)
    for group = 1, 6 do
      S.quiet(function()
        S.vfs_fail { write_at = 1, writes = 1, errno = ENOSPC }
        assert.equal("io", ask("failed " .. group).status)
        S.vfs_fail {}
        ask_until_taken(nil)
      end)
      assert_known()
      add(100 + group, 100 + group)
    end
    assert.equal(8, counts().run)
    reopen { vfs = vfs, run_keys = 8 }
    assert_known()
  end)

  it("that come after a group that failed stay in the log when a merge ends", function()
    local vfs = S.vfs_reset {}
    S.clock_fake(NOW)
    open { vfs = vfs }
    add(1, 30)
    S.quiet(function()
      S.vfs_fail { write_at = 1, writes = 1, errno = ENOSPC }
      assert.equal("io", ask("failed").status)
      S.vfs_fail {}
      S.clock_fake(NOW + HOUR)
      ask_until_taken(nil)
    end)
    add(31, 31)
    assert.is_true(finish_merge())
    assert.same({ log = 1, run = 30, unfinished = 0 }, counts())
    reopen { vfs = vfs }
    assert_known()
  end)

  -- ---- Expiry -----------------------------------------------------------------------------------

  it("go with their run when no window reaches it any more", function()
    S.clock_fake(NOW)
    open()
    add(1, RUN)
    S.clock_fake(NOW + HOUR)
    add(RUN + 1, 2 * RUN)
    assert.is_true(finish_merge())
    add(2 * RUN + 1, 3 * RUN)
    assert.is_true(finish_merge())
    local before = run_count()
    assert.is_true(before >= 2)
    S.clock_fake(NOW + DAY - 60 * SECOND)
    upkeep(function() return true end)
    assert_known()
    assert.equal(before, run_count())
    S.clock_fake(NOW + DAY + HOUR + 61 * SECOND)
    assert.is_true(upkeep(function() return run_count() == 0 end))
    assert.equal(0, counts().run + counts().unfinished)
    reopen()
    local op = ask("key 1")
    assert.is_false(op.is_duplicate)
  end)

  it("stay as long as the longest window ever asked for, also after a restart", function()
    S.clock_fake(NOW)
    open()
    ask("rare", { window_ms = 3 * DAY })
    add(1, RUN)
    assert.is_true(finish_merge())
    reopen()
    S.clock_fake(NOW + 2 * DAY)
    upkeep(function() return false end)
    assert.is_true(ask("rare", { window_ms = 3 * DAY }).is_duplicate)
    assert.equal(1, run_count())
    S.clock_fake(NOW + 3 * DAY + 61 * SECOND)
    assert.is_true(upkeep(function() return run_count() == 0 end))
  end)

  -- ---- Models -----------------------------------------------------------------------------------

  it("are never denied by a filter, and seldom seen where they are not", function()
    local seed = rig.seed "filter"
    for _, count in ipairs { 0, 1, 100, 131072 } do
      local denied, mistaken, bytes = S.key_filter(count, 300000, seed)
      assert.equal(0, denied)
      assert.is_true(mistaken <= 300000 * 0.002, mistaken)
      assert.is_true(bytes <= count * 2 + 64)
    end
  end)

  it("come and go in a tail as in a list", function()
    local steps = is_long and 2000000 or 20000
    assert.equal(steps, S.key_tail(steps, rig.seed "tail"))
  end)

  it("are what a model says, with restarts and refusals on the way", function()
    local total = is_long and 300000 or 30000
    math.randomseed(rig.seed "keys")
    local random = math.random
    local options = { run_keys = is_long and 20000 or 2000 }
    S.clock_fake(NOW)
    open(options)
    local youngest, names, now = {}, {}, NOW
    local function batch()
      local ops = {}
      for i = 1, 500 do
        local is_new = #names == 0 or random() < 0.7
        local name = is_new and "n" .. #names + 1 or names[random(#names)]
        if is_new then names[#names + 1] = name end
        local window = random() < 0.3 and random(1, 60) * SECOND or DAY
        ops[i] = { name = name, window = window,
                   op = assert(submit(name, { window_ms = window })) }
      end
      store:wait()
      for _, one in ipairs(ops) do
        assert.equal("ok", one.op.status)
        local last = youngest[one.name]
        if last and last >= S.event_id_at(ms_of(one.op.id) - one.window) then
          assert.equal(last, one.op.duplicate_of)
        else
          assert.is_false(one.op.is_duplicate)
          youngest[one.name] = one.op.id
        end
      end
    end
    S.quiet(function()
      while #names < total do
        batch()
        now = now + random(0, 2000)
        S.clock_fake(now)
        if random() < 0.05 then reopen(options) end
        store:fault(random() < 0.1 and "refuse:group:1:1" or nil)
        if random() < 0.2 then store:retain {} end
      end
    end)
    assert.is_true(run_count() >= 5)
    assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
  end)
end)
