-- SPDX-License-Identifier: MIT
-- Lines of the log as rows: { level, message, fields, script, event_id, at_ms }. What a script
-- logged has its own message; any other line has the event's name.
local M = {}

-- name="JSON text" or name=word, one after another: { { name, text }, … }.
local function parse(details, world)
  local list, place = {}, 1
  while true do
    local from, name_end, name = details:find("^%s*([%w_.-]+)=", place)
    if not from then break end
    local text, stop
    if details:sub(name_end + 1, name_end + 1) == '"' then
      stop = name_end + 2
      while stop <= #details and details:sub(stop, stop) ~= '"' do
        stop = stop + (details:sub(stop, stop) == "\\" and 2 or 1)
      end
      local quoted = details:sub(name_end + 1, stop)
      text = world.project:decode(quoted) or quoted
    else
      stop = (details:find("%s", name_end + 1) or #details + 1) - 1
      text = details:sub(name_end + 1, stop)
    end
    list[#list + 1] = { name, text }
    place = stop + 1
  end
  return list
end

-- What the server puts first into a line of a script; fields of the script may have the same names.
local own = { { "message", "message" }, { "script", "script" }, { "event", "event_id" } }

function M.row(line, world)
  local list = parse(line.details, world)
  local row = { level = line.level, at_ms = line.at_ms, message = line.event, fields = {} }
  if line.event == "script" then
    for _, pair in ipairs(own) do
      if list[1] and list[1][1] == pair[1] then row[pair[2]] = table.remove(list, 1)[2] end
    end
  end
  for _, field in ipairs(list) do row.fields[field[1]] = field[2] end
  return row
end

return M
