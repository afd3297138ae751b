-- SPDX-License-Identifier: MIT
-- anzol tail: events or attempts as they come, until it is broken off.
local client = require "anzol.cli.client"
local screen = require "anzol.cli.console"
local failure = require "anzol.cli.failure"
local follow = require "anzol.cli.follow"
local known = require "anzol.cli.known"
local type_pattern = require "anzol.cli.type_pattern"

local M = {
  name = "tail",
  summary = "Follow events or attempts as they come.",
  description = [[
Print a line for each event that comes in, or each attempt that was made, until Ctrl-C. It outlives
a server that is started again or cannot be reached for a while, and leaves nothing out.

  anzol tail                                    events
  anzol tail events --source github --type 'github.pull_request.*'
  anzol tail attempts --endpoint crm --status 4xx,5xx
  anzol tail attempts --where 'durationMs > 1000' -o json

In --where stand the fields that -o json shows; what it gives decides.]],
}

local LOST_MS = 500 -- between tries of a server that is away
local LAST_MAX = 249

-- "12:00:00.000" of an instant: whoever looks on knows the day.
local function time_of(instant) return instant:match "T(.-)Z" or instant end

local kinds = {
  events = {
    path = "/api/v1/event",
    first_id = "evt_00000000000", -- before all
    has_late = true,
    line = function(row)
      return ("%s  %s  %s  %s  %d bytes"):format(time_of(row.receivedAt), row.id, row.source,
        row.type, row.bodyBytes)
    end,
  },
  attempts = {
    path = "/api/v1/attempt",
    first_id = "atmpt_00000000000",
    line = function(row)
      local plain = client.plain
      return ("%s  %s  %s  %s  number %d: %s in %d ms"):format(time_of(row.startedAt), row.id,
        plain(row.endpoint) or "-", plain(row.type) or "-", row.number,
        plain(row.error) or plain(row.status) or "-", row.durationMs)
    end,
  },
}

function M.configure(parser)
  parser:argument("kind", "events (default) or attempts."):choices { "events", "attempts" }
    :default "events"
  parser:option("--source", "Only events of this source."):argname "NAME"
  parser:option("--endpoint", "Only attempts to this endpoint."):argname "NAME"
  parser:option("--type", "Only of types that match: github.push, 'stripe.invoice.*', '**'.")
    :argname "PATTERN"
  parser:option("--status", "Only attempts answered so: 503, 5xx; several with commas.")
    :argname "STATUS"
  parser:option("--where", "Only where this Lua expression is true."):argname "LUA"
  parser:option("-n --last", "Begin with so many that are there already, at most 249.", "0")
    :argname "N":convert(function(text)
      local number = math.tointeger(tonumber(text))
      if number and number >= 0 and number <= LAST_MAX then return number end
      return nil, "--last: a whole number from 0 to 249"
    end)
end

-- ---- Which rows are meant -----------------------------------------------------------------------

local function type_matcher(pattern)
  local matches = type_pattern.matcher(pattern)
  return function(row) return matches(tostring(row.type)) end
end

local function status_matcher(list)
  local wanted = {}
  for word in list:gmatch "[^,]+" do
    if not word:find "^[1-5]%d%d$" and not word:find "^[1-5]xx$" then
      failure.raise(failure.USAGE, "--status %s: 503 or 5xx, several with commas", list)
    end
    wanted[word] = true
  end
  return function(row)
    local status = tostring(client.plain(row.status) or "")
    return wanted[status] or wanted[status:sub(1, 1) .. "xx"] or false
  end
end

-- Fields are the expression's globals; JSON null is nil there.
local function where_matcher(expression)
  local row
  local fields = setmetatable({}, { __index = function(_, name)
    local value = client.plain(row[name])
    if value == nil then return _G[name] end
    return value
  end })
  local chunk, err = load("return " .. expression, "=--where", "t", fields)
  if not chunk then failure.raise(failure.USAGE, "%s", err) end
  return function(this)
    row = this
    local ok, value = pcall(chunk)
    if not ok then failure.raise(failure.USAGE, "%s", value) end
    return value
  end
end

local function matchers(options)
  local list = {}
  if options.type then list[#list + 1] = type_matcher(options.type) end
  if options.status then list[#list + 1] = status_matcher(options.status) end
  if options.where then list[#list + 1] = where_matcher(options.where) end
  return list
end

local function check(options)
  if options.kind == "events" and (options.endpoint or options.status) then
    failure.raise(failure.USAGE, "--endpoint and --status are of attempts: anzol tail attempts")
  end
  if options.kind == "attempts" and options.source then
    failure.raise(failure.USAGE, "--source is of events; attempts have --endpoint and --type")
  end
end

-- ---- Following ----------------------------------------------------------------------------------

local Tail = {}
Tail.__index = Tail

function Tail:print(row)
  for _, matches in ipairs(self.matchers) do
    if not matches(row) then return end
  end
  local native = require "anzol.native"
  if self.console:is_json() then
    self.console:data(native.json.encode(row, { sort = true }) .. "\n")
  else
    self.console:data(screen.clean_line(self.kind.line(row)) .. "\n")
  end
  screen.flush()
end

function Tail:begin()
  known.check(self.options, self.console, self.options)
  for _, row in ipairs(self.follower:begin(self.options.last)) do self:print(row) end
end

function Tail:look()
  self.follower:look(function(row) self:print(row) end)
end

-- One step; while the server is away for a time it is tried again, and that is told once.
function Tail:turn(step)
  local ok, err = pcall(step, self)
  if ok then
    if self.is_lost then self.console:say "the server is back" end
    self.is_lost = false
    return
  end
  local may_pass = type(err) == "table"
    and (err.code == failure.UNREACHABLE or err.code == failure.TRY_AGAIN)
  if not self.has_begun or not may_pass then error(err, 0) end
  if not self.is_lost then self.console:talk("anzol: " .. err.message .. "; waiting for it") end
  self.is_lost = true
end

function M.run(options, console)
  check(options)
  local native = require "anzol.native"
  local kind = kinds[options.kind]
  local follower = follow.new { options = options, console = console, path = kind.path,
    first_id = kind.first_id, has_late = kind.has_late,
    query = { { "source", options.source }, { "endpoint", options.endpoint } } }
  local tail = setmetatable({ options = options, console = console, kind = kind,
    matchers = matchers(options), follower = follower }, Tail)
  tail:turn(tail.begin)
  tail.has_begun = true
  while true do
    native.sleep_ms(tail.is_lost and LOST_MS or follower:rest_ms())
    tail:turn(tail.look)
  end
end

return M
