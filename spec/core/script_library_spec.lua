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

  it("reads a variable of the environment, or the default", function()
    script.setenv("ANZOL_SPEC_WORD", "here")
    assert.equal('["here","fallback"]',
      value 'anzol.env("ANZOL_SPEC_WORD"), anzol.env("ANZOL_SPEC_NOT_THERE", "fallback")')
    script.setenv("ANZOL_SPEC_WORD", nil)
  end)
end)
