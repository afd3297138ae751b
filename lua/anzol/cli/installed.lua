-- SPDX-License-Identifier: MIT
-- Files that lie beside the program: under its prefix when installed, under build/ when not.
local failure = require "anzol.cli.failure"

local M = {}

local function is_readable(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The prefix below which this file is.
function M.prefix(path)
  local dir = require "anzol.native".program():match "^(.*)/[^/]*$"
  for _, prefix in ipairs { dir .. "/..", dir } do
    if is_readable(prefix .. "/" .. path) then return prefix end
  end
  failure.raise(failure.UNREACHABLE, "%s is in neither %s/.. nor %s: install the whole of Anzol "
    .. "(cmake --install), not the program alone", path, dir, dir)
end

return M
