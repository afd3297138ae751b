-- SPDX-License-Identifier: MIT
-- Every name that a script can reach, by a walk over _G and what is in it, held against
-- spec/sandbox/names.txt: a function that nobody meant to give fails here.
local rig = require "core.script_rig"
local script = rig.script

local GOLDEN = "spec/sandbox/names.txt"
local MEND = "look at each; then: ANZOL_WRITE_NAMES=1 ./dev test spec/sandbox/names_spec.lua"

local WALK = [[
  local seen, lines = {}, {}
  local function walk(name, value)
    lines[#lines + 1] = name .. " " .. type(value)
    local meta = debug.getmetatable(value)
    if type(meta) == "table" then walk(name .. "<metatable>", meta) end
    if type(value) ~= "table" or seen[value] then return end
    seen[value] = true
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
      if type(key) == "string" then walk(name .. "." .. key, value[key]) end
    end
  end
  walk("anzol", anzol)
  for _, library in ipairs { "coroutine", "debug", "io", "math", "os", "string", "table", "utf8" } do
    walk(library, _G[library])
  end
  seen[package.loaded], seen[package.preload] = true, true
  walk("_G", _G)
  walk("event.log", event.log)
  event:emit("names", { text = table.concat(lines, "\n") .. "\n" })
]]

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function set_of(text)
  local set = {}
  for line in text:gmatch "[^\n]+" do set[line] = true end
  return set
end

local function missing(from, other)
  local list = {}
  for line in pairs(from) do
    if not other[line] then list[#list + 1] = line end
  end
  table.sort(list)
  return list
end

describe("the names that a script reaches", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("are those of " .. GOLDEN, function()
    local result = rig.handled(WALK, { body = "{}" })
    local text = require "dkjson".decode(result.emits[1].body).text
    if os.getenv "ANZOL_WRITE_NAMES" then
      local file = assert(io.open(GOLDEN, "wb"))
      file:write(text)
      file:close()
    end
    local known, there = set_of(read(GOLDEN)), set_of(text)
    assert.same({}, missing(there, known), "new names; " .. MEND)
    assert.same({}, missing(known, there), "names are gone; " .. MEND)
  end)
end)
