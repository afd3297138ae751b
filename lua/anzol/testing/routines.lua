-- SPDX-License-Identifier: MIT
-- Crons, everys and polls in a test: when each runs by the test's clock, and what its run commits.
local failure = require "anzol.testing.failure"

local Routines = {}
Routines.__index = Routines

local M = {}

local ITEM_KEY_WINDOW_MS = 7 * 86400000 -- as the store's

-- Each is on the timeline from now on.
function M.new(world)
  local list = world.project:routines()
  local routines = setmetatable({ world = world, list = list, running = 0 }, Routines)
  for number, routine in ipairs(routines.list) do
    routine.number, routine.turn = number, 0
    if routine.kind ~= "sse" then routines:wait(routine, routine.due_ms) end
  end
  return routines
end

-- Until it is due; what was waited for before counts no more.
function Routines:wait(routine, due_ms)
  routine.turn = routine.turn + 1
  local turn = routine.turn
  self.world.timeline:at(due_ms, function()
    if routine.turn == turn then self:run(routine) end
  end)
end

function Routines:run(routine, is_forced)
  local result = { on_finished = function(result) self:finish(routine, result) end }
  routine.turn = routine.turn + 1
  routine.is_running = true
  self.running = self.running + 1
  self.world:in_force()
  local turn, due_ms = self.world.project:run_routine(routine.number, {
    is_forced = is_forced and 1, is_lost = self.world.handling:take_lost(),
    message = routine.message }, result)
  if turn == "run" then return end
  routine.is_running = false
  self.running = self.running - 1
  self:wait(routine, due_ms)
end

-- What a run committed.
local function take(self, result)
  if result.event then self.world.handling:keep(result.event) end
  for _, entry in ipairs(result.deliveries) do
    self.world.sending:add(entry.delivery, entry.delay_ms, entry.order_key)
  end
  for _, handle in ipairs(result.emits) do self.world.handling:add(handle, ITEM_KEY_WINDOW_MS) end
  self.world.handling:do_changes(result)
  if result.news then self.world.handling:tell(result.news) end
end

function Routines:finish(routine, result)
  routine.is_running = false
  self.running = self.running - 1
  if not result.is_over then return self:run(routine, true) end
  take(self, result)
  routine.error, routine.is_seen = result.error, false
  routine.last = { items = result.items, error = result.error, why = result.why,
    wait_ms = result.wait_ms, next_ms = result.next_ms }
  if routine.kind == "sse" and not result.is_again then return end
  self:wait(routine, result.next_ms)
end

local function names_of(self, kinds)
  local names = {}
  for _, routine in ipairs(self.list) do
    if kinds[routine.kind] then names[#names + 1] = routine.name end
  end
  return names
end

-- Runs one of these kinds now, whatever its time; how it ended.
function Routines:run_now(name, kinds, call)
  for _, routine in ipairs(self.list) do
    if routine.name == name and kinds[routine.kind] then
      if not routine.is_running then self:run(routine, true) end
      self.world:settle(function() return routine.is_running end)
      routine.is_seen = true
      return routine.last
    end
  end
  failure.raise("%s: there is none called '%s'%s", call, tostring(name),
    failure.known(names_of(self, kinds)))
end

-- The next message of a stream; how its run ended, tries included.
function Routines:message(name, message)
  for _, routine in ipairs(self.list) do
    if routine.name == name and routine.kind == "sse" then
      routine.message = message
    end
  end
  return self:run_now(name, { sse = true }, "t:message")
end

-- Appends the failures that the spec did not look at.
function Routines:add_unseen_failures(lines)
  for _, routine in ipairs(self.list) do
    if routine.error and not routine.is_seen then
      lines[#lines + 1] = ("the last run of %s '%s' failed, and the spec did not look at it:\n%s")
        :format(routine.kind, routine.name, routine.error)
    end
  end
end

return M
