-- SPDX-License-Identifier: MIT
-- Opening a store: who may, which files, which versions.
local S = require "anzol_test.store"
local lfs = require "lfs"
local rig = require "store.rig"

local SCHEMA = 0 -- the newest
for name in lfs.dir "core/store/schema" do SCHEMA = math.max(SCHEMA, tonumber(name:match "^(%d+)") or 0) end

describe("opening a store", function()
  local folder, path

  before_each(function()
    folder = rig.folder()
    path = folder .. "/anzol.db"
  end)

  after_each(function()
    rig.remove(folder)
  end)

  local function schema(step)
    local file = assert(io.open("core/store/schema/" .. step, "rb"))
    local text = file:read "a"
    file:close()
    return text
  end

  it("makes the database with its settings", function()
    assert(S.open { path = path }):close()
    assert.equal(4096, S.sql(path, "PRAGMA page_size")[1][1])
    assert.equal(2, S.sql(path, "PRAGMA auto_vacuum")[1][1])
    assert.equal("wal", S.sql(path, "PRAGMA journal_mode")[1][1])
    assert.equal(SCHEMA, S.sql(path, "SELECT value FROM meta WHERE key = 'schema'")[1][1])
  end)

  describe("goes on with the clock of what is due", function()
    local HOUR_MS = 3600000

    after_each(function() S.clock_fake() end)

    local function reopen()
      S.clock_fake()
      assert(S.open { path = path }):close()
      return S.now_ms()
    end

    local function mark(text)
      local stored = S.sql(path, "SELECT value FROM meta WHERE key = 'due_clock'")[1][1]
      S.sql(path, ("UPDATE meta SET value = '%s' WHERE key = 'due_clock'"):format(text(stored)))
    end

    local function ahead(ms)
      return function(stored)
        local boot, ahead_ms = stored:match "^(%S+) (%d+)$"
        return boot .. " " .. math.tointeger(ahead_ms) + ms
      end
    end

    it("while the machine runs: the wall clock, set meanwhile, does not matter", function()
      local before = reopen()
      for _, ms in ipairs { HOUR_MS, -2 * HOUR_MS } do
        mark(ahead(ms))
        assert.near(before + ms, reopen(), 5000)
        before = before + ms
      end
    end)

    it("not after another start of the machine, and by no nonsense", function()
      local before = reopen()
      for _, text in ipairs { "another 99999999999999", "", "nonsense", ("9"):rep(100) } do
        mark(function() return text end)
        assert.near(before, reopen(), 5000)
      end
      for _, number in ipairs { "-5", "0", "99999999999999999999999", "" } do
        mark(function(stored) return stored:match "^%S+ " .. number end)
        assert.near(before, reopen(), 5000)
      end
    end)

    it("no earlier than at the newest that is stored", function()
      local now = reopen()
      S.clock_fake(now + HOUR_MS)
      local store = assert(S.open { path = path })
      store:ingest { source = "s", type = "t" }
      store:wait()
      store:close()
      S.sql(path, "DELETE FROM meta WHERE key = 'due_clock'")
      assert.near(now + HOUR_MS, reopen(), 5000)
    end)
  end)

  it("admits one process, and names the lock file to the other", function()
    local store = assert(S.open { path = path })
    local second, status, text = S.open { path = path }
    assert.is_nil(second)
    assert.equal("conflict", status)
    assert.truthy(text:find(folder .. "/anzol.lock", 1, true))
    assert.truthy(text:find("pid %d+"))
    store:close()
    assert(S.open { path = path }):close()
  end)

  it("admits one process by whatever link it comes", function()
    local store = assert(S.open { path = path })
    local link = folder .. "/link.db"
    assert(lfs.link(path, link, true))
    local second, status, text = S.open { path = link }
    assert.is_nil(second)
    assert.equal("conflict", status)
    assert.truthy(text:find(folder .. "/anzol.lock", 1, true))
    store:close()
    assert(S.open { path = link }):close()
  end)

  it("takes an old schema further and keeps what is there", function()
    S.sql(path, [[
      PRAGMA application_id = 1634630252;
      CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
      INSERT INTO meta VALUES ('schema', 1);
    ]] .. schema "0001_tables.sql" .. [[
      INSERT INTO source VALUES (1, 'github');
      INSERT INTO event VALUES (65536, 1, 'push', NULL, NULL, 0, NULL, 3, 5);
      INSERT INTO content VALUES (65536, '', 'old');
      INSERT INTO run VALUES (65536, 'a', 4, 1, 0, 1, 'traceback');
    ]])
    local store
    S.quiet(function() store = assert(S.open { path = path }) end)
    local get, dead = store:get_event(65536), store:list_events { state = "dead" }
    store:wait()
    assert.equal("old", get.row.body)
    assert.equal(65536, dead.rows[1].id)
    store:close()
    assert.equal(SCHEMA, S.sql(path, "SELECT value FROM meta WHERE key = 'schema'")[1][1])
  end)

  it("takes what WebSub kept in the old schema for what is to be sealed, and nothing else", function()
    local secret = '{"secret":"a hub\'s word \u{e9}"}'
    S.sql(path, [[
      PRAGMA application_id = 1634630252;
      CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
      INSERT INTO meta VALUES ('schema', 1);
    ]] .. schema "0001_tables.sql" .. ([[
      INSERT INTO kv VALUES ('anzol.hub', 'a', '%s', 7, NULL), ('anzol.websub', 'b', '2', 8, NULL),
        ('mine', 'c', '3', 9, NULL);
    ]]):format(secret:gsub("'", "''")))
    local store
    S.quiet(function() store = assert(S.open { path = path, secrets_key = ("a1"):rep(32) }) end)
    local function ask(read)
      store:wait()
      return read
    end
    assert.same({ [""] = 2 }, ask(store:count_secrets {}).counts)
    assert.same({ 2, true }, (function(step) return { step.sealed, step.is_end } end)(ask(store:reseal {})))
    local kept = ask(store:get_kv { ns = "anzol.hub", key = "a", now_ms = 1 })
    assert.same({ secret, 7 }, { kept.value, kept.version })
    assert.equal("2", ask(store:get_kv { ns = "anzol.websub", key = "b", now_ms = 1 }).value)
    assert.equal("3", ask(store:get_kv { ns = "mine", key = "c", now_ms = 1 }).value)
    store:close()
    assert.equal(0, S.sql(path, "SELECT count(*) FROM kv WHERE instr(value, 'word') > 0")[1][1])
  end)

  it("takes the keys of an old schema over as a run", function()
    local KEYS, minute = 1000, 60000
    local now = S.now_ms()
    local store = assert(S.open { path = path })
    for i = 1, KEYS do store:ingest { source = "s", type = "t", key = "key " .. i } end
    store:wait()
    store:close()
    -- As the schema before had it: an index of all keys.
    local events = {}
    for _, row in ipairs(S.sql(path, "SELECT id, key FROM event")) do events[row[2]] = row[1] end
    local rows = {}
    for _, row in ipairs(S.sql(path, "SELECT data FROM dedupe_log")) do
      for at = 1, #row[1], 16 do
        rows[#rows + 1] = ("(%d, %d)"):format(string.unpack("<i8i8", row[1], at))
      end
    end
    local old = folder .. "/old.db"
    S.sql(old, [[
      PRAGMA application_id = 1634630252;
      CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
      INSERT INTO meta VALUES ('schema', 2);
    ]] .. schema "0001_tables.sql" .. schema "0002_dead_letters.sql" .. ([[
      ATTACH '%s' AS new;
      INSERT INTO meta SELECT * FROM new.meta WHERE key = 'hash_key';
      INSERT INTO source SELECT * FROM new.source;
      INSERT INTO event SELECT id, source, type, key, parent, depth, trace, bytes, received_ms FROM new.event;
      INSERT INTO content SELECT id, head, body FROM new.content;
      INSERT INTO event_due SELECT id, due_ms FROM new.event_due;
    ]]):format(path) .. "INSERT INTO dedupe VALUES " .. table.concat(rows, ","))
    path = old
    for _ = 1, 2 do
      S.quiet(function() store = assert(S.open { path = path }) end)
      for i = 1, KEYS do
        local op = store:ingest { source = "s", type = "t", key = "key " .. i }
        store:wait()
        assert.equal(events["key " .. i], op.duplicate_of)
      end
      store:close()
    end
    local run = S.sql(path, "SELECT run, newest_ms, length(filter) FROM dedupe_run")
    assert.equal(1, #run)
    assert.is_true(math.abs(run[1][2] - now) < minute)
    assert.is_true(run[1][3] >= 2 * KEYS)
    assert.equal(KEYS, S.sql(path, "SELECT count(*) FROM dedupe WHERE run = 1")[1][1])
  end)

  it("refuses a newer schema with words", function()
    assert(S.open { path = path }):close()
    S.sql(path, "UPDATE meta SET value = 99 WHERE key = 'schema'")
    local store, status, text = S.open { path = path }
    assert.is_nil(store)
    assert.equal("invalid", status)
    assert.truthy(text:find("newer Anzol (schema 99, this program knows " .. SCHEMA .. ")", 1, true))
    assert.truthy(text:find("start the newer version", 1, true))
  end)

  it("refuses a file that is no database", function()
    local file = assert(io.open(path, "wb"))
    file:write(("this is no database, certainly not. "):rep(100))
    file:close()
    local store, status, text = S.open { path = path }
    assert.is_nil(store)
    assert.equal("invalid", status)
    assert.truthy(text:find("is no SQLite database", 1, true))
    assert.truthy(text:find("--store", 1, true))
  end)

  it("refuses another program's database, and leaves it alone", function()
    S.sql(path, "CREATE TABLE songs (title TEXT)")
    local store, status, text = S.open { path = path }
    assert.is_nil(store)
    assert.equal("invalid", status)
    assert.truthy(text:find("another program", 1, true))
    assert.equal("songs", S.sql(path, "SELECT group_concat(name) FROM sqlite_schema")[1][1])
  end)

  it("says which folder is missing", function()
    local store, status, text = S.open { path = folder .. "/none/anzol.db" }
    assert.is_nil(store)
    assert.equal("io", status)
    assert.equal(("the folder of %s/none/anzol.lock is not there; make it, or say where the store is to be: "
      .. "--state-dir, --store"):format(folder), text)
  end)

  it("lets a step of the schema that fails leave nothing behind", function()
    S.sql(path, [[
      PRAGMA application_id = 1634630252;
      CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
      INSERT INTO meta VALUES ('schema', 1);
      CREATE TABLE delivery (id INTEGER PRIMARY KEY, state INTEGER);
    ]])
    local store, status, text = S.open { path = path }
    assert.is_nil(store)
    assert.equal("io", status)
    assert.truthy(text:find("migration to schema 2", 1, true))
    assert.equal(1, S.sql(path, "SELECT value FROM meta WHERE key = 'schema'")[1][1])
    local indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
    assert.equal(0, S.sql(path, indexes)[1][1])
  end)
end)
