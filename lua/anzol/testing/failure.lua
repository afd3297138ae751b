-- SPDX-License-Identifier: MIT
-- Errors of a test, told where the spec stands and not where this library does.
local core = require "anzol.core"

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

-- "; did you mean 'timeout'?", if one of the names was probably meant.
local function guess(name, names)
  local meant = core.nearest(name, names)
  return meant and ("; did you mean '%s'?"):format(meant) or ""
end

-- Raises for what a test has not; names: what it has.
function M.unknown_name(name, names, what)
  M.raise("there is no '%s' in %s%s", name, what, guess(name, names))
end

-- Raises for a key of options that is not among names.
function M.check_options(options, names, what)
  if type(options) ~= "table" then M.raise("%s takes a table, got %s", what, type(options)) end
  for key in pairs(options) do
    local is_known = false
    for _, name in ipairs(names) do is_known = is_known or name == key end
    if not is_known then
      M.raise("unknown option '%s' for %s%s", tostring(key), what, guess(tostring(key), names))
    end
  end
end

-- " (there are a, b)" for a name that is not there.
function M.known(names)
  if #names == 0 then return " (there is none)" end
  return (" (there are: %s)"):format(table.concat(names, ", "))
end

return M
