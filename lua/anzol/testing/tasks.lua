-- SPDX-License-Identifier: MIT
-- Tasks in a test: what handlers do to many (anzol.replay with filters, anzol.recover), oldest
-- first and at its rate. It goes over what is there when it begins, as the server's own does.
local M = {}

local MS_PER_S = 1000

local function has_text(text, part)
  return part == nil or text ~= nil and text:find(part, 1, true) ~= nil
end

local matches = {}

function matches.delivery(world, task, delivery)
  local source = task.source and world.handling:source_of(delivery.event_id)
  return (not task.endpoint or delivery.endpoint == task.endpoint)
    and (not task.type or delivery.type == task.type)
    and (not task.state or delivery.state == task.state)
    and source == task.source and has_text(delivery.reason, task.contains)
end

function matches.event(world, task, event)
  return (not task.source or event.source == task.source)
    and (not task.type or event.type == task.type)
    and (not task.state or world.handling.state_of(event) == task.state)
    and has_text(world.handling.error_of(event), task.contains)
end

local function made_ms(row) return row.received_at_ms or row.created_at_ms end

local function choose(world, task)
  local list = task.kind == "event" and world.handling.events or world.sending.deliveries
  local chosen = {}
  for _, row in ipairs(list) do
    local at_ms = made_ms(row)
    if at_ms >= task.since_ms and at_ms < task.until_ms then chosen[#chosen + 1] = row end
  end
  return chosen
end

-- One after another: what does not match when its turn comes takes none.
local function walk(world, task, chosen, place)
  local row = chosen[place]
  while row and not matches[task.kind](world, task, row) do
    place = place + 1
    row = chosen[place]
  end
  if not row then return end
  local doer = task.kind == "event" and world.handling or world.sending
  doer:do_by_hand { verb = task.verb, id = row.id, subscription = task.subscription,
    has_new_ids = task.has_new_ids }
  local wait_ms = task.rate_per_s > 0 and math.ceil(MS_PER_S / task.rate_per_s) or 0
  world.timeline:after(wait_ms, function() walk(world, task, chosen, place + 1) end)
end

function M.begin(world, task)
  walk(world, task, choose(world, task), 1)
end

return M
