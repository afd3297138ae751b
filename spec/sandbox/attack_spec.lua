-- SPDX-License-Identifier: MIT
-- Every attack in every phase: it ends within its limits, the error names the place, and all goes
-- on. The short form takes a part of them, another one in each phase.
local attacks = require "sandbox.attacks"
local phases = require "sandbox.phases"
local rig = require "core.script_rig"
local script = rig.script

local long = os.getenv "ANZOL_LONG"

local TOLD_BYTES = 4096 + 32 -- and the place
local OVERRUN_MS = 100 -- of one C call
local STRIKES = 3 -- the fastest counts: what else the machine does only adds
local LONG_LIMIT_MS = 500
local EVERY, EVERY_LONG = 4, 12 -- which attacks the short form takes

local limits = script.phases()

local names = {}
for name in pairs(limits) do names[#names + 1] = name end
table.sort(names)

-- What memory errors may be told as, by whoever meets them.
local OUT_OF_MEMORY = { "memory", "too large", "overflow" }

local function is_told(attack, text)
  if attack.told and text:find(attack.told) then return true end
  for _, words in ipairs(OUT_OF_MEMORY) do
    if text:find(words, 1, true) then return true end
  end
  return text:find("went over its ", 1, true) ~= nil
end

local worst_ms = 0

-- -> what was told, the project, the milliseconds of CPU that it took
local function strike_once(phase, attack)
  local act, project = phases[phase](attack.code)
  local before = script.cpu_ns()
  local text = act()
  return text, project, (script.cpu_ns() - before) / 1e6
end

local function strike(phase, attack)
  local most = limits[phase] + OVERRUN_MS * rig.patience
  local text, project, ms = strike_once(phase, attack)
  local least = ms
  for _ = 2, STRIKES do
    if least <= most then break end
    rig.finish()
    text, project, ms = strike_once(phase, attack)
    least = math.min(least, ms)
  end
  local what = ("%s in %s: %s"):format(attack.name, phase, tostring(text))
  worst_ms = math.max(worst_ms, least - limits[phase])
  assert.is_true(least <= most, ("%s: %.0f ms"):format(what, least))
  if text ~= "" then
    if not attack.ends then assert.is_string(text, what) end
    assert.is_true(text == nil or is_told(attack, text), what)
    if text and text:find("went over its ", 1, true) then
      local place = phase == "settings" and "anzol%.lua:2" or "scripts/main%.lua:2"
      assert.is_truthy(text:find(place), what)
    end
    assert.is_true(text == nil or #text <= TOLD_BYTES, what)
  end
  if project then
    for _ = 1, 100 do
      local result = project:run("good", { type = "good" })
      assert.equal("handled", result.outcome, what .. ": " .. result.text)
    end
    project:memory()
    assert.is_true(project:bytes() < 8 << 20, what)
  end
end

describe("attacks", function()
  setup(function() script.quiet("none") end)
  teardown(function()
    script.quiet(true)
    if long then print(("  worst overrun: %.0f ms"):format(worst_ms)) end
  end)
  after_each(rig.finish)

  for _, phase in ipairs(names) do
    it(("end in %s, and nothing is left of them"):format(phase), function()
      assert.is_function(phases[phase], "spec/sandbox/phases.lua has no way into " .. phase)
      local every = limits[phase] < LONG_LIMIT_MS * rig.patience and EVERY or EVERY_LONG
      for i, attack in ipairs(attacks) do
        local is_there = phase ~= "settings" or not attack.code:find("anzol.", 1, true)
        -- anzol.lua is plain Lua.
        if is_there and (long or i % every == #phase % every) then
          strike(phase, attack)
          rig.finish()
        end
      end
    end)
  end
end)
