-- SPDX-License-Identifier: MIT
-- Events in a test and their runs: which subscriptions, how many at a time, what a run commits,
-- when it runs again.
local batches = require "anzol.testing.batches"
local headers = require "anzol.testing.headers"
local tasks = require "anzol.testing.tasks"

local Handling = {}
Handling.__index = Handling

local M = {}

local MESSAGES_PER_EVENT = 254
local UNTYPED = "anzol.untyped"
local EMIT_KEY_WINDOW_MS = 86400000 -- as the store's

function M.new(world)
  local lanes = world.project:subscriptions()
  for _, lane in ipairs(lanes) do
    lane.running, lane.waiting, lane.first = 0, {}, 1
  end
  local handling = setmetatable({ world = world, lanes = lanes, events = {}, keys = {}, lines = {},
    lost_commits = 0, publishers = {} }, Handling)
  handling.batches = batches.new(world.timeline, function(run) handling:queue(run) end)
  return handling
end

-- ---- Events for people ----

-- What is only known when it is asked for. Whoever asks for errors or runs has seen the failures.
local event_fields = {
  error = function(event) return Handling.error_of(event) end,
  skipped = function(event)
    for _, run in ipairs(event.hidden.runs) do
      if run.skipped then return run.skipped end
    end
  end,
  runs = function(event) return event.hidden.runs end,
  json = function(event) return event.hidden.world:decode(event.body, "the event's body") end,
}
local tells_failures = { error = true, runs = true }

local event_meta = {
  __index = function(event, key)
    local field = event_fields[key]
    if not field then return nil end
    if tells_failures[key] then event.hidden.is_seen = true end
    return field(event)
  end,
}

local function make_event(self, handle)
  local event = handle:fields()
  event.headers = headers.table(event.headers)
  event.hidden = { world = self.world, handle = handle, runs = {} }
  return setmetatable(event, event_meta)
end

-- ---- Runs ----

-- Whether the commit of the run that starts now is to be lost.
function Handling:take_lost()
  if self.lost_commits == 0 then return nil end
  self.lost_commits = self.lost_commits - 1
  return 1
end

local function pump(self, lane)
  while lane.first <= #lane.waiting and lane.running < lane.concurrency do
    local run = lane.waiting[lane.first]
    lane.waiting[lane.first] = false
    lane.first = lane.first + 1
    lane.running = lane.running + 1
    run.result = { on_finished = function(result) self:finish(run, result) end }
    self.world:in_force()
    self.world.project:run(run.subscription_number, run.event.hidden.handle, {
      number = run.number + 1, first_ordinal = run.first_ordinal,
      ordinal_count = run.ordinal_count, is_ordered = run.line and 1,
      is_lost = self:take_lost(), members = batches.members(run),
    }, run.result)
  end
  if lane.first > #lane.waiting then lane.waiting, lane.first = {}, 1 end
end

function Handling:queue(run)
  self.world.timeline:soon(function()
    local lane = self.lanes[run.subscription_number]
    table.insert(lane.waiting, run)
    pump(self, lane)
  end)
end

local function later(self, run, delay_ms)
  run.state = "retrying"
  run.due_ms = self.world.timeline.now_ms + delay_ms
  self.world.timeline:at(run.due_ms, function()
    run.due_ms = nil
    self:queue(run)
  end)
end

-- ---- Order ----

local function start(self, run)
  local due_ms = run.event.due_ms
  if due_ms > self.world.timeline.now_ms then
    self.world.timeline:at(due_ms, function() self:queue(run) end)
  else
    self:queue(run)
  end
end

-- The runs of one key stand in a line: the first one goes.
local function stand_in_line(self, run, key)
  local name = run.subscription .. "\0" .. key
  run.line = self.lines[name] or {}
  self.lines[name] = run.line
  table.insert(run.line, run)
  return run.line[1] == run
end

local function leave_line(self, run)
  self.batches:leave(run)
  if not run.line then return end
  table.remove(run.line, 1)
  if run.line[1] then start(self, run.line[1]) end
end

local function die(self, run)
  batches.each(run, function(one)
    one.state, one.error, one.number = "dead", run.error, run.number
    self.world:add_dead_letter({ kind = one.subscription == "type" and "type" or "handler",
      subscription = one.subscription, reason = one.error, event = one.event,
      event_id = one.event.id })
  end)
  leave_line(self, run)
end

local outcomes = {}

-- What a run sends. A message that was published goes out once, by the first run that says so.
local function send(self, run, deliveries)
  for _, entry in ipairs(deliveries) do
    local event_id = entry.is_published and entry.delivery:fields().event_id
    if event_id then self.publishers[event_id] = self.publishers[event_id] or run end
    if not event_id or self.publishers[event_id] == run then
      self.world.sending:add(entry.delivery, entry.delay_ms, entry.order_key)
    end
  end
end

function outcomes.handled(self, run, result)
  run.number = run.number + 1
  batches.each(run, function(one) one.state, one.error, one.number = "handled", nil, run.number end)
  send(self, run, result.deliveries)
  for _, handle in ipairs(result.emits) do self:add(handle, EMIT_KEY_WINDOW_MS) end
  leave_line(self, run)
  self:do_changes(result)
end

function outcomes.skipped(self, run, result)
  run.number = run.number + 1
  batches.each(run, function(one)
    one.state, one.skipped, one.error, one.number = "skipped", result.text, nil, run.number
  end)
  leave_line(self, run)
end

function outcomes.retry_later(self, run, result)
  run.number = math.max(run.number, 1)
  later(self, run, result.delay_ms)
end

function outcomes.failed(self, run, result)
  run.number = run.number + 1
  run.error = result.text
  local delay_ms = not result.is_hopeless and self.world.project:rerun_delay(run.number)
  if delay_ms then later(self, run, delay_ms) else die(self, run) end
end

function outcomes.cancelled(self, run) self:queue(run) end

function Handling:finish(run, result)
  local lane = self.lanes[run.subscription_number]
  lane.running = lane.running - 1
  outcomes[result.outcome](self, run, result)
  pump(self, lane)
end

-- What a run did by hand: to one, and to many.
function Handling:do_changes(result)
  for _, change in ipairs(result.changes) do
    local doer = change.id:find "^evt_" and self or self.world.sending
    doer:do_by_hand(change)
  end
  for _, task in ipairs(result.tasks) do tasks.begin(self.world, task) end
end

-- ---- By hand ----

-- The source of an event without a type is asked again; what it says is an event of its own.
local function retype(self, run)
  local handle, why = self.world.project:retype(run.event.hidden.handle)
  run.number = run.number + 1
  if handle then
    run.state, run.error = "handled", nil
    self:add(handle, EMIT_KEY_WINDOW_MS)
  else
    run.error = why
    die(self, run)
  end
end

-- Runs again, in the line of its order key if it has one.
local function reopen(self, run)
  if run.event.type == UNTYPED then return retype(self, run) end
  run.state, run.number, run.error, run.skipped = "pending", 0, nil, nil
  if not run.order_key or stand_in_line(self, run, run.order_key) then self:queue(run) end
end

local by_hand = {}

function by_hand.retry(self, run)
  if run.state ~= "dead" then return false end
  reopen(self, run)
end

function by_hand.drop(_, run, change)
  if run.state ~= "dead" then return false end
  run.state, run.skipped, run.error = "skipped", change.reason, nil
end

-- With new ids its messages go into the upper half of its places.
function by_hand.replay(self, run, change)
  if run.state == "pending" or run.state == "retrying" then return false end
  if change.has_new_ids then
    run.ordinal_count = run.ordinal_count // 2
    run.first_ordinal = run.first_ordinal + run.ordinal_count
  end
  reopen(self, run)
end

function Handling:find(id)
  for i = #self.events, 1, -1 do
    if self.events[i].id == id then return self.events[i] end
  end
end

-- False: there is no such event, or none of its runs is in a state for it.
function Handling:do_by_hand(change)
  local event, count = self:find(change.id), 0
  for _, run in ipairs(event and event.hidden.runs or {}) do
    local is_meant = not change.subscription or run.subscription == change.subscription
    if is_meant and by_hand[change.verb](self, run, change) ~= false then count = count + 1 end
  end
  return count > 0
end

local function add_runs(self, event)
  local runs = event.hidden.runs
  if event.type == UNTYPED then
    runs[1] = { subscription = "type", number = 1, event = event, error = event.hidden.reason }
    return die(self, runs[1])
  end
  local numbers, order_keys, specs = self.world.project:match(event.hidden.handle)
  if #numbers == 0 then
    return send(self, event, self.world.project:fan_out(event.hidden.handle) or {})
  end
  local share = MESSAGES_PER_EVENT // #numbers
  for i, number in ipairs(numbers) do
    runs[i] = {
      subscription = self.lanes[number].name, subscription_number = number, number = 0,
      state = "pending", event = event, first_ordinal = 1 + (i - 1) * share, ordinal_count = share,
    }
  end
  for i, run in ipairs(runs) do
    if specs[i] then
      self.batches:join(run, specs[i])
    elseif not order_keys[i] or stand_in_line(self, run, order_keys[i]) then
      start(self, run)
    end
    run.order_key = not specs[i] and order_keys[i] or nil
  end
end

-- ---- What comes in ----

-- The event that has this key already, if it is young enough. What is emitted has keys of its own,
-- by type.
local function duplicate_of(self, event, window_ms)
  if event.key == "" then return nil end
  local space = event.parent_id and event.source .. " " .. event.type or event.source
  local keys = self.keys[space] or {}
  self.keys[space] = keys
  local first = keys[event.key]
  if first and event.received_at_ms - first.received_at_ms <= window_ms then return first end
  keys[event.key] = event
  return nil
end

-- Stores an event that was admitted or emitted; reason: why it has no type. Returns it, and whether
-- it is an older one's repeat.
function Handling:add(handle, window_ms, reason)
  local event = make_event(self, handle)
  event.hidden.reason = reason
  local first = duplicate_of(self, event, window_ms)
  if first then return first, true end
  table.insert(self.events, event)
  add_runs(self, event)
  return event, false
end

-- Stores what messages of a routine are of: no run is of it.
function Handling:keep(handle)
  table.insert(self.events, make_event(self, handle))
end

-- The state of an event as lists have it: the worst of its runs.
local worst_first = { "dead", "retrying", "pending", "skipped", "handled" }

local function state_of(event)
  local states = {}
  for _, run in ipairs(event.hidden.runs) do states[run.state] = true end
  for _, state in ipairs(worst_first) do
    if states[state] then return state end
  end
  return "handled"
end

Handling.state_of = state_of

-- Why one of its runs failed; nil: none did. The spec has not seen it by that.
function Handling.error_of(event)
  for _, run in ipairs(event.hidden.runs) do
    if run.error then return run.error end
  end
end

-- All events, for anzol.events.
function Handling:rows()
  local rows = {}
  for i, event in ipairs(self.events) do
    rows[i] = { event = event.hidden.handle, state = state_of(event) }
  end
  return rows
end

-- How deep the chain is that an event belongs to.
function Handling:depth_of(id)
  local event = self:find(id)
  return event and event.depth or 0
end

function Handling:source_of(id)
  local event = self:find(id)
  return event and event.source
end

-- An event that the server makes of what happened; nil: no script asks.
function Handling:tell(handle)
  if handle then self:add(handle, 0) end
end

-- Appends the failures that the spec did not look at.
function Handling:add_unseen_failures(lines)
  for _, event in ipairs(self.events) do
    for _, run in ipairs(event.hidden.runs) do
      if run.error and not event.hidden.is_seen then
        lines[#lines + 1] = ("the run of %s for event %s (%s) failed, and the spec did not look at "
          .. "it:\n%s"):format(run.subscription, event.id, event.type, run.error)
      end
    end
  end
end

return M
