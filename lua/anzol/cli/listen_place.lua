-- SPDX-License-Identifier: MIT
-- Where `anzol listen` is among the events of a server, in a file of the user's, which is on the
-- disk before the next event is forwarded.
local failure = require "anzol.cli.failure"

local M = {}

local Place = {}
Place.__index = Place

local function folder()
  local home = os.getenv "XDG_STATE_HOME"
  if not home or home == "" then home = (os.getenv "HOME" or ".") .. "/.local/state" end
  return home .. "/anzol"
end

-- One file for each of what may be listened to.
local function path_of(key)
  local name = key:gsub("[^%w._-]", "_"):sub(1, 100)
  local anzol = require "anzol"
  local digest = anzol.hex.encode(anzol.crypto.hash("sha256", key)):sub(1, 16)
  return ("%s/listen %s %s.json"):format(folder(), name, digest)
end

local function set_of(list)
  local set = {}
  for _, id in ipairs(type(list) == "table" and list or {}) do set[id] = true end
  return set
end

local function sorted(set)
  local list = {}
  for id in pairs(set) do list[#list + 1] = id end
  table.sort(list)
  return require "anzol.native".json.array(list)
end

-- what: { server, sources, events, target }. place.base is nil if it is new.
function M.open(what)
  local place = setmetatable({ path = path_of(table.concat(
    { what.server, what.sources, what.events, what.target }, " ")) }, Place)
  local file = io.open(place.path)
  if not file then return place end
  local saved = require "anzol.native".json.decode(file:read "a")
  file:close()
  local late = type(saved) == "table" and saved.late
  if type(late) ~= "table" or type(late.base) ~= "string" or type(saved.base) ~= "string" then
    place.is_damaged = true
    return place
  end
  place.base, place.seen = saved.base, set_of(saved.seen)
  place.late = { base = late.base, seen = set_of(late.seen) }
  return place
end

-- The follower's place. Raises: what is not kept would come again.
function Place:save(follower)
  local native = require "anzol.native"
  local place = follower:place()
  local ok, err = native.save(self.path, native.json.encode({ base = place.base,
    seen = sorted(place.seen), late = { base = place.late.base, seen = sorted(place.late.seen) } },
    { sort = true }))
  if not ok then
    failure.raise(failure.FAILED, "the place among the events cannot be kept: %s", err)
  end
end

return M
