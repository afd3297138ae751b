-- SPDX-License-Identifier: MIT
-- Metrics of scripts: one value out of the text format of Prometheus.
local M = {}

-- name{a="1",b="2"}, labels by name, as the server writes it.
local function series_of(name, labels)
  local names, parts = {}, {}
  for label in pairs(labels) do names[#names + 1] = label end
  table.sort(names)
  for i, label in ipairs(names) do
    local value = tostring(labels[label]):gsub('[\\"]', "\\%0"):gsub("\n", "\\n")
    parts[i] = ('%s="%s"'):format(label, value)
  end
  return #parts > 0 and ("%s{%s}"):format(name, table.concat(parts, ",")) or name
end

-- A number, nil if there is no such series. Of a histogram: name_count, name_sum.
function M.read(text, name, labels)
  local series = series_of(name, labels)
  for line in text:gmatch "[^\n]+" do
    local at, value = line:match "^(.*) (%S+)$"
    if at == series then return tonumber(value) end
  end
  return nil
end

return M
