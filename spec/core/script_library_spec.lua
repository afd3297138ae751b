-- SPDX-License-Identifier: MIT
-- Small things of the library: anzol.time, random, sorted_pairs, env.
local rig = require "core.script_rig"
local script = rig.script

describe("the library", function()
  setup(function() script.quiet(true) end)
  after_each(function()
    script.clock()
    rig.finish()
  end)

  local function value(expression)
    return rig.handled(('event:emit("out", { %s })'):format(expression)).emits[1].body
  end

  it("tells the time in milliseconds and as text", function()
    script.clock(1772438400123)
    assert.equal('[1772438400123,"integer","2026-03-02T08:00:00.123Z"]',
      value "anzol.time.now(), math.type(anzol.time.now()), anzol.time.iso()")
    assert.equal('["1970-01-01T00:00:00.000Z"]', value "anzol.time.iso(0)")
  end)

  it("reads instants as programs write them, and says what it cannot read", function()
    assert.equal("[1772438400000,1772438400500,1772438400000,1772438400000]", value [[
      anzol.time.parse "2026-03-02T08:00:00Z", anzol.time.parse "2026-03-02T09:00:00.5+01:00",
      (anzol.time.parse "Mon, 02 Mar 2026 08:00:00 GMT"), anzol.time.parse(anzol.time.iso(1772438400000))]])
    assert.equal('["nil","time",false]', value [[
      type((anzol.time.parse "tomorrow")), select(2, anzol.time.parse "tomorrow").code,
      select(2, anzol.time.parse "tomorrow").retryable]])
  end)

  it("reads durations as options do", function()
    assert.equal('[1500,250,5000,600000,7200000,604800000,0,"integer"]', value [[
      anzol.time.parse_duration(1.5), anzol.time.parse_duration "250ms", anzol.time.parse_duration "5s",
      anzol.time.parse_duration "10m", anzol.time.parse_duration "2h", anzol.time.parse_duration "7d",
      anzol.time.parse_duration(0), math.type(anzol.time.parse_duration(1))]])
    for _, bad in ipairs { '"5 s"', '"soon"', '""', "-1", "0/0", "{}", "nil" } do
      assert.matches("^scripts/main.lua:%d+: ", rig.run("anzol.time.parse_duration(" .. bad .. ")").text)
    end
  end)

  it("draws whole numbers from a range, each of them", function()
    assert.equal("[true,true,true]", value [[
      (function()
        local seen = {}
        for _ = 1, 1000 do seen[anzol.random(6)] = true end
        return #seen == 6 and seen[0] == nil and seen[7] == nil
      end)(),
      (function()
        for _ = 1, 1000 do
          local n = anzol.random(-2, 2)
          if math.type(n) ~= "integer" or n < -2 or n > 2 then return n end
        end
        return true
      end)(),
      math.type(anzol.random(math.mininteger, math.maxinteger)) == "integer"]])
    assert.matches("interval is empty", rig.run("anzol.random(2, 1)").text)
    assert.matches("interval is empty", rig.run("anzol.random(0)").text)
  end)

  it("walks a table in an order that does not change", function()
    assert.equal('["1 2.5 10 a b true x"]', value [[
      (function()
        local words = {}
        local t = { b = 1, [10] = 1, a = 1, [1] = 1, [true] = "x", [2.5] = 1 }
        for key, v in anzol.sorted_pairs(t) do
          words[#words + 1] = tostring(key)
          if v == "x" then words[#words + 1] = v end
        end
        return table.concat(words, " ")
      end)()]])
  end)

  it("draws a number from 0 to 1, another each time", function()
    assert.equal("[true]", value [[
      (function()
        local low, high, last = 1, 0, nil
        for _ = 1, 1000 do
          local n = anzol.random()
          if math.type(n) ~= "float" or n < 0 or n >= 1 or n == last then return n end
          low, high, last = math.min(low, n), math.max(high, n), n
        end
        return low < 0.1 and high > 0.9
      end)()]])
  end)

  it("reads a variable of the environment, or the default", function()
    script.setenv("ANZOL_SPEC_WORD", "here")
    assert.equal('["here","fallback"]',
      value 'anzol.env("ANZOL_SPEC_WORD"), anzol.env("ANZOL_SPEC_NOT_THERE", "fallback")')
    script.setenv("ANZOL_SPEC_WORD", nil)
  end)

  describe("on a name that is not there", function()
    local cases = {
      { "anzol.backoff.expo { base = 1 }", "there is no 'expo' in anzol.backoff; did you mean 'exponential'?" },
      { "anzol.jsn.decode '{}'", "there is no 'jsn' in anzol; did you mean 'json'?" },
      { "anzol.ednpoint('x', {})", "there is no 'ednpoint' in anzol; did you mean 'endpoint'?" },
      { "local b = anzol.base64 b.encod 'x'", "there is no 'encod' in anzol.base64; did you mean 'encode'?" },
      { "anzol.json.xyzzy()", "there is no 'xyzzy' in anzol.json" },
      { "anzol.kv 'x':gett 'k'", "there is no 'gett' in anzol.kv; did you mean 'get'?", "handler" },
      { "event:sned 'crm'", "there is no 'sned' in event; did you mean 'send'?", "handler" },
      { "return event.dta.x", "there is no 'dta' in event; did you mean 'data'?", "handler" },
      { "return string.fomat 'x'", "there is no 'fomat' in string; did you mean 'format'?", "handler" },
      { "return ('x'):fomat()", "there is no 'fomat' in string; did you mean 'format'?", "handler" },
    }

    it("says where, in what, and which was meant, in handlers", function()
      for _, case in ipairs(cases) do
        local text = rig.run("\n" .. case[1]).text
        assert.equal("scripts/main.lua:4: " .. case[2], text:match "^[^\n]*", case[1])
        assert.matches("stack traceback", text, 1, true)
      end
    end)

    it("says it of what loads too", function()
      for _, case in ipairs(cases) do
        if not case[3] then
          local text = rig.refusal(case[1]):gsub(" %(did", "; did"):gsub("%?%)$", "?")
          assert.equal("scripts/main.lua:1: " .. case[2], text, case[1])
        end
      end
    end)

    it("gives nil to who asks first, as for any table", function()
      assert.equal('["nil","nil","nil",false]', value [[
        type(anzol.jsn), type(anzol.backoff.expo), type(event.dta), rawget(anzol, "jsn") and true or false]])
    end)

    it("says what Lua says of other tables, and of names that were missed elsewhere", function()
      assert.matches("^scripts/main.lua:%d+: attempt to call a nil value %(field 'jsn'%)\n",
        rig.run("local t = { jsn = anzol.jsn }\nt.jsn()").text)
      assert.matches("attempt to index a nil value %(field 'expo'%)", rig.run("local t = {} return t.expo.x").text)
      assert.matches("attempt to call a nil value %(local 'f'%)", rig.run("local f = anzol.jsn f()").text)
    end)
  end)
end)
