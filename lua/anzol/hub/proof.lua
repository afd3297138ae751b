-- SPDX-License-Identifier: MIT
-- What events of a hub's distribution carry, so that nobody else's pass for them: types may come
-- from senders. A random text of each hub, made when it first publishes.
local anzol = require "anzol.core"

local M = {}

local kept = anzol.kv("anzol.hub", { sealed = true })
local known = {} -- [hub] = text, as it was committed

local function key(hub) return hub .. " proof" end

-- In the run that publishes.
function M.give(hub)
  local text = kept:get(key(hub))
  if text then return text end
  text = anzol.hex.encode(anzol.crypto.random(16))
  kept:set(key(hub), text)
  return text
end

function M.is_good(hub, text)
  known[hub] = known[hub] or kept:get(key(hub))
  return known[hub] ~= nil and type(text) == "string" and anzol.crypto.equal(text, known[hub])
end

return M
