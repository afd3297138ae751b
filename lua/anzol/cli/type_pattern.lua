-- SPDX-License-Identifier: MIT
-- Patterns of types of events, as anzol.on takes them.
local failure = require "anzol.cli.failure"

local M = {}

-- A function that judges a type. "*" is one segment, "**" one or more, last only.
function M.matcher(pattern)
  local segments = {}
  for segment in (pattern .. "."):gmatch "([^.]*)%." do
    local is_name = segment:find "^[%w_%-]+$"
    if segments[#segments] == ".+" or not (is_name or segment == "*" or segment == "**") then
      failure.raise(failure.USAGE, "'%s' is no pattern of types: segments with dots between, of "
        .. "which '*' is any one and '**' at the end any that follow", pattern)
    end
    segments[#segments + 1] = segment == "**" and ".+" or segment == "*" and "[^.]+"
      or segment:gsub("%-", "%%-")
  end
  local lua = "^" .. table.concat(segments, "%.") .. "$"
  return function(type) return type:find(lua) ~= nil end
end

return M
