-- SPDX-License-Identifier: MIT
-- The values of anzol.kv for a spec: t.kv.namespace.key, to read and to set.
local failure = require "anzol.testing.failure"

local M = {}

local function get(world, ns, key)
  local text = world.project:kv_get(ns, key)
  return text and world:decode(text, "a value of anzol.kv")
end

local function set(world, ns, key, value)
  world.project:kv_set(ns, key, value ~= nil and world:encode(value) or nil)
end

local function space(world, ns)
  return setmetatable({}, {
    __index = function(_, key) return get(world, ns, key) end,
    __newindex = function(_, key, value) set(world, ns, key, value) end,
    __pairs = function()
      local keys, place = world.project:kv_keys(ns), 0
      return function()
        place = place + 1
        if keys[place] then return keys[place], get(world, ns, keys[place]) end
      end
    end,
  })
end

function M.view(world)
  return setmetatable({}, {
    __index = function(_, ns) return space(world, ns) end,
    __newindex = function(_, ns)
      failure.raise("t.kv.%s is a namespace: set its keys, t.kv.%s.key = value", ns, ns)
    end,
  })
end

-- given: { [ns] = { [key] = value } }
function M.put(world, given)
  for ns, values in pairs(given) do
    if type(values) ~= "table" then
      failure.raise("testing.new: kv is { namespace = { key = value } }, got %s for '%s'",
        type(values), tostring(ns))
    end
    for key, value in pairs(values) do set(world, ns, key, value) end
  end
end

return M
