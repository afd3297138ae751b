-- SPDX-License-Identifier: MIT
-- anzol.re: regular expressions (core/script/bind_re.c).
local rig = require "core.script_rig"
local script = rig.script

describe("anzol.re", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("finds, matches, and names groups", function()
    rig.handled [[
      local re = anzol.re
      assert(select("#", re.find("a1b22", "\\d+")) == 2)
      local from, to, digits = re.find("a1b22", "b(\\d+)")
      assert(from == 3 and to == 5 and digits == "22")
      assert(re.find("a1b22", "\\d+", 3) == 4 and re.find("abc", "\\d") == nil)
      assert(re.match("v1.2", "(\\d)\\.(\\d)") == "1" and re.match("xyz", "y.") == "yz")
      assert(re.match("ac", "a(b)?c") == nil and re.match("abc", "(?<=a)b") == "b")
      local groups = re.groups("2026-11-27", "(?<year>\\d+)-(?<month>\\d+)(-(x))?")
      assert(groups[0] == "2026-11" and groups.year == "2026" and groups.month == "11")
      assert(groups[1] == "2026" and groups[4] == nil and re.groups("", "a") == nil)
      local it = re.compile("^ä # comment", "ixmu")
      assert(it:find("x\nÄ") == 3 and it:match("ä") == "ä" and re.compile("a.b", "s"):find("a\nb"))
    ]]
  end)

  it("goes through all matches, as Lua's functions do", function()
    rig.handled [[
      local re = anzol.re
      local words = {}
      for word in re.gmatch("one two", "\\w+") do words[#words + 1] = word end
      assert(table.concat(words, ",") == "one,two")
      for _, case in ipairs {
        { "abc", "", "-" }, { "abc", "x*", "-" }, { "aXbX", "X", "%0%0" }, { "abc", "b*", "." },
        { "", "", "x" }, { "hello", "l+", "<%0>" }, { "a%b", "%%", "%%%%" },
      } do
        local ours, count = re.gsub(case[1], case[2] == "%%" and "%" or case[2], case[3])
        local stock, stock_count = case[1]:gsub(case[2], case[3])
        assert(ours == stock and count == stock_count, ours .. " " .. stock)
      end
      assert(re.gsub("k=v", "(\\w)=(\\w)", "%2=%1") == "v=k")
      assert(re.gsub("a b", "\\w", { a = 1 }) == "1 b" and re.gsub("aaa", "a", "b", 2) == "bba")
      assert(re.gsub("a1", "([a-z])(\\d)", function(a, d) return d .. a end) == "1a")
      assert(table.concat(re.split("a, b,c", ",\\s*"), "|") == "a|b|c")
      assert(table.concat(re.split("abc", ""), "|") == "a|b|c" and #re.split("", ",") == 1)
    ]]
  end)

  it("refuses a pattern that is none, with its place", function()
    local why = rig.refusal [[local re = anzol.re.compile("a(b")]]
    assert.matches("scripts/main.lua:1: anzol.re: missing closing parenthesis, at 4", why, 1, true)
    assert.matches("unknown flag 'q'", rig.run("anzol.re.compile('a', 'q')").text)
    assert.matches("no group of the pattern", rig.run("anzol.re.gsub('a', 'a', '%1')").text)
    assert.matches("longer than 65536", rig.run("anzol.re.compile(('a'):rep(65537))").text)
    assert.matches("more than 99 groups", rig.run("anzol.re.compile(('(a)'):rep(100))").text)
    assert.matches("using \\C is disabled", rig.run("anzol.re.compile('\\\\C')").text, 1, true)
  end)

  it("gives an Error for text that takes too many steps, within the limits", function()
    rig.handled [[
      local it = anzol.re.compile("^(a+)+$")
      local text = ("a"):rep(40) .. "b"
      local found, err = it:find(text)
      assert(found == nil and err.code == "regex_limit" and not err.retryable)
      assert(select(2, it:match(text)).code == "regex_limit")
      assert(select(2, it:gsub(text, "")).code == "regex_limit")
      assert(not pcall(function() for _ in it:gmatch(text) do end end))
      assert(it:find("aaaa") == 1)
    ]]
    local before = script.cpu_ns()
    local result = rig.run [[local it = anzol.re.compile("^(a+)+$")
      while true do it:find(("a"):rep(40) .. "b") end]]
    assert.matches("CPU limit", result.text)
    assert.is_true(script.cpu_ns() - before < 600e6 * rig.patience)
  end)

  it("keeps its memory within the job's, and forgets what was compiled by the way", function()
    -- Large ones: of many small ones, collecting at the limit may take all of the CPU limit.
    assert.matches("memory", rig.run([[
      local kept = {}
      for i = 1, 1e6 do kept[i] = anzol.re.compile("(?:[ac]b){500}" .. i) end
    ]]).text)
    local project = rig.handler([[for i = 1, 2000 do assert(anzol.re.find("x" .. i, "x" .. i)) end]])
    local bytes = project:bytes()
    assert.equal("", project:run("main", {}).text or "")
    assert.is_true(project:bytes() < bytes + (1 << 20))
  end)
end)
