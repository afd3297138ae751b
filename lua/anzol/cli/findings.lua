-- SPDX-License-Identifier: MIT
-- What a check or a refused reload found, as compilers print it: file:line: level: message.
local clean = require "anzol.cli.console".clean
local client = require "anzol.cli.client"

local M = {}

function M.print(console, findings)
  for _, finding in ipairs(findings) do
    local line = client.plain(finding.line)
    local place = finding.file .. (line and line > 0 and ":" .. line or "")
    console:data(("%s: %s: %s\n"):format(clean(place), console:paint_state(finding.level),
      clean(finding.message)))
    local hint = client.plain(finding.hint)
    if hint then console:data("  hint: " .. clean(hint) .. "\n") end
  end
end

-- How many errors and warnings.
function M.count(findings)
  local errors, warnings = 0, 0
  for _, finding in ipairs(findings) do
    if finding.level == "error" then errors = errors + 1 else warnings = warnings + 1 end
  end
  return errors, warnings
end

return M
