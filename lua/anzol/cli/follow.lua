-- SPDX-License-Identifier: MIT
-- Rows of a list of the server as they come: each once, oldest first, from a place on that whoever
-- follows may keep. Ids are given a little before their rows are stored, so one with a smaller id
-- may come later: the place moves to an id when that was there for settle_ms, or is by so much
-- older than one that was stored.
--
-- The list of events says which one was stored last, and waits until it is another; other lists are
-- asked again and again.
local client = require "anzol.cli.client"

local M = {}

local PAGE_ROWS = 250
local POLL_MS = 500
local PAUSE_MS = 100 -- between looks that wait, however much comes
local WAIT = "25s"   -- less than a request may take

local Follower = {}
Follower.__index = Follower

-- spec: options, console: of the command; path; first_id: before all others; query?: filters, as
-- { name, value }; settle_ms; heeds_keys?: a key at the terminal ends a look. place?: where to go
-- on, { base, seen = { [id] = true } }.
function M.new(spec, place)
  place = place or {}
  return setmetatable({ spec = spec, base = place.base, seen = place.seen or {}, marks = {} },
    Follower)
end

local DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

-- When an id was given: milliseconds since some time.
local function ms_of(id)
  local number = 0
  for digit in id:match "_(%w+)$":gmatch "." do
    number = number * 62 + DIGITS:find(digit, 1, true) - 1
  end
  return number >> 22
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

-- Begins behind all that is there, of which it gives the last rows, oldest first.
function Follower:begin(count)
  local page = ask(self, { { "limit", count + 1 } }, self.spec.query)
  local rows = {}
  for i = math.min(count, #page.data), 1, -1 do
    rows[#rows + 1] = page.data[i]
    self.seen[page.data[i].id] = true
  end
  local before = page.data[count + 1]
  self.base = count == 0 and stored_last_of(self, page) or before and before.id
    or self.spec.first_id
  return rows
end

-- Begins behind what came before then (Unix milliseconds).
function Follower:begin_at(at_ms)
  local page = ask(self, { { "limit", 1 }, { "until", ("%d"):format(at_ms) } })
  self.base = page.data[1] and page.data[1].id or self.spec.first_id
end

-- id: none above it had been stored when it was noted. The place moves to those that were noted
-- long enough before the look that began then.
local function settle(follower, id, began_ms)
  local marks = follower.marks
  if id and not (marks[#marks] and marks[#marks].id == id) then
    marks[#marks + 1] = { id = id, at_ms = require "anzol.native".mono_ms() }
  end
  while marks[1] and marks[1].at_ms <= began_ms - follower.spec.settle_ms do
    local settled = table.remove(marks, 1).id
    if settled > follower.base then follower.base = settled end
  end
  for seen in pairs(follower.seen) do
    if seen <= follower.base then follower.seen[seen] = nil end
  end
end

-- The row is dealt with; in a look, which goes up from the place.
function Follower:see(id)
  local last = self.last_known
  if last and ms_of(id) + self.spec.settle_ms <= ms_of(last) then
    self.base = id
  else
    self.seen[id] = true
  end
end

-- A look at what came: on_row(row) for each row that was not seen, which it may see() itself. If it
-- raises or gives false before, the look is over, and that row comes again.
function Follower:look(on_row)
  local began_ms = require "anzol.native".mono_ms()
  local iterator, wait = "-" .. self.base, self.stored_last and WAIT
  local stored_last, newest
  repeat
    local page = ask(self, { { "limit", PAGE_ROWS }, { "iterator", iterator }, { "wait", wait },
      { "stored_last", wait and self.stored_last } }, self.spec.query)
    if not page then return end
    stored_last = stored_last or stored_last_of(self, page)
    self.last_known = stored_last
    for i = #page.data, 1, -1 do
      local row = page.data[i]
      if not self.seen[row.id] then
        if on_row(row) == false then return end
        self:see(row.id)
      end
    end
    newest = page.data[1] and page.data[1].id or newest
    iterator, wait = client.plain(page.prevIterator), nil
  until page.done or not iterator
  self.stored_last = stored_last
  settle(self, stored_last or newest, began_ms)
end

-- How long to rest before the next look.
function Follower:rest_ms() return self.stored_last and PAUSE_MS or POLL_MS end

return M
