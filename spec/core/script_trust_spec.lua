-- SPDX-License-Identifier: MIT
-- trust = "full" and c_modules of anzol.lua: what the sandbox takes, given back.
local rig = require "core.script_rig"
local script = rig.script

local function load(settings, text)
  return rig.load { files = {
    ["anzol.lua"] = "return { " .. settings .. " }",
    ["scripts/main.lua"] = 'local anzol = require "anzol" ' .. text,
  } }
end

local function run(settings, body)
  local project, _, why = load(settings, ('anzol.on("**", { name = "main" }, function(event) %s end)')
    :format(body))
  if not project then error(why, 2) end
  return project:run("main", {})
end

describe("trust = \"full\"", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("gives ordinary Lua back", function()
    local result = run('trust = "full"', [[
      assert(io.open("/nowhere/at/all") == nil and io.type(io.stdout) == "file")
      assert(os.getenv "PATH" and io.type(io.popen "true") == "file" and os.tmpname)
      assert(debug.getregistry() and package.loadlib and #string.dump(function() end) > 0)
      assert(load(string.dump(function() return 1 end), "x", "b")() == 1)
      setmetatable({}, { __gc = function() end, __mode = "k" })
      assert(require "lfs".currentdir() and collectgarbage() == 0)
      string.mine = 1
    ]])
    assert.equal("", result.text or "")
    assert.equal("handled", result.outcome)
  end)

  it("gives every name back that was taken out", function()
    -- None of them does anything with a table, but os.tmpname; debug.debug would read from the terminal.
    local result = run('trust = "full"', ([[
      for name in ("%s"):gmatch "%%S+" do
        local value = _G
        for part in name:gmatch "[^.]+" do value = value[part] end
        if name ~= "debug.debug" then
          local ok, why = pcall(value, {})
          assert(not tostring(why):find "not available", name)
          if name == "os.tmpname" then assert(ok and os.remove(why)) end
        end
      end
      assert(#package.cpath > 0)
    ]]):format(table.concat(rig.removed, " ")))
    assert.equal("", result.text or "")
    assert.equal("handled", result.outcome)
  end)

  it("keeps the limits of jobs, and their waits", function()
    assert.matches("CPU limit", run('trust = "full"', "while true do end").text)
    assert.matches("CPU limit",
      run('trust = "full"', "return ('a'):rep(40):find(('a*'):rep(20) .. 'b')").text)
    assert.matches("memory limit",
      run('trust = "full"', "local t = {} while true do t[#t + 1] = {} end").text)
    assert.equal("handled",
      run('trust = "full"', "coroutine.wrap(function() anzol.sleep(0.001) end)()").outcome)
  end)

  it("is what the message on a name that was taken out tells of", function()
    assert.matches('io.open is not available in scripts: trust = "full" in anzol.lua gives it back',
      run("", "io.open 'x'").text, 1, true)
    assert.matches("os.rename is not available in anzol.lua$",
      select(2, script.settings(rig.dir { ["anzol.lua"] = "os.rename('a', 'b')" })))
  end)
end)

describe("c_modules", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("names the C modules that scripts may require", function()
    assert.equal("handled", run('c_modules = { "lfs" }', 'assert(require "lfs".currentdir())').outcome)
    assert.matches("c_modules in anzol.lua names those that may be loaded",
      run('c_modules = { "lfs" }', 'error(select(2, pcall(require, "term.core")), 0)').text, 1, true)
  end)

  it("has them where Lua has them, whatever a script makes of package.cpath", function()
    local result = run('c_modules = { "lfs" }',
      'package.cpath = "/nowhere/?.so" assert(require "lfs".currentdir())')
    assert.equal("", result.text or "")
  end)
end)
