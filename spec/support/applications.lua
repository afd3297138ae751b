-- SPDX-License-Identifier: MIT
-- A server, a receiver that it may send to, and applications that register endpoints there and publish:
-- for specs of what applications are sent.
local Receiver = require "support.receiver"
local Server = require "support.server"
local assert = require "luassert"
local resources = require "support.resources"
local wait = require "support.wait"

local Applications = {}
Applications.__index = Applications

Applications.settings = [[return { guard = { allow = { "127.0.0.0/8" } } }]]
local ARRIVAL_MS = 10000

-- options: of Server.new, but that nothing has to be said. Close it.
function Applications.start(options)
  local all = { settings = Applications.settings, scripts = { ["main.lua"] = "" } }
  for name, value in pairs(options or {}) do all[name] = value end
  local server = Server.start(all)
  return setmetatable({ server = server, call = resources(server), receiver = Receiver.start(), count = 0, came = {} },
    Applications)
end

function Applications:close()
  self.server:close()
  self.receiver:stop()
end

-- A call that must be answered so: the decoded body.
function Applications:want(status, ...)
  local body, got, text = self.call(...)
  assert.equal(status, got, text)
  return body
end

-- A new application: its path, "/app/app-1", and what it is.
function Applications:application(fields)
  self.count = self.count + 1
  local uid = "app-" .. self.count
  local all = { name = "A", uid = uid }
  for name, value in pairs(fields or {}) do all[name] = value end
  return "/app/" .. uid, self:want(201, "POST", "/app", all)
end

-- An endpoint of it. Its receiver's path is its uid's unless a url is given.
function Applications:endpoint(path, fields)
  local all = { url = self.receiver:url("/" .. (fields.uid or "")) }
  for name, value in pairs(fields) do all[name] = value end
  return self:want(201, "POST", path .. "/endpoint", all)
end

function Applications:publish(path, fields, headers)
  local all = { eventType = "a", payload = { a = 1 } }
  for name, value in pairs(fields or {}) do all[name] = value end
  return self:want(202, "POST", path .. "/msg", all, headers)
end

-- All that came to a path of the receiver, once it is that much.
function Applications:await(place, count)
  wait.until_true(("%d requests at %s"):format(count, place), ARRIVAL_MS, function()
    return #self:arrived(place) >= count
  end)
  return self:arrived(place)
end

-- All that came to a path of the receiver so far.
function Applications:arrived(place)
  for _, record in ipairs(self.receiver:take()) do
    self.came[record.path] = self.came[record.path] or {}
    table.insert(self.came[record.path], record)
  end
  return self.came[place] or {}
end

return Applications
