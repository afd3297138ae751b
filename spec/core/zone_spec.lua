-- SPDX-License-Identifier: MIT
-- Time zones (core/base/zone.c): what clocks show, what they skip, what they show twice, the rule at
-- a file's end, names, and files that are broken.
local base = require "anzol_test.base"

local function utc(text) return base.parse_iso(text) // 1000 end

-- The UTC text of an instant in seconds.
local function iso(seconds) return base.iso(seconds * 1000):gsub("%.000Z$", "Z") .. "" end

describe("a time zone", function()
  local function shown(name, text) return base.zone(name, utc(text)).iso end

  it("says what clocks show", function()
    assert.equal("2026-01-15T13:00:00+01:00", shown("Europe/Berlin", "2026-01-15T12:00:00Z"))
    assert.equal("2026-07-15T14:00:00+02:00", shown("Europe/Berlin", "2026-07-15T12:00:00Z"))
    assert.equal("2026-07-15T08:00:00-04:00", shown("America/New_York", "2026-07-15T12:00:00Z"))
    assert.equal("2026-07-15T22:30:00+10:30", shown("Australia/Lord_Howe", "2026-07-15T12:00:00Z"))
    assert.equal("2026-07-15T15:30:00+03:30", shown("Asia/Tehran", "2026-07-15T12:00:00Z"))
    assert.equal("2021-07-15T16:30:00+04:30", shown("Asia/Tehran", "2021-07-15T12:00:00Z"))
    assert.equal("2017-12-31T22:00:00-02:00", shown("America/Sao_Paulo", "2018-01-01T00:00:00Z"))
    assert.equal("2019-12-31T21:00:00-03:00", shown("America/Sao_Paulo", "2020-01-01T00:00:00Z"))
  end)

  it("changes at the second", function()
    assert.equal("2026-03-29T01:59:59+01:00", shown("Europe/Berlin", "2026-03-29T00:59:59Z"))
    assert.equal("2026-03-29T03:00:00+02:00", shown("Europe/Berlin", "2026-03-29T01:00:00Z"))
    assert.equal("2026-10-25T02:59:59+02:00", shown("Europe/Berlin", "2026-10-25T00:59:59Z"))
    assert.equal("2026-10-25T02:00:00+01:00", shown("Europe/Berlin", "2026-10-25T01:00:00Z"))
  end)

  it("had other offsets before, even of seconds", function()
    assert.equal("1893-03-31T23:53:28+00:53:28", shown("Europe/Berlin", "1893-03-31T23:00:00Z"))
    assert.equal("1893-04-01T00:06:32+01:00", shown("Europe/Berlin", "1893-03-31T23:06:32Z"))
    assert.equal("0001-01-01T00:53:28+00:53:28", shown("Europe/Berlin", "0001-01-01T00:00:00Z"))
    assert.equal("1969-12-31T23:59:59+00:00", base.zone("UTC", -1).iso)
  end)

  it("follows its rule for ever", function()
    assert.equal("2099-07-15T14:00:00+02:00", shown("Europe/Berlin", "2099-07-15T12:00:00Z"))
    assert.equal("9999-07-15T14:00:00+02:00", shown("Europe/Berlin", "9999-07-15T12:00:00Z"))
    for year = 2040, 9990, 53 do
      local zone = base.zone("Europe/Berlin", utc(("%d-06-01T00:00:00Z"):format(year)))
      local from, till = iso(zone.from), iso(zone["until"])
      assert.equal(7200, zone.offset)
      assert.truthy(from:find("^%d+%-03%-[23]%dT01:00:00Z$") and from:find("^" .. year), from)
      assert.truthy(till:find("^%d+%-10%-[23]%dT01:00:00Z$") and till:find("^" .. year), till)
    end
  end)

  it("is UTC without any file", function()
    assert.same({ from = math.mininteger, ["until"] = math.maxinteger, offset = 0, reached = 5,
      shown = 5, iso = "1970-01-01T00:00:05+00:00" }, base.zone("UTC", 5))
  end)
end)

describe("a local time", function()
  -- Counted as if the place had UTC.
  local function reached(name, text) return iso(base.zone(name, utc(text .. "Z")).reached) end

  it("is one instant", function()
    assert.equal("2026-01-15T11:00:00Z", reached("Europe/Berlin", "2026-01-15T12:00:00"))
    assert.equal("2026-03-29T00:59:59Z", reached("Europe/Berlin", "2026-03-29T01:59:59"))
    assert.equal("2026-03-29T01:00:00Z", reached("Europe/Berlin", "2026-03-29T03:00:00"))
  end)

  it("that clocks skip is the end of the gap", function()
    assert.equal("2026-03-29T01:00:00Z", reached("Europe/Berlin", "2026-03-29T02:00:00"))
    assert.equal("2026-03-29T01:00:00Z", reached("Europe/Berlin", "2026-03-29T02:59:59"))
    assert.equal("2026-10-03T15:30:00Z", reached("Australia/Lord_Howe", "2026-10-04T02:15:00"))
    assert.equal("2018-11-04T03:00:00Z", reached("America/Sao_Paulo", "2018-11-04T00:30:00"))
    assert.equal("2011-12-30T10:00:00Z", reached("Pacific/Apia", "2011-12-30T12:00:00"))
  end)

  it("that they show twice is its first", function()
    assert.equal("2026-10-25T00:30:00Z", reached("Europe/Berlin", "2026-10-25T02:30:00"))
    assert.equal("2026-11-01T05:00:00Z", reached("America/New_York", "2026-11-01T01:00:00"))
    assert.equal("2026-04-04T14:45:00Z", reached("Australia/Lord_Howe", "2026-04-05T01:45:00"))
    assert.equal("2026-10-25T02:00:00Z", reached("Europe/Berlin", "2026-10-25T03:00:00"))
  end)

  it("stays behind what clocks have shown until they are past it", function()
    local function latest(text) return iso(base.zone("Europe/Berlin", utc(text)).shown) end
    assert.equal("2026-10-25T02:59:59Z", latest "2026-10-25T00:59:59Z")
    assert.equal("2026-10-25T02:59:59Z", latest "2026-10-25T01:00:00Z")
    assert.equal("2026-10-25T02:59:59Z", latest "2026-10-25T01:59:59Z")
    assert.equal("2026-10-25T03:00:00Z", latest "2026-10-25T02:00:00Z")
    assert.equal("2026-03-29T03:00:00Z", latest "2026-03-29T01:00:00Z")
  end)
end)

describe("the name of a time zone", function()
  local function why(name)
    local zone, err, kind = base.zone(name, 0)
    assert.is_nil(zone)
    return kind .. ": " .. err
  end

  it("leaves the folder of zones never", function()
    for _, name in ipairs { "", "/etc/passwd", "../zoneinfo/UTC", "Europe/../UTC", "Europe//Berlin",
      "Europe/", "tzdata.zi", "Europe/Berlin\0", "Bärlin", ("a"):rep(65) } do
      assert.truthy(why(name):find("^invalid: .* is no name of a time zone"), why(name))
    end
    assert.truthy(why(("a"):rep(64)):find "^notfound: ")
  end)

  it("that is not there tells which was meant", function()
    for name, meant in pairs { ["Europe/Berln"] = "Europe/Berlin", berlin = "Europe/Berlin",
      ["europe/berlin"] = "Europe/Berlin", ["America/Newyork"] = "America/New_York",
      Ushuaia = "America/Argentina/Ushuaia" } do
      assert.equal(('notfound: no time zone "%s" in /usr/share/zoneinfo; did you mean %s?')
        :format(name, meant), why(name))
    end
    assert.equal('notfound: no time zone "Nowhere/Atall" in /usr/share/zoneinfo '
      .. "(the package tzdata has them)", why "Nowhere/Atall")
  end)

  it("may be that of a folder, which is no zone", function()
    assert.equal("invalid: /usr/share/zoneinfo/Europe: it is no time zone", why "Europe")
  end)
end)

describe("the file of a time zone", function()
  -- types: offsets; changes: { at, type from 0 }. leaps: how many. version: of the format.
  local function block(options, format)
    local types, changes = options.types or { 0 }, options.changes or {}
    local parts = { "TZif", options.version or "2", ("\0"):rep(15),
      (">I4I4I4I4I4I4"):pack(0, 0, options.leaps or 0, #changes, #types, 4) }
    for _, change in ipairs(changes) do parts[#parts + 1] = (">" .. format):pack(change[1]) end
    for _, change in ipairs(changes) do parts[#parts + 1] = ("B"):pack(change[2]) end
    for _, offset in ipairs(types) do parts[#parts + 1] = (">i4BB"):pack(offset, 0, 0) end
    parts[#parts + 1] = "LMT\0"
    parts[#parts + 1] = ("\0"):rep((options.leaps or 0) * (format == "i4" and 8 or 12))
    return table.concat(parts)
  end
  local function file(options)
    return block({ version = options.version }, "i4") .. block(options, "i8")
      .. (options.rule and "\n" .. options.rule .. "\n" or "")
  end

  local function offset(rule, text)
    local zone = assert(base.zone("", utc(text), file { rule = rule }))
    return zone.offset
  end

  it("has changes and a rule for what comes after", function()
    local bytes = file { types = { 100, 200, 300 }, changes = { { 10, 1 }, { 20, 2 } }, rule = "X5" }
    assert.is_nil(base.zone("", 0, bytes))
    bytes = file { types = { 100, 200, 300 }, changes = { { 10, 1 }, { 20, 2 } }, rule = "" }
    for at, wanted in pairs { [-5] = 100, [9] = 100, [10] = 200, [19] = 200, [20] = 300,
      [1 << 40] = 300 } do
      assert.equal(wanted, base.zone("", at, bytes).offset)
    end
  end)

  it("may say days of the year in three ways", function()
    for _, rule in ipairs { "AAA0BBB,M3.1.0,M11.5.0", "AAA0BBB,J60,J300", "AAA0BBB,59,300",
      "<+00>0<+01>-1,M3.5.0/2,M10.5.0/3", "AAA0BBB-1,J60/-1:30,J300/167:59:59" } do
      assert.equal(0, offset(rule, "2030-01-10T00:00:00Z"), rule)
      assert.equal(3600, offset(rule, "2030-06-10T00:00:00Z"), rule)
      assert.equal(0, offset(rule, "2030-12-20T00:00:00Z"), rule)
    end
    -- J60 is 1 March in each year; 59 is 29 February in leap years.
    assert.equal(0, offset("AAA0BBB,J60/0,J300", "2032-02-29T23:59:59Z"))
    assert.equal(3600, offset("AAA0BBB,J60/0,J300", "2032-03-01T00:00:00Z"))
    assert.equal(3600, offset("AAA0BBB,59/0,300", "2032-02-29T00:00:00Z"))
    assert.equal(0, offset("AAA0BBB,59/0,300", "2031-02-28T23:59:59Z"))
  end)

  it("may have its summer over the turn of the year, below standard time, or all year", function()
    local south = "AAA-10BBB-11,M10.1.0,M4.1.0/3"
    assert.equal(39600, offset(south, "2030-01-10T00:00:00Z"))
    assert.equal(36000, offset(south, "2030-06-10T00:00:00Z"))
    local dublin = "IST-1GMT0,M10.5.0,M3.5.0/1"
    assert.equal(0, offset(dublin, "2030-01-10T00:00:00Z"))
    assert.equal(3600, offset(dublin, "2030-06-10T00:00:00Z"))
    for _, time in ipairs { "2030-01-01T04:00:00Z", "2030-06-10T00:00:00Z", "2030-12-31T23:59:59Z" } do
      assert.equal(-14400, offset("XXX3EDT4,0/0,J365/23", time))
    end
  end)

  local good = file { types = { 100, 200 }, changes = { { 10, 1 }, { 20, 0 } }, rule = "AAA0" }

  it("is refused when any byte is missing at its end", function()
    assert.truthy(base.zone("", 0, good))
    for len = 0, #good - 1 do
      local zone, err, kind = base.zone("", 0, good:sub(1, len))
      assert.is_nil(zone, len)
      assert.equal("invalid", kind)
      assert.truthy(err:find "cut short" or err:find "no time zone" or err:find "rule", err)
    end
  end)

  local broken = {
    { "it is no time zone", "#!/bin/sh" .. (" "):rep(100) },
    { "it is no time zone", "" },
    { "its format is of version 1: no times after 2037", file { version = "\0", rule = "AAA0" } },
    { "it counts leap seconds, which Unix time has not", file { leaps = 1, rule = "AAA0" } },
    { "its changes are malformed", file { changes = { { 10, 1 } }, rule = "AAA0" } },
    { "its changes are malformed", file { changes = { { 10, 0 }, { 10, 0 } }, rule = "AAA0" } },
    { "its changes are malformed", file { changes = { { (1 << 59) + 1, 0 } }, rule = "AAA0" } },
    { "its changes are malformed", file { types = { 26 * 3600 + 1 }, rule = "AAA0" } },
    { "its changes are malformed", file { types = {}, rule = "AAA0" } },
    { "the rule at its end is malformed", file {} },
  }
  for _, rule in ipairs { "AA0", "AAA", "AAA25", "AAA0BBB", "AAA0BBB,J0,J5", "AAA0BBB,J366,J5",
    "AAA0BBB,366,5", "AAA0BBB,M13.1.0,M3.1.0", "AAA0BBB,M3.6.0,M4.1.0", "AAA0BBB,M3.0.0,M4.1.0",
    "AAA0BBB,M3.1.7,M4.1.0", "AAA0BBB,M3.1.0", "AAA0BBB,M3.1.0,M4.1.0,", "AAA0BBB,M3.1.0/168,J5",
    "AAA0BBB,M3.1.0/1:60,J5", "<AAA0", "AAA0:", "AAA0BBB,M3.1,J5" } do
    broken[#broken + 1] = { "the rule at its end is malformed", file { rule = rule } }
  end

  it("is refused when it is broken", function()
    for i, row in ipairs(broken) do
      assert.same({ nil, row[1], "invalid" }, { base.zone("", 0, row[2]) }, i)
    end
  end)

  it("has at most 128 KiB", function()
    local padding = ("A"):rep(128 * 1024 - #good)
    local zone, _, kind = base.zone("", 0, good .. padding)
    assert.truthy(zone, kind)
    assert.same({ nil, "it has more than 131072 bytes", "limit" },
      { base.zone("", 0, good .. padding .. "A") })
  end)
end)
