-- SPDX-License-Identifier: MIT
-- A process that ends at a crash point of the store: what it had acknowledged is there.
local S = require "anzol_test.store"
local keys = require "store.keys"
local process = require "anzol_test.process"
local rig = require "store.rig"

local is_long = os.getenv "ANZOL_LONG" == "1"

local RUN = 64 -- keys that are merged into a run, two rows in a group

-- The child: ingests one by one and says each id that was acknowledged.
local child = [[
  package.cpath = %q
  local store = assert(require("anzol_test.store").open { path = %q, run_keys = %d })
  for i = 1, 1000 do
    local op = store:ingest { source = "s", type = "t", body = "body " .. i, key = "key " .. i }
    store:wait()
    if op.status == "ok" then io.write(op.id, "\n") io.flush() end
  end
]]

-- The child: publishes, sends to two registered endpoints, and says of each attempt what it led to.
local publisher = [[
  package.cpath = %q
  local store = assert(require("anzol_test.store").open { path = %q, run_keys = %d })
  local states = { "succeeded", "retrying", "dead", "cancelled", "retrying" }
  local FIRST = 1 << 40
  local function run(kind, fields)
    local op = store[kind](store, fields)
    store:wait()
    return op
  end
  for i = 1, 1000 do
    local id = run("ingest", { source = "api", type = "api.a", body = "{}", published = {} }).id
    local made = run("handled", { event = id, subscriptions = {}, messages = { { type = "a", ordinal = 255,
      is_forwarded = true, deliveries = { { endpoint = FIRST + 1 }, { endpoint = FIRST + 2 } } } } }).deliveries
    for j, row in ipairs(made) do
      run("settle", { delivery = row.id, state = states[(i + j) %% #states + 1], registered = FIRST + j, due_ms = 5000,
        attempt = { number = 1, status = 200 } })
    end
    run("change", { now_ms = 5, { verb = "replay", message = id | 255 } })
    io.write(id, "\n") io.flush()
  end
]]

-- What it said, and how it ended.
local function run_child(folder, point, text)
  local script, output = folder .. "/child.lua", folder .. "/output"
  local file = assert(io.open(script, "wb"))
  file:write((text or child):format(package.cpath, folder .. "/anzol.db", RUN))
  file:close()
  local started = process.spawn { argv = { "lua5.4", script }, output = output,
                                  env = { ANZOL_CRASH_AT = point } }
  local kind, code = started:wait(30000)
  local acknowledged = {}
  for line in io.lines(output) do acknowledged[#acknowledged + 1] = math.tointeger(line) end
  return acknowledged, kind == "exit" and code
end

-- Each key that was acknowledged is its event's, and what else was stored is one event more at
-- most.
local function assert_keys(path, acknowledged)
  local store = assert(S.open { path = path, run_keys = RUN })
  for i, id in ipairs(acknowledged) do
    local op = store:ingest { source = "s", type = "t", key = "key " .. i }
    store:wait()
    assert.equal(id, op.duplicate_of, i)
  end
  store:close()
  assert.is_true(S.sql(path, "SELECT count(*) FROM event")[1][1] <= #acknowledged + 1)
end

describe("a crash of the store", function()
  local folder

  before_each(function()
    folder = rig.folder()
  end)

  after_each(function()
    rig.remove(folder)
  end)

  for _, point in ipairs { "queued", "in_group", "after_write", "after_sync", "before_wake" } do
    it(("at \"%s\" keeps what was acknowledged"):format(point), function()
      for nth = 1, is_long and 20 or 2 do
        rig.remove(folder)
        folder = rig.folder()
        local path = folder .. "/anzol.db"
        local acknowledged, code = run_child(folder, ("%s:%d"):format(point, nth * 3))
        assert.equal(137, code)
        assert.equal(nth * 3 - 1, #acknowledged)
        local store = assert(S.open { path = path })
        local reads = {}
        for i, id in ipairs(acknowledged) do reads[i] = store:get_event(id) end
        store:wait()
        store:close()
        for i, read in ipairs(reads) do assert.equal("body " .. i, read.row.body) end
        assert_keys(path, acknowledged)
        assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
      end
    end)
  end

  for _, point in ipairs { "in_group", "after_write", "after_sync" } do
    it(("at \"%s\" leaves what is counted of messages as they are"):format(point), function()
      for group = 16, 16 + (is_long and 20 or 5) do
        rig.remove(folder)
        folder = rig.folder()
        local path = folder .. "/anzol.db"
        local _, code = run_child(folder, ("%s:%d"):format(point, group), publisher)
        assert.equal(137, code)
        local counted = S.sql(path, "SELECT endpoint, sum(succeeded), sum(pending), sum(failed), sum(again),"
          .. " sum(cancelled) FROM sent_count GROUP BY endpoint")
        assert.equal(2, #counted)
        assert.same(S.sql(path, "SELECT endpoint, sum(s = 0), sum(s = 1), sum(s = 2), sum(s = 3), sum(s = 4) FROM"
          .. " (SELECT endpoint, CASE WHEN max(state = 3) THEN 0 WHEN max(state = 1) THEN 3 WHEN max(state = 0) THEN 1"
          .. " WHEN max(state = 5) THEN 4 ELSE 2 END AS s FROM delivery GROUP BY endpoint, message)"
          .. " GROUP BY endpoint"), counted)
      end
    end)
  end

  for _, point in ipairs { "after_write", "after_sync" } do
    it(("at \"%s\" in the middle of a merge keeps every key"):format(point), function()
      for group = RUN + 2, RUN + RUN // 2 + 2, is_long and 1 or 8 do
        rig.remove(folder)
        folder = rig.folder()
        local path = folder .. "/anzol.db"
        local acknowledged, code = run_child(folder, ("%s:%d"):format(point, group))
        assert.equal(137, code)
        assert.equal(group - 1, #acknowledged)
        local found = keys.read(S, path)
        assert.is_true(#found.unfinished > 0 or #found.run == RUN or group == RUN + 2)
        assert_keys(path, acknowledged)
        assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
      end
    end)
  end
end)
