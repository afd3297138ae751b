-- SPDX-License-Identifier: MIT
-- Headers in a test: lists of { name, value } as they go over the wire, and tables for people, by
-- lower-case name, that find any case.
local M = {}

local meta = {
  __index = function(headers, name)
    return type(name) == "string" and rawget(headers, name:lower()) or nil
  end,
}

-- A list as a table; the values of equal names are joined by ", ".
function M.table(list)
  local headers = {}
  for _, header in ipairs(list) do
    local name = header[1]:lower()
    headers[name] = headers[name] and headers[name] .. ", " .. header[2] or header[2]
  end
  return setmetatable(headers, meta)
end

-- { [name] = value | { value, … } } as a list, by name.
function M.list(headers, what)
  local list = {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" then
      error(("%s: headers are names with values, { [\"X-Name\"] = \"value\" }"):format(what), 0)
    end
    for _, each in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1] = { name, tostring(each) }
    end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

-- The headers of all lists; of a name, only those of the last list that has it.
function M.merge(...)
  local merged, owner = {}, {}
  local lists = { ... }
  for number, list in ipairs(lists) do
    for _, header in ipairs(list) do owner[header[1]:lower()] = number end
  end
  for number, list in ipairs(lists) do
    for _, header in ipairs(list) do
      if owner[header[1]:lower()] == number then merged[#merged + 1] = header end
    end
  end
  return merged
end

return M
