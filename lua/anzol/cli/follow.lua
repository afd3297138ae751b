-- SPDX-License-Identifier: MIT
-- Rows of a list of the server as they come: each once, oldest first, from a place on that whoever
-- follows may keep.
--
-- Attempts have their ids in the order in which they are stored. Events have theirs before, so they
-- go in two lanes: those that are stored soon by their ids, where the place moves no further than
-- the server says that nothing else comes (settled); and those that were stored late, as they were
-- stored. The list of events says which one was stored last, too, and waits until it is another;
-- other lists are asked again and again.
local client = require "anzol.cli.client"

local M = {}

local PAGE_ROWS = 250
local POLL_MS = 500
local PAUSE_MS = 100 -- between looks that wait, however much comes
local WAIT = "25s"   -- less than a request may take

local Follower = {}
Follower.__index = Follower

-- A lane's place: base: all up to it are dealt with; seen: those above it that are, too.
local function new_lane(late, place)
  return { late = late, base = place.base, seen = place.seen or {} }
end

-- spec: options, console: of the command; path; first_id: before all others; has_late?: it is the
-- list of events; query?: filters, as { name, value }; heeds_keys?: a key at the terminal ends a
-- look. place?: where to go on, as follower:place() gave it.
function M.new(spec, place)
  place = place or {}
  local self = setmetatable({ spec = spec, lanes = {} }, Follower)
  self.lanes[1] = new_lane(spec.has_late and "false" or nil, place)
  if spec.has_late then self.lanes[2] = new_lane("true", place.late or {}) end
  return self
end

-- { base, seen = { [id] = true }, late? = the same of those that were stored late }
function Follower:place()
  local first, late = self.lanes[1], self.lanes[2]
  return { base = first.base, seen = first.seen,
    late = late and { base = late.base, seen = late.seen } }
end

-- nil: broken off by a key.
local function ask(follower, query, filters)
  local spec = follower.spec
  for _, row in ipairs(filters or {}) do query[#query + 1] = row end
  local answer = client.request(spec.options, spec.console,
    { path = spec.path, query = query, heeds_keys = spec.heeds_keys })
  return answer and client.decode(answer)
end

local function stored_last_of(follower, page)
  if page.storedLast == nil then return nil end
  return client.plain(page.storedLast) or follower.spec.first_id
end

-- The newest of a lane, of those before an instant: what comes, comes behind it.
local function newest(follower, lane, until_ms)
  local page = ask(follower, { { "limit", 1 }, { "late", lane.late },
    { "until", until_ms and ("%d"):format(until_ms) } })
  local iterator = client.plain(page.prevIterator)
  return iterator and iterator:sub(2) or follower.spec.first_id, page.settled
end

-- Begins behind all that is there, of which it gives the last rows, oldest first. What is there
-- above the place was seen, whether or not it is given.
function Follower:begin(count)
  local first, late = self.lanes[1], self.lanes[2]
  if late then late.base = newest(self, late) end
  local rows, iterator, settled = {}, nil, nil
  first.base, first.seen = nil, {}
  repeat
    local page = ask(self, { { "limit", PAGE_ROWS }, { "iterator", iterator } }, self.spec.query)
    if not settled then
      settled = page.settled or page.data[1] and page.data[1].id or self.spec.first_id
      local stored_last = stored_last_of(self, page)
      first.base = stored_last and stored_last <= settled and stored_last or settled
    end
    for _, row in ipairs(page.data) do
      if #rows < count then rows[#rows + 1] = row end
      if row.id > first.base then first.seen[row.id] = true end
    end
    iterator = client.plain(page.iterator)
  until page.done or not iterator or iterator <= first.base
  local oldest_first = {}
  for i = #rows, 1, -1 do
    oldest_first[#oldest_first + 1] = rows[i]
    if late then late.seen[rows[i].id] = true end
  end
  return oldest_first
end

-- Begins behind what came before then (Unix milliseconds).
function Follower:begin_at(at_ms)
  for _, lane in ipairs(self.lanes) do
    local base, settled = newest(self, lane, at_ms)
    local is_settled = lane.late == "true" or base <= settled
    lane.base, lane.seen = is_settled and base or settled, {}
  end
end

-- The row is dealt with; in a look, which goes up from the place.
function Follower:see(id)
  local lane = self.lane
  if lane.late ~= "true" and (not lane.settled or id <= lane.settled) then
    lane.base = id
  else
    lane.seen[id] = true
  end
end

-- All up to there is dealt with.
local function move(lane, id)
  if id > lane.base then lane.base = id end
  for seen in pairs(lane.seen) do
    if lane.late == "true" or seen <= lane.base then lane.seen[seen] = nil end
  end
end

-- A look at what came in one lane. False: it is over before.
local function look(self, lane, on_row)
  local iterator = "-" .. lane.base
  local wait = lane == self.lanes[1] and self.stored_last and WAIT or nil
  local is_first = true
  self.lane = lane
  repeat
    local page = ask(self, { { "limit", PAGE_ROWS }, { "late", lane.late },
      { "iterator", iterator }, { "wait", wait }, { "stored_last", wait and self.stored_last } },
      self.spec.query)
    if not page then return false end
    if is_first and lane == self.lanes[1] then
      lane.settled, self.next_stored_last = page.settled, stored_last_of(self, page)
    end
    for i = #page.data, 1, -1 do
      local row = page.data[i]
      if not lane.seen[row.id] and on_row(row) == false then return false end
      self:see(row.id)
    end
    iterator, wait, is_first = client.plain(page.prevIterator), nil, false
    if lane.late == "true" and iterator then move(lane, iterator:sub(2)) end
  until page.done or not iterator
  return true
end

-- A look at what came: on_row(row) for each row that was not seen, which it may see() itself. If it
-- raises or gives false before, the look is over, and that row comes again.
function Follower:look(on_row)
  local first, late = self.lanes[1], self.lanes[2]
  if not look(self, first, on_row) then return end
  -- What was stored last some time ago is a place too: filters may leave nothing to move to.
  local mark = self.mark or first.base
  local is_settled = not first.settled or mark <= first.settled
  move(first, is_settled and mark or first.base)
  self.mark = is_settled and self.next_stored_last or mark
  self.stored_last = self.next_stored_last
  if late then look(self, late, on_row) end
end

-- How long to rest before the next look.
function Follower:rest_ms() return self.stored_last and PAUSE_MS or POLL_MS end

return M
