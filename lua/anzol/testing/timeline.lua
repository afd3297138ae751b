-- SPDX-License-Identifier: MIT
-- The order of things in a test: what is to do now, first come first served, and what is due later,
-- by time and then by the order in which it was asked for.
local Timeline = {}
Timeline.__index = Timeline

local M = {}

function M.new(now_ms)
  return setmetatable({
    now_ms = now_ms, ready = {}, first = 1, last = 0, heap = {}, count = 0, sequence = 0,
  }, Timeline)
end

function Timeline:soon(action)
  self.last = self.last + 1
  self.ready[self.last] = action
end

-- The next thing to do now, taken away; nil: nothing.
function Timeline:take_ready()
  if self.first > self.last then return nil end
  local action = self.ready[self.first]
  self.ready[self.first] = nil
  self.first = self.first + 1
  return action
end

local function is_before(a, b)
  if a.at_ms ~= b.at_ms then return a.at_ms < b.at_ms end
  return a.sequence < b.sequence
end

function Timeline:at(at_ms, action)
  self.sequence = self.sequence + 1
  local timer = { at_ms = math.max(at_ms, self.now_ms), sequence = self.sequence, action = action }
  local heap, place = self.heap, self.count + 1
  self.count = place
  while place > 1 and is_before(timer, heap[place // 2]) do
    heap[place] = heap[place // 2]
    place = place // 2
  end
  heap[place] = timer
end

function Timeline:after(delay_ms, action)
  if delay_ms <= 0 then return self:soon(action) end
  self:at(self.now_ms + delay_ms, action)
end

local function take_first(self)
  local heap, first = self.heap, self.heap[1]
  local moved = heap[self.count]
  heap[self.count] = nil
  self.count = self.count - 1
  if self.count == 0 then return first end
  local place = 1
  while true do
    local child = place * 2
    if child > self.count then break end
    if child < self.count and is_before(heap[child + 1], heap[child]) then child = child + 1 end
    if not is_before(heap[child], moved) then break end
    heap[place] = heap[child]
    place = child
  end
  heap[place] = moved
  return first
end

-- When the next timer is due; nil: there is none.
function Timeline:next_ms()
  return self.count > 0 and self.heap[1].at_ms or nil
end

-- Moves the clock and makes ready all that is due then.
function Timeline:leap(to_ms)
  self.now_ms = to_ms
  while self:next_ms() == to_ms do self:soon(take_first(self).action) end
end

return M
