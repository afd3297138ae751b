-- SPDX-License-Identifier: MIT
-- string.find, match, gmatch and gsub (core/script/pattern*.c): what stock Lua says, with an end.
local rig = require "core.script_rig"
local script = rig.script

local long = os.getenv "ANZOL_LONG"

describe("patterns", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("say what those of stock Lua say", function()
    local seeds, pairs_each = long and 20 or 1, 50000
    for seed = 1, seeds do
      local text, pattern, ours, stock = script.patterns(pairs_each, seed)
      if text then
        error(("seed %d: %q with %q\nours  %s\nstock %s"):format(seed, text, pattern, ours, stock))
      end
    end
  end)

  it("take as many items as there is memory for", function()
    assert.equal("handled", rig.run([[
      local pattern = ("[ab]"):rep(1000) .. "(c+)()"
      assert(("xx" .. ("ab"):rep(500) .. "cc"):match(pattern) == "cc")
      for c in ("ab"):rep(500):gmatch(("%a"):rep(1000)) do assert(#c == 1000) end
      assert((("ab"):rep(500)):gsub(("%a"):rep(1000), "x") == "x")
      assert(("a"):find(("a?"):rep(5000)) == 1)
    ]]).outcome)
  end)

  it("are stopped at the limit of who runs them", function()
    for _, attack in ipairs {
      [[("a"):rep(40):find(("a*"):rep(20) .. "b")]],
      [[("a"):rep(40):match(("a-"):rep(20) .. "b")]],
      [[("a"):rep(40):gsub(("a?"):rep(40) .. "b", "")]],
      [[for _ in ("a"):rep(40):gmatch(("a*"):rep(20) .. "b") do end]],
      [[("("):rep(1 << 20):find("%b()")]],
      [[("a"):rep(1 << 20):find(".-b")]],
      [[local s = ("ab"):rep(1 << 18) while true do s:find(s:sub(1, -2) .. "c", 1, true) end]],
    } do
      local project = rig.handler(attack)
      local before = script.cpu_ns()
      local result = project:run("main", {})
      local ms = (script.cpu_ns() - before) / 1e6
      assert.matches("^scripts/main%.lua:3: 'handler' went over its CPU limit", result.text, attack)
      assert.is_true(ms < (500 + 100) * rig.patience, attack .. ": " .. ms .. " ms")
    end
  end)

  it("let callbacks of gsub raise and call, not wait", function()
    assert.matches("main%.lua:3: boom", rig.run("('x'):gsub('x', function() error 'boom' end)").text)
    assert.matches("cannot wait inside a callback", rig.run("('x'):gsub('x', function() anzol.sleep(1) end)").text)
    assert.equal("handled", rig.run([[
      assert((("a b"):gsub("%a", function(c) return c:gsub(".", "%0%0") .. c:upper() end)) == "aaA bbB")
    ]]).outcome)
  end)
end)
