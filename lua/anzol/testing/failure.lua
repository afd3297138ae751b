-- SPDX-License-Identifier: MIT
-- Errors of a test, told where the spec stands and not where this library does.
local M = {}

-- The level of the spec's own line, as seen by the caller of error.
local function spec_level()
  local level = 3
  while true do
    local info = debug.getinfo(level, "S")
    if not info then return 0 end
    if info.what ~= "C" and not info.source:find("anzol[/\\]testing[^/\\]*[/\\]?[%w_]*%.lua$") then
      return level - 1
    end
    level = level + 1
  end
end

function M.raise(format, ...)
  error(select("#", ...) > 0 and format:format(...) or format, spec_level())
end

-- The folder of the spec's file; nil: it has none.
function M.spec_file()
  local level = 2
  while true do
    local info = debug.getinfo(level, "S")
    if not info then return nil end
    if info.what ~= "C" and info.source:sub(1, 1) == "@"
      and not info.source:find("anzol[/\\]testing[^/\\]*[/\\]?[%w_]*%.lua$") then
      return info.source:sub(2)
    end
    level = level + 1
  end
end

local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local corner = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      corner, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, corner + cost)
    end
  end
  return row[#b]
end

-- The name of the list that was probably meant.
local function nearest(name, names)
  local best, best_distance
  for _, candidate in ipairs(names) do
    local steps = distance(name, candidate)
    if steps <= math.max(1, #name // 3) and (not best or steps < best_distance) then
      best, best_distance = candidate, steps
    end
  end
  return best
end

-- Raises for a key of options that is not among names.
function M.check_options(options, names, what)
  if type(options) ~= "table" then M.raise("%s takes a table, got %s", what, type(options)) end
  for key in pairs(options) do
    local is_known = false
    for _, name in ipairs(names) do is_known = is_known or name == key end
    if not is_known then
      local meant = nearest(tostring(key), names)
      M.raise("unknown option '%s' for %s%s", tostring(key), what,
        meant and ("; did you mean '%s'?"):format(meant) or "")
    end
  end
end

-- " (there are a, b)" for a name that is not there.
function M.known(names)
  if #names == 0 then return " (there is none)" end
  return (" (there are: %s)"):format(table.concat(names, ", "))
end

return M
