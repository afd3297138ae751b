-- SPDX-License-Identifier: MIT
-- What a check or a refused reload found, as compilers print it, one a line:
-- file:line: level: message (hint).
local clean = require "anzol.cli.console".clean_line
local client = require "anzol.cli.client"

local M = {}

function M.print(console, findings)
  for _, finding in ipairs(findings) do
    local line = client.plain(finding.line)
    local place = finding.file .. (line and line > 0 and ":" .. line or "")
    local hint = client.plain(finding.hint)
    console:data(("%s%s: %s%s\n"):format(place ~= "" and clean(place) .. ": " or "",
      console:paint_state(finding.level), clean(finding.message),
      hint and " (" .. clean(hint) .. ")" or ""))
  end
end

-- By file and line; what is about no file comes last. Of equal ones the first stays.
function M.sort(findings)
  for i, finding in ipairs(findings) do finding.order = i end
  table.sort(findings, function(a, b)
    if a.file ~= b.file then return a.file ~= "" and (b.file == "" or a.file < b.file) end
    if a.line ~= b.line then return a.line < b.line end
    return a.order < b.order
  end)
  for _, finding in ipairs(findings) do finding.order = nil end
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
