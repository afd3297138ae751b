-- SPDX-License-Identifier: MIT
-- What was measured: one row a figure, the median of its runs, with the goal it has, if any;
-- printed as a table and kept for JSON.
local M = {}

local Figures = {}
Figures.__index = Figures

function M.new() return setmetatable({ rows = {} }, Figures) end

function M.median(values)
  local sorted = { table.unpack(values) }
  table.sort(sorted)
  local middle = #sorted // 2
  return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) / 2
end

-- figure{ id, name, unit, runs (numbers), at_least? | at_most? }. Returns the median.
function Figures:add(figure)
  figure.median = M.median(figure.runs)
  local goal = figure.at_least or figure.at_most
  if goal then
    figure.is_met = figure.at_least and figure.median >= goal or
      figure.at_most and figure.median <= goal or false
  end
  self.rows[#self.rows + 1] = figure
  return figure.median
end

function Figures:heading(text) self.rows[#self.rows + 1] = { heading = text } end

local function number(value, unit)
  if unit == "/s" or unit == "instructions" then
    local text, count = ("%.0f"):format(value), 1
    while count > 0 do text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2") end
    return text .. (unit == "/s" and "/s" or "")
  end
  local digits = math.abs(value) < 10 and 2 or 1
  return ("%%.%df%%s"):format(digits):format(value, unit == "" and "" or " " .. unit)
end

function Figures:print(write)
  for _, row in ipairs(self.rows) do
    if row.heading then
      write(("\n%s\n"):format(row.heading))
    else
      local goal = row.at_least and "≥ " .. number(row.at_least, row.unit) or
        row.at_most and "≤ " .. number(row.at_most, row.unit) or ""
      -- ≥ and ≤ are three bytes and one column.
      local pad = (" "):rep(math.max(0, 16 - utf8.len(goal)))
      write(("  %-46s %16s   %s%s %s\n"):format(row.name, number(row.median, row.unit), goal, pad,
        row.is_met == nil and "" or row.is_met and "reached" or "missed"))
    end
  end
end

-- Plain rows for JSON.
function Figures:list()
  local list = {}
  for _, row in ipairs(self.rows) do
    if not row.heading then list[#list + 1] = row end
  end
  return list
end

return M
