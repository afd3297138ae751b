-- SPDX-License-Identifier: MIT
-- Lines of the log as rows: { level, message, fields, script, event_id, at_ms }. What a script
-- logged has its own message; any other line has the event's name.
local M = {}

-- name="JSON text" or name=word, one after another.
local function parse(details, world)
  local fields, place = {}, 1
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
    fields[name] = text
    place = stop + 1
  end
  return fields
end

function M.row(line, world)
  local fields = parse(line.details, world)
  local row = { level = line.level, at_ms = line.at_ms, message = line.event, fields = fields }
  if line.event == "script" then
    row.message, row.script, row.event_id = fields.message, fields.script, fields.event
    fields.message, fields.script, fields.event = nil, nil, nil
  end
  return row
end

return M
