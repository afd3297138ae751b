-- SPDX-License-Identifier: MIT
-- Spans of time as people write and read them; --since and --until: an instant, or so long ago.
local failure = require "anzol.cli.failure"

local M = {}

local units = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }

-- "2h" -> milliseconds; nil: no such span.
function M.parse(text)
  local number, unit = text:match "^(%d+%.?%d*)(%a+)$"
  return units[unit] and math.floor(tonumber(number) * units[unit])
end

local largest_first = { "d", "h", "m", "s" }

-- 93784000 -> "1d 2h": its largest unit and the next smaller one. "": less than a second.
function M.text(ms)
  local parts = {}
  for _, unit in ipairs(largest_first) do
    local number = ms // units[unit]
    ms = ms % units[unit]
    if number > 0 then parts[#parts + 1] = ("%d%s"):format(number, unit) end
    if #parts == 2 or #parts == 1 and number == 0 then break end
  end
  return table.concat(parts, " ")
end

-- Unix milliseconds are those from 1973 on: a smaller number was meant as something else.
local UNIX_MS_MIN = 100000000000

-- "2h" -> Unix milliseconds as text; an instant stays as it is: the server reads it.
local function convert(text)
  local number, unit = text:match "^(%d+%.?%d*)(%a*)$"
  if number and unit == "" and tonumber(number) < UNIX_MS_MIN then
    failure.raise(failure.USAGE, "'%s': a number alone is Unix milliseconds, that was in %s; so "
      .. "long ago is 250ms, 5s, 10m, 2h, 7d", text, os.date("!%Y", tonumber(number) // 1000))
  end
  if text:find "^%d%d%d%d%-" or unit == "" then return text end
  local ago_ms = M.parse(text)
  if not ago_ms then
    failure.raise(failure.USAGE, "'%s': 250ms, 5s, 10m, 2h, 7d, or an instant such as "
      .. "2026-03-02T08:00:00Z", text)
  end
  local native = require "anzol.native"
  return ("%d"):format(native.now_ms() - ago_ms)
end

function M.add(parser)
  parser:option("--since", "Only what came then or later: so long ago (2h) or an instant.")
    :argname "TIME":convert(convert)
  parser:option("--until", "Only what came before."):argname "TIME":convert(convert)
end

return M
