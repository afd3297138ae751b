-- SPDX-License-Identifier: MIT
-- What scripts share is read-only once they are loaded (core/script/closed.c), and what is guarded
-- besides (guard.c, guard_os.c, require.c).
local rig = require "core.script_rig"
local script = rig.script

describe("what belongs to Lua", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  for what, attack in pairs {
    ["a function of a library"] = "string.format = nil",
    ["a new one"] = "table.mine = 1",
    ["a constant"] = "math.pi = 3",
    ["a field of the module"] = "anzol.on = print",
    ["a field of a module in it"] = "anzol.json.encode = print",
    ["a global"] = "print = nil",
    ["a global of the name _G"] = "_G._G = {}",
    ["a global by rawset"] = "rawset(_G, 'print', nil)",
    ["a library by rawset"] = "rawset(string, 'format', nil)",
    ["a library by table.insert"] = "table.insert(string, 'x')",
    ["a library by table.move"] = "table.move({ 1 }, 1, 1, 1, string)",
    ["a library by load"] = "load('string.format = nil')()",
    ["a global in another _ENV"] = "local _ENV = { _G = _G } _G.print = nil",
    ["a library by package.loaded"] = "package.loaded.string.format = nil",
    ["the loaded globals"] = "package.loaded._G.print = nil",
  } do
    it("stays when a handler would replace " .. what, function()
      assert.matches("read%-only after loading", rig.run(attack).text)
    end)
  end

  it("can't be got around by metatables", function()
    for _, attack in ipairs {
      "setmetatable(string, {})", "setmetatable(_G, nil)", "setmetatable(anzol, {})",
    } do
      assert.matches("protected metatable", rig.run(attack).text)
    end
    rig.handled([[
      assert(getmetatable("") == false and getmetatable(_G) == false)
      assert(getmetatable(string) == false and getmetatable(anzol.json) == false)
    ]])
  end)

  it("is there for whoever reads it", function()
    rig.handled([[
      local names = {}
      for name, value in pairs(string) do names[name] = value end
      assert(names.format == string.format and rawget(string, "rep") == ("").rep)
      assert(next(math) and next(_G) and rawget(_G, "print") == print and _G._G == _G)
      assert(_G.string == string and _ENV == _G and ("%d"):format(1) == "1")
      local count = 0
      for _ in pairs(_G) do count = count + 1 end
      assert(count > 20 and not pcall(function() return nothing end))
    ]])
  end)

  it("may be changed while the scripts are loaded, and their own globals ever after", function()
    local project = rig.project [[
      string.twice = function(s) return s .. s end
      counter = 0
      anzol.on("**", { name = "main" }, function()
        counter = counter + 1
        assert(("x"):twice() == "xx" and counter == 1)
      end)
    ]]
    assert.equal("handled", project:run("main", {}).outcome)
  end)

  it("is not to be had under the name of a system's file", function()
    assert.matches("undeclared global", rig.run("load('x = 1', '@/usr/x.lua')()").text)
    assert.matches("undefined global 'nothing'", rig.run("load('return nothing', '@/x')()").text)
  end)
end)

describe("what C functions do", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("is counted in long sorts", function()
    local before = script.cpu_ns()
    local result = rig.run [[
      local t = {}
      for i = 1, 500000 do t[i] = i * 7919 % 500009 end
      while true do table.sort(t, rawequal) table.sort(t) end
    ]]
    assert.matches("CPU limit", result.text)
    assert.is_true(script.cpu_ns() - before < 700e6 * rig.patience)
    rig.handled([[
      local t = {}
      for i = 1, 20000 do t[i] = 20001 - i end
      table.sort(t) assert(t[1] == 1 and t[20000] == 20000)
      table.sort(t, function(a, b) return a > b end) assert(t[1] == 20000)
    ]])
  end)

  it("is bounded where the parser works", function()
    assert.matches("load of more than 1048576 bytes",
      rig.run("load((' '):rep((1 << 20) + 1))").text)
    assert.matches("load of more than 1048576 bytes",
      rig.run("assert(load(function() return (' '):rep(1 << 16) end))").text)
    rig.handled([[
      assert(load((" "):rep((1 << 20) - 8) .. "return 1")() == 1)
      local parts = { "return ", "2" }
      assert(load(function() return table.remove(parts, 1) end)() == 2)
    ]])
  end)

  it("is in UTC, and stock in the rest", function()
    script.setenv("TZ", "Asia/Tokyo")
    finally(function() script.setenv("TZ", nil) end)
    rig.handled([[
      assert(os.date("%Y-%m-%d %H:%M", 0) == "1970-01-01 00:00")
      assert(os.date("*t", 3600).hour == 1 and os.date("!%H", 0) == "00" and #os.date() > 10)
      assert(os.time { year = 1970, month = 1, day = 1, hour = 0 } == 0)
      local t = { year = 2024, month = 14, day = -3 }
      local at = os.time(t)
      assert(t.year == 2025 and t.month == 1 and t.day == 28 and t.hour == 12 and t.wday == 3)
      assert(os.date("%F", at) == "2025-01-28")
    ]])
    assert.matches("field 'day' missing", rig.run("os.time { year = 1, month = 1 }").text)
    assert.matches("out%-of%-bound", rig.run("os.time { year = 1 << 40, month = 1, day = 1 }").text)
    assert.matches("not an integer", rig.run("os.time { year = 1.5, month = 1, day = 1 }").text)
    assert.matches("too long", rig.run("os.date(('x'):rep(5000))").text)
  end)
end)

describe("the setting timezone", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local function load(zone, body)
    return rig.load { files = {
      ["anzol.lua"] = ("return { timezone = %q }"):format(zone),
      ["scripts/main.lua"] = ('require "anzol".on("**", { name = "main" }, function() %s end)'):format(body or ""),
    } }
  end

  local function run(zone, body)
    local result = load(zone, body):run("main", {})
    assert.equal("", result.text)
  end

  it("names the clocks of os.date and os.time", function()
    -- 2026-03-29T01:00:00Z: Berlin's clocks go from 02:00 to 03:00; 2026-10-25T01:00:00Z: back again.
    run("Europe/Berlin", [[
      local function shown(at) return os.date("%F %T %z %Z 100%%z", at) end
      assert(shown(1774745999) == "2026-03-29 01:59:59 +0100 +0100 100%z", shown(1774745999))
      assert(shown(1774746000) == "2026-03-29 03:00:00 +0200 +0200 100%z", shown(1774746000))
      assert(os.date("!%H %z", 1774746000) == "01 +0000" and os.date("!*t", 1774746000).isdst == false)
      local t = os.date("*t", 1774746000)
      assert(t.hour == 3 and t.day == 29 and t.isdst == nil and os.time(t) == 1774746000)
      local function at(fields) return os.time(fields), fields.hour, fields.min, fields.isdst end
      local when, hour, min, isdst = at { year = 2026, month = 3, day = 29, hour = 2, min = 30 }
      assert(when == 1774746000 and hour == 3 and min == 0 and isdst == nil, "a time that is skipped")
      when, hour = at { year = 2026, month = 10, day = 25, hour = 2 }
      assert(when == 1792886400 and hour == 2, "a time that comes twice")
      assert(os.time { year = 2026, month = 7, day = 1 } == os.time { year = 2026, month = 6, day = 31 })
      assert(#os.date() > 10 and os.date "%Y" >= "2026")]])
    run("Asia/Kolkata", [[assert(os.date("%H:%M %z", 0) == "05:30 +0530")]])
    run("America/St_Johns", [[assert(os.date("%H:%M %z", 1767225600) == "20:30 -0330")]])
    run("UTC", [[assert(os.date("*t", 0).isdst == false and os.date("%H %Z", 0) == "00 GMT")]])
  end)

  it("raises as in UTC for what is no time", function()
    for call, why in pairs {
      ["os.date('%H', 1 << 62)"] = "cannot be represented",
      ["os.date('%H', 1.5)"] = "no integer representation",
      ["os.date('%Q', 0)"] = "invalid conversion specifier",
      ["os.date('%', 0)"] = "invalid conversion specifier",
      ["os.time { year = 1, month = 1 }"] = "field 'day' missing",
    } do
      assert.matches(why, load("Europe/Berlin", call):run("main", {}).text)
    end
  end)

  it("refuses the scripts with a zone that there is not", function()
    local project, _, why = load "Europe/Berlim"
    assert.is_nil(project)
    assert.matches("timezone: .*Europe/Berlin", why)
  end)
end)

describe("libraries that many use", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("load and work: Penlight, say, luassert, dkjson", function()
    local project = rig.project [[
      local List, tablex, stringx = require "pl.List", require "pl.tablex", require "pl.stringx"
      local pretty, class, seq = require "pl.pretty", require "pl.class", require "pl.seq"
      local template, dkjson = require "pl.template", require "dkjson"
      local say = require "say"
      local check = require "luassert"
      anzol.on("**", { name = "main" }, function()
        assert(List({ 1, 2, 3 }):map(function(x) return x + 1 end):concat(",") == "2,3,4")
        assert(tablex.deepcompare(tablex.copy({ a = { 1 } }), { a = { 1 } }))
        assert(stringx.strip("  x ") == "x" and #pretty.write({ 1 }) > 0)
        assert(class().new == nil and seq.sum { 1, 2 } == 3)
        assert(template.substitute("$(x)", { x = 1 }) == "1")
        assert(dkjson.encode({ 1 }) == "[1]" and dkjson.decode('{"a":1}').a == 1)
        say:set("hello", "x") assert(say "hello" == "x")
        check.equal(1, 1) check.same({ 1 }, { 1 })
      end)
    ]]
    local result = project:run("main", {})
    assert.equal("", result.text)
    assert.equal("handled", result.outcome)
  end)

  it("refuses files that require each other, at the line that closes the circle", function()
    local words = " requires itself, maybe by way of others"
    for _, case in ipairs {
      { { ["scripts/a.lua"] = '\nrequire "a"' }, "scripts/a.lua", 2, "scripts/a.lua" },
      { { ["scripts/a.lua"] = 'require "b"', ["lua/b.lua"] = 'require "c"', ["lua/c.lua"] = '\n\nrequire "b"' },
        "lua/c.lua", 3, "lua/b.lua" },
    } do
      local _, findings = rig.load { files = case[1] }
      assert.same({ case[2], case[3], case[4] .. words },
        { findings[1].file, findings[1].line, findings[1].message })
    end
  end)
end)
