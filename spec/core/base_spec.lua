-- The ground floor and the plain data on it: pure functions, each to the edge of its range.
local base = require "anzol_test.base"
local model = require "anzol_test.model"

local EPOCH = 1735689600000 -- 2025-01-01T00:00:00Z
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
local rounds = os.getenv "ANZOL_LONG" == "1" and 200000 or 2000

local function random_bytes(len)
  local bytes = {}
  for i = 1, len do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

local function is_ascending(list)
  for i = 2, #list do
    if list[i] <= list[i - 1] then return false end
  end
  return true
end

describe("an id", function()
  after_each(base.clock_real)

  it("is a prefix and eleven digits, and reads back", function()
    assert.are.equal("evt_00000000000", base.id_format("event", 0))
    assert.are.equal("atmpt_AzL8n0Y58m7", base.id_format("attempt", math.maxinteger))
    for _, kind in ipairs {
      "event", "message", "delivery", "endpoint", "application", "attempt"
    } do
      assert.are.equal(math.maxinteger, base.id_parse(kind, base.id_format(kind, math.maxinteger)))
    end
  end)

  it(("sorts as text as it does as a number (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    for _ = 1, rounds do
      local a, b = math.random(0, math.maxinteger), math.random(0, math.maxinteger)
      assert.are.equal(a < b, base.id_format("event", a) < base.id_format("event", b))
    end
  end)

  it("is not read from anything else", function()
    for _, text in ipairs {
      "", "evt_", "evt_0000000000", "evt_000000000000", "msg_00000000000", "00000000000",
      "evt_0000000000-", "evt_0000000000 ", " evt_00000000000", "evt_AzL8n0Y58m8",
      "evt_zzzzzzzzzzz", "EVT_00000000000", "evt_0000000000\n"
    } do
      assert.is_nil(base.id_parse("event", text), text)
    end
  end)

  it("holds its instant, shard and ordinal", function()
    base.clock_fake(EPOCH + 123456789)
    local id = base.next_events(1, 200)[1]
    assert.are.same({ EPOCH + 123456789, 200, 0, id }, { base.id_parts(id) })
    assert.are.same({ EPOCH + 123456789, 200, 7, id }, { base.id_parts(id | 7) })
  end)

  it("never repeats within a millisecond, and borrows from the next ones", function()
    base.clock_fake(EPOCH + 1000)
    local ids = base.next_events(1000, 5)
    assert.is_true(is_ascending(ids))
    assert.are.equal(EPOCH + 1000 + 999 // 64, (base.id_parts(ids[1000])))
  end)

  it("starts above the highest in the store, even when the clock went back", function()
    base.clock_fake(EPOCH + 1000)
    local highest = base.next_events(1, 255)[1] | 255
    base.clock_fake(EPOCH + 10)
    local ids = base.next_events(10, 0, highest)
    assert.is_true(ids[1] > highest and is_ascending(ids))
  end)

  it("stays positive when the clock was never set, or is in the far future", function()
    for _, now in ipairs { 0, -5000, EPOCH, EPOCH + (1 << 41) - 1, EPOCH + (1 << 41), 1 << 62 } do
      base.clock_fake(now)
      local ids, rows = base.next_events(3, 9), base.next_rows(3)
      assert.is_true(ids[1] >= 0 and rows[1] > 0, now)
      local is_in_range = now < EPOCH + (1 << 41) - 1
      assert.is_true(not is_in_range or (is_ascending(ids) and is_ascending(rows)), now)
    end
  end)

  it("of a row is the greater of the next number and the instant", function()
    base.clock_fake(EPOCH + 5)
    assert.are.same({ 5 << 22, (5 << 22) + 1 }, base.next_rows(2))
    assert.are.same({ (9 << 22) + 1 }, base.next_rows(1, 9 << 22))
    assert.are.equal(EPOCH + 5, base.id_row_ms((5 << 22) + 77))
  end)

  it("range begins at its instant and never leaves the positive numbers", function()
    assert.are.same({ 7 << 22, 7 << 22 }, { base.id_at(EPOCH + 7) })
    assert.are.same({ 0, 0 }, { base.id_at(0) })
    local event, row = base.id_at(math.maxinteger)
    assert.is_true(event > 0 and row > 0)
  end)

  it("gives names to all shards evenly", function()
    local seen, count = {}, 0
    for i = 1, 5000 do seen[base.shard_of_name("endpoint-" .. i)] = true end
    for _ in pairs(seen) do count = count + 1 end
    assert.is_true(count > 250)
    assert.are.equal(base.shard_of_name "crm", base.shard_of_name "crm")
  end)
end)

describe("the clock", function()
  local HOUR_MS = 3600000

  after_each(function()
    base.clock_step(0)
    base.clock_real()
  end)

  it("stands still when faked, and moves when told", function()
    base.clock_fake(1000, 50)
    base.clock_advance(25)
    assert.are.same({ 1025, 75, 1025 }, { base.clock() })
  end)

  it("of what is due does not step with the wall clock, and is not behind what is stored", function()
    for _, step_ms in ipairs { HOUR_MS, -HOUR_MS } do
      base.clock_real()
      local _, _, before = base.clock()
      base.clock_step(step_ms)
      local wall, _, due = base.clock()
      assert.near(before, due, 1000)
      assert.near(due + step_ms, wall, 1000)
      base.clock_due_raise(due - 1)
      base.clock_due_raise(due + 5 * HOUR_MS)
      local _, _, raised = base.clock()
      assert.near(due + 5 * HOUR_MS, raised, 1000)
      base.clock_step(0)
    end
  end)

  it("of what is due is shown as wall time, from a second on", function()
    base.clock_fake(100 * HOUR_MS)
    for step_ms, shown_ms in pairs { [999] = 0, [-999] = 0, [1000] = 1000, [-HOUR_MS] = -HOUR_MS } do
      base.clock_step(0)
      base.clock_step(step_ms)
      assert.equal(5 + shown_ms, base.clock_wall_of_due(5))
      assert.equal(5 - shown_ms, base.clock_due_of_wall(5))
    end
  end)

  it("writes instants in UTC with milliseconds", function()
    assert.are.equal("1970-01-01T00:00:00.000Z", base.iso(0))
    assert.are.equal("2026-03-02T08:00:00.007Z", base.iso(1772438400007))
    assert.are.equal("1969-12-31T23:59:59.999Z", base.iso(-1))
  end)

  it(("reads what it wrote (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    for _ = 1, rounds do
      local ms = math.random(-30610224000000, 253402300799999) -- years 1000 to 9999
      assert.are.equal(ms, base.parse_iso(base.iso(ms)))
    end
  end)

  it("reads offsets, fractions and small letters", function()
    local noon = base.parse_iso "2026-03-02T12:00:00Z"
    for text, difference in pairs {
      ["2026-03-02t12:00:00z"] = 0, ["2026-03-02 12:00:00Z"] = 0, ["2026-03-02T14:00:00+02:00"] = 0,
      ["2026-03-02T06:30:00-05:30"] = 0, ["2026-03-02T12:00:00.5Z"] = 500,
      ["2026-03-02T12:00:00.123456789Z"] = 123,
      ["2026-03-02T11:59:60Z"] = 0,
      ["2024-02-29T12:00:00Z"] = base.parse_iso "2024-02-28T12:00:00Z" + 86400000 - noon,
    } do
      assert.are.equal(noon + difference, base.parse_iso(text), text)
    end
  end)

  it("does not read what is no instant", function()
    for _, text in ipairs {
      "", "2026", "2026-03-02", "2026-03-02T12:00:00", "2026-03-02T12:00Z", "2026-3-2T12:00:00Z",
      "2026-03-02T-1:00:00Z", "2026-03-02T 1:00:00Z", "+026-03-02T12:00:00Z",
      "2026-13-02T12:00:00Z", "2026-00-02T12:00:00Z", "2026-02-29T12:00:00Z",
      "2100-02-29T12:00:00Z", "2026-04-31T12:00:00Z", "2026-03-02T24:00:00Z",
      "2026-03-02T12:60:00Z", "2026-03-02T12:00:61Z", "2026-03-02T12:00:00.Z",
      "2026-03-02T12:00:00ZZ", "2026-03-02T12:00:00+2:00", "2026-03-02T12:00:00+24:00",
      "2026-03-02T12:00:00+0200", "2026-03-02T12:00:00+ 1:00", "2026-03-02T12:00:00 Z",
      "2026-03-02X12:00:00Z"
    } do
      assert.is_nil(base.parse_iso(text), text)
    end
  end)

  it("reads the date of HTTP and nothing like it", function()
    assert.are.equal(784111777000, base.parse_http_date "Sun, 06 Nov 1994 08:49:37 GMT")
    for _, text in ipairs {
      "", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
      "Sun, 06 Nov 1994 08:49:37 UTC", "Xyz, 06 Nov 1994 08:49:37 GMT",
      "Sun, 31 Nov 1994 08:49:37 GMT", "Sun,  6 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 -8:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov +994 08:49:37 GMT"
    } do
      assert.is_nil(base.parse_http_date(text), text)
    end
  end)
end)

describe("a buffer", function()
  it("takes up to its maximum and not a byte more", function()
    assert.are.same({ "ok", "abcdef", true }, { base.fill(6, { "abc", "def" }) })
    assert.are.same({ "limit", "abc", true }, { base.fill(5, { "abc", "def" }) })
    assert.are.same({ "ok", "", true }, { base.fill(0, { "" }) })
    assert.are.same({ "limit", "", true }, { base.fill(0, { "a" }) })
  end)

  it("keeps every byte through its growth", function()
    local piece = random_bytes(1000)
    local pieces = {}
    for i = 1, 100 do pieces[i] = piece end
    local status, whole = base.fill(100000, pieces)
    assert.are.equal("ok", status)
    assert.is_true(whole == piece:rep(100))
  end)

  it("writes JSON strings", function()
    assert.are.equal([["a\"b\\c\n\r\t\u0001\u001f/é😀"]], (base.json_string 'a"b\\c\n\r\t\1\31/é😀'))
    assert.are.equal('"\127"', (base.json_string "\127"))
    assert.are.equal('""', (base.json_string ""))
    assert.are.equal([["\u0000"]], (base.json_string "\0"))
  end)

  it("puts U+FFFD for each byte that is no UTF-8", function()
    local bad = "\u{FFFD}"
    assert.are.equal('"a' .. bad .. 'b"', (base.json_string "a\xffb"))
    assert.are.equal('"' .. bad:rep(2) .. '"', (base.json_string "\xc0\xaf"))
    assert.are.equal('"' .. bad:rep(3) .. '"', (base.json_string "\xed\xa0\x80"))
    assert.are.equal('"' .. bad:rep(2) .. '"', (base.json_string "\xe2\x82"))
    assert.are.equal('"' .. bad:rep(4) .. '"', (base.json_string "\xf4\x90\x80\x80"))
  end)

  it("does not write half a JSON string past its maximum", function()
    assert.are.same({ '"abc"', "ok" }, { base.json_string("abc", 5) })
    assert.are.same({ nil, "limit" }, { base.json_string("abc", 4) })
  end)

  it(("tells UTF-8 as Lua does (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    local leads = { "\xc2", "\xe0", "\xed", "\xef", "\xf0", "\xf4", "\xf5", "\x80", "a", "\xc1" }
    for _ = 1, rounds do
      local text = leads[math.random(#leads)] .. random_bytes(math.random(0, 3))
      assert.are.equal(utf8.len(text) ~= nil, base.is_utf8(text), (text:gsub(".", function(c)
        return ("%02x "):format(c:byte())
      end)))
    end
  end)
end)

describe("a head", function()
  it(("reads back what was packed, in order (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    for _ = 1, rounds // 100 do
      local fields = {}
      for i = 1, math.random(0, 20) do
        fields[i] = { random_bytes(math.random(0, 40)), random_bytes(math.random(0, 300)) }
      end
      local packed = base.head_pack(fields)
      assert.are.same({ fields, #packed }, { base.head_unpack(packed) })
    end
  end)

  it("finds the first of a name in any letters, and counts them", function()
    local head = base.head_pack { { "A", "1" }, { "x-B", "2" }, { "X-b", "3" } }
    assert.are.same({ "2", 2 }, { base.head_find(head, "X-B") })
    assert.are.same({ nil, 0 }, { base.head_find(head, "X") })
  end)

  it(("reads no byte past its end when it is malformed (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    local head = base.head_pack { { "name", ("v"):rep(50) }, { "other", "value" } }
    for cut = 0, #head do
      local _, read = base.head_unpack(head:sub(1, cut))
      assert.is_true(read <= cut)
    end
    for _ = 1, rounds do
      local bytes = random_bytes(math.random(0, 40))
      local _, read = base.head_unpack(bytes)
      assert.is_true(read <= #bytes)
    end
  end)

  it("takes a name of 65,535 bytes and not of one more", function()
    assert.is_truthy(base.head_pack { { ("n"):rep(65535), "v" } })
    assert.are.same({ nil, "limit" }, { base.head_pack { { ("n"):rep(65536), "v" } } })
  end)
end)

describe("a map", function()
  it(("holds what a table would (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    local map, table_of = base.map(), {}
    for _ = 1, rounds do
      local key = math.random(1, 300) << math.random(0, 40)
      local roll = math.random(3)
      if roll == 1 then
        local value = math.random(1, 1000000)
        map:put(key, value)
        table_of[key] = value
      elseif roll == 2 then
        assert.are.equal(table_of[key], map:get(key))
      else
        assert.are.equal(table_of[key], map:remove(key))
        table_of[key] = nil
      end
    end
    local all, count = map:all()
    local expected = 0
    for _ in pairs(table_of) do expected = expected + 1 end
    assert.are.same(table_of, all)
    assert.are.equal(expected, count)
  end)
end)

describe("timers", function()
  it("come in the order of their time, then of their start", function()
    assert.same({ 2, 3, 5, 1 }, base.timers({ 9, 1, 1, 30, 5 }, {}, 9))
  end)

  it("that were stopped do not come; stopping twice is nothing", function()
    assert.same({ 4, 1 }, base.timers({ 9, 1, 2, 3 }, { 2, 3, 2 }, 10))
  end)

  it("that are started by one that came wait for the next time", function()
    assert.same({ 1, 2 }, base.timers({ 1, 2 }, {}, 5, 1))
  end)

  it("keep their order whatever is started and stopped", function()
    for round = 1, 50 do
      math.randomseed(round)
      local due, stopped, is_stopped, expected = {}, {}, {}, {}
      for i = 1, 300 do due[i] = math.random(100) end
      for i = 1, 100 do
        stopped[i] = math.random(300)
        is_stopped[stopped[i]] = true
      end
      for i = 1, 300 do
        if due[i] <= 70 and not is_stopped[i] then expected[#expected + 1] = i end
      end
      table.sort(expected, function(a, b)
        return due[a] < due[b] or due[a] == due[b] and a < b
      end)
      assert.same(expected, base.timers(due, stopped, 70))
    end
  end)
end)

describe("the inbox", function()
  it("hands on each letter of each thread once, in order", function()
    local each = os.getenv "ANZOL_LONG" == "1" and 100000 or 2000
    assert.are.same({ 4 * each, true }, { base.inbox_relay(4, each) })
  end)
end)

describe("an error", function()
  it("can be put behind where it happened, however long it is", function()
    assert.are.equal("scripts/a.lua: no such file",
      base.err_prefix("no such file", "scripts/a.lua"))
    local text = base.err_prefix(("x"):rep(5000), ("p"):rep(5000))
    assert.is_true(#text < 1024)
    assert.is_truthy(text:match "^p+: x+$")
  end)
end)

describe("a log line", function()
  it("is one line, whatever is in it", function()
    assert.is_truthy(base.log_line("text", "delivery failed",
      "id=a\nb\27[0m\r"):match "^%S+ info%s+delivery failed  id=a b %[0m \n$")
  end)

  it("in JSON is one object a line", function()
    local line = base.log_line("json", "delivery failed", 'id="a"\n\xff')
    assert.is_truthy(line:match '^{"time":"[^"]+","level":"info","msg":"delivery failed",')
    assert.is_truthy(line:match ',"details":"id=\\"a\\" \u{FFFD}"}\n$')
  end)

  -- What stands behind `value=` for a value in quotes, and behind `bare=`.
  local function values_of(value)
    local line = base.log_line("text", "finding", 'a="1"', value)
    local quoted, path, bare = line:match '^%S+ info%s+finding  a="1" number=7 value=(.-) path=(".*") bare=(.*)\n$'
    assert.equal(quoted, path)
    return quoted, bare
  end

  it("escapes quotes and backslashes of values in quotes, and puts more than a word into them", function()
    local escaped = [["near '\"x\"' in C:\\"]]
    assert.same({ escaped, escaped }, { values_of [[near '"x"' in C:\]] })
    assert.same({ '"scripts/a.lua:3"', "scripts/a.lua:3" }, { values_of "scripts/a.lua:3" })
    assert.same({ '"a b"', '"a b"' }, { values_of "a b" })
    assert.same({ '""', "" }, { values_of "" })
  end)

  it("lets no value end its quotes, nor begin another field, nor stay open where it is cut", function()
    assert.same({ '"\\" forged=\\"yes"', '"\\" forged=\\"yes"' }, { values_of '" forged="yes' })
    for _, value in ipairs { ("x"):rep(10000), ("x"):rep(2100) } do
      assert.matches('[^"\\]"\n$', base.log_line("text", "finding", "a=1", value))
    end
    for length = 670, 690 do -- of pairs of bytes, around where it is cut
      local line = base.log_line("text", "finding", "a=1", ('"'):rep(length))
      assert.equal("", (line:gsub('\\"', ""):gsub('^.*a=1 number=7 value=""', ""):gsub(' path=""', "")
        :gsub(' bare=""', ""):gsub('^ path="?"?$', ""):gsub("\n$", "")))
    end
  end)

  it("is cut, never lost, and ends within 8 KiB", function()
    for _, format in ipairs { "text", "json" } do
      for _, details in ipairs { ("x"):rep(10000), ("\xff"):rep(10000), ('"'):rep(10000) } do
        local line = base.log_line(format, "big", details)
        assert.is_true(#line > 1000 and #line <= 8192, format)
        assert.are.equal("\n", line:sub(-1))
      end
    end
  end)
end)

describe("a backoff", function()
  it("by default waits 5 s to 24 h, each give or take a fifth", function()
    local expected = { 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400 }
    for number, seconds in ipairs(expected) do
      assert.are.equal(seconds * 800, model.backoff("default", number, 0, 0))
      assert.are.equal(seconds * 1000, model.backoff("default", number, 0, 0.5))
      assert.is_true(model.backoff("default", number, 0, 0.999999) <= seconds * 1200)
    end
    assert.is_nil(model.backoff("default", 10, 0, 0))
  end)

  it("of a handler is 1 s, 5 s, 30 s, 2 min, 10 min, to the millisecond", function()
    local delays = {}
    for number = 1, 6 do delays[number] = model.backoff("handler", number, 0, 0.7) end
    assert.are.same({ 1000, 5000, 30000, 120000, 600000 }, delays)
  end)

  it("grows by a factor, by steps or not at all, up to its longest", function()
    local exponential = { kind = "exponential", base = 1000, factor = 3, max = 20000 }
    assert.are.same({ 1000, 3000, 9000, 20000, 20000 }, (function()
      local delays = {}
      for number = 1, 5 do delays[number] = model.backoff(exponential, number) end
      return delays
    end)())
    assert.are.equal(7000, model.backoff({ kind = "linear", base = 1000 }, 7))
    assert.are.equal(1000, model.backoff({ kind = "constant", base = 1000 }, 7))
    assert.are.equal(20, model.backoff({ kind = "schedule", steps = { 10, 20 } }, 2))
  end)

  it("ends after its attempts, its steps or its age", function()
    assert.is_truthy(model.backoff({ kind = "constant", base = 1, attempts = 3 }, 2))
    assert.is_nil(model.backoff({ kind = "constant", base = 1, attempts = 3 }, 3))
    assert.is_nil(model.backoff({ kind = "schedule", steps = { 10, 20 } }, 3))
    assert.is_truthy(model.backoff({ kind = "constant", base = 1, max_age = 1000 }, 9, 999))
    assert.is_nil(model.backoff({ kind = "constant", base = 1, max_age = 1000 }, 9, 1000))
  end)

  it("stays a number when the arithmetic does not", function()
    local year = 366 * 24 * 3600 * 1000
    assert.are.equal(year, model.backoff({ kind = "exponential", base = 1000, factor = 10 }, 4000))
    assert.are.equal(year, model.backoff({ kind = "exponential", base = 0, factor = 1e308 }, 4000))
  end)

  it("with jitter lies where it says, and never over its longest", function()
    local policy = { kind = "constant", base = 1000, max = 1000 }
    local range = { none = { 1000, 1000 }, full = { 0, 1000 }, equal = { 500, 1000 },
      spread = { 800, 1000 } }
    for jitter, ends in pairs(range) do
      policy.jitter = jitter
      assert.are.equal(ends[1], model.backoff(policy, 1, 0, 0), jitter)
      assert.is_true(ends[2] - model.backoff(policy, 1, 0, 0.999999) <= 1, jitter)
    end
  end)
end)

describe("an event pattern", function()
  local cases = {
    { "a", "a", true }, { "a", "b", false }, { "a", "a.b", false }, { "a.b", "a", false },
    { "*", "a", true }, { "*", "a.b", false }, { "a.*", "a.b", true }, { "a.*", "a", false },
    { "a.*", "a.b.c", false }, { "*.b", "a.b", true }, { "a.*.c", "a.b.c", true },
    { "**", "a", true }, { "**", "a.b.c", true }, { "a.**", "a.b", true },
    { "a.**", "a.b.c", true },
    { "a.**", "a", false }, { "a.**", "ab", false }, { "A", "a", false }, { "a.b", "a.bc", false },
    { "**", "anzol.delivery.dead", false }, { "*.delivery.dead", "anzol.delivery.dead", false },
    { "anzol.**", "anzol.delivery.dead", true },
    { "anzol.delivery.*", "anzol.delivery.dead", true },
    { "**", "anzol", true }, { "**", "anzolx.y", true }, { "anzol.*", "github.push", false },
  }
  for _, case in ipairs(cases) do
    it(("%s %s %s"):format(case[1], case[3] and "matches" or "does not match", case[2]), function()
      assert.are.equal(case[3], model.pattern_matches(case[1], case[2]))
    end)
  end

  it("is valid when it can match something", function()
    for _, pattern in ipairs {
      "a", "a.b", "*", "**", "a.*", "a.**", "*.b", "A-1_x", ("a"):rep(260)
    } do
      assert.is_true(model.pattern_is_valid(pattern), pattern)
    end
    for _, pattern in ipairs {
      "", ".", "a.", ".a", "a..b", "**.a", "a.**.b", "a*", "***", "a b", "a/b", "é", ("a"):rep(261)
    } do
      assert.is_false(model.pattern_is_valid(pattern), pattern)
    end
  end)

  it("is made of the characters of a type", function()
    for _, type in ipairs { "a", "github.push", "A-1_x.y", "..", ("a"):rep(260) } do
      assert.is_true(model.type_is_valid(type), type)
    end
    for _, type in ipairs { "", "a b", "a*", "é", "a\0", "a\n", ("a"):rep(261) } do
      assert.is_false(model.type_is_valid(type), type)
    end
  end)
end)

describe("a content", function()
  it("grows behind its head up to the maximum", function()
    local head = base.head_pack { { "a", "b" } }
    assert.are.same({ "ok", head, "abcdef" }, { model.content_fill(head, 0, 6, { "abc", "def" }) })
    assert.are.same({ "ok", head, "abcdef" }, { model.content_fill(head, 6, 6, { "abc", "def" }) })
    assert.are.same({ "limit", head, "abc" }, { model.content_fill(head, 2, 5, { "abc", "def" }) })
    assert.are.same({ "ok", "", "" }, { model.content_fill("", 0, 0, {}) })
  end)

  it(("hides fields by name, not the rest nor the body (ANZOL_SEED=%d)"):format(seed), function()
    math.randomseed(seed)
    local names = { "a", "B", "cookie", "Authorization" }
    for _ = 1, rounds // 20 do
      local fields, kept = {}, {}
      for i = 1, math.random(0, 8) do
        local name = names[math.random(#names)]
        fields[i] = { name, random_bytes(math.random(0, 20)) }
        if name ~= "cookie" and name ~= "Authorization" then kept[#kept + 1] = fields[i] end
      end
      local hidden = { "authorization", "cookie" }
      local head, body, gap = model.content_hide(base.head_pack(fields), "the body", hidden)
      assert.are.equal(("\0"):rep(#gap), gap) -- what was there is not in memory any more
      assert.are.same({ kept, #head }, { base.head_unpack(head) })
      assert.are.equal("the body", body)
    end
  end)
end)

describe("the registry", function()
  local subscriptions = {
    { name = "all", patterns = { "**" } },
    { name = "pushes", patterns = { "github.push", "gitlab.push" } },
    { name = "hub", source = "hub", patterns = { "github.*" } },
    { name = "meta", patterns = { "anzol.**" } },
  }

  it("finds the subscriptions of a type and source, in order", function()
    assert.are.same({ 2, { "all", "pushes" } },
      { model.match(subscriptions, "other", "github.push") })
    assert.are.same({ 3, { "all", "pushes", "hub" } },
      { model.match(subscriptions, "hub", "github.push") })
    assert.are.same({ 1, { "meta" } }, { model.match(subscriptions, "hub", "anzol.delivery.dead") })
    assert.are.same({ 0, {} }, { model.match({}, "hub", "a") })
  end)

  it("counts more than it has room for", function()
    assert.are.same({ 3, { "all" } }, { model.match(subscriptions, "hub", "github.push", 1) })
  end)

  it("lets as many into memory as there is room", function()
    assert.are.same({ 3, 0 }, { model.gate(3, 5) })
    assert.are.same({ 0, -2 }, { model.gate(-2, 5) })
  end)
end)

describe("an outbox", function()
  it("holds what it is given and frees it", function()
    for _, count in ipairs { 0, 1, 2, 3, 17, 64, 65 } do
      assert.are.same({ count, count, count }, { model.outbox(count) })
    end
  end)
end)

describe("a delivery's state", function()
  it("is read by its name", function()
    for _, name in ipairs {
      "pending", "retrying", "in_flight", "succeeded", "dead", "cancelled"
    } do
      assert.are.equal(name, model.delivery_state(name))
    end
    assert.is_nil(model.delivery_state "Pending")
  end)
end)
