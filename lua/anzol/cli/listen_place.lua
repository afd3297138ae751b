-- SPDX-License-Identifier: MIT
-- Where `anzol listen` is among the events of a server, in a file of the user's: since when it
-- looks, and which events it has seen since then.
local M = {}

local Place = {}
Place.__index = Place

local function folder()
  local home = os.getenv "XDG_STATE_HOME"
  if not home or home == "" then home = (os.getenv "HOME" or ".") .. "/.local/state" end
  return home .. "/anzol"
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- One file for each of what may be listened to.
local function path_of(options)
  local key = table.concat({ options.server, options.sources, options.events, options.target }, " ")
  return folder() .. "/listen " .. key:gsub("[^%w._-]", "_"):sub(1, 180) .. ".json"
end

-- options{ server, sources, events, target, overlap_ms }. place.since_ms is nil if it is new.
function M.open(options)
  local place = setmetatable({ path = path_of(options), seen = {},
    overlap_ms = options.overlap_ms }, Place)
  local file = io.open(place.path)
  local saved = file and require "anzol.native".json.decode(file:read "a")
  if file then file:close() end
  if type(saved) ~= "table" or type(saved.since_ms) ~= "number" then return place end
  place.since_ms = saved.since_ms
  for id, at_ms in pairs(saved.seen or {}) do place.seen[id] = at_ms end
  return place
end

-- Unix milliseconds of an instant that the API tells.
local function ms_of(instant)
  local year, month, day, hour, min, sec, ms =
    instant:match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)%.(%d+)Z$"
  local days = os.time { year = year, month = month, day = day, hour = 12 }
  local zero = os.time { year = 1970, month = 1, day = 1, hour = 12 }
  return math.floor((days - zero) / 86400 + 0.5) * 86400000
    + ((hour * 60 + min) * 60 + sec) * 1000 + ms | 0
end

local function save(place)
  os.execute("mkdir -p " .. quote(folder()))
  local text = require "anzol.native".json.encode({ since_ms = place.since_ms,
    seen = next(place.seen) and place.seen or nil }, { sort = true })
  local file = io.open(place.path .. ".new", "w")
  if not file then return end
  file:write(text)
  file:close()
  os.rename(place.path .. ".new", place.path)
end

function Place:begin(at_ms)
  self.since_ms, self.seen = at_ms, {}
  save(self)
end

-- The event is dealt with. What is older than the overlap need not be known any more.
function Place:see(id, received_at)
  local at_ms = ms_of(received_at)
  self.seen[id] = at_ms
  if at_ms - self.overlap_ms > self.since_ms then
    self.since_ms = at_ms - self.overlap_ms
    for known, known_ms in pairs(self.seen) do
      if known_ms < self.since_ms then self.seen[known] = nil end
    end
  end
  save(self)
end

return M
