-- SPDX-License-Identifier: MIT
-- Who is subscribed to what at a hub: one row of kv for each pair of topic and callback, which goes
-- away by itself when its lease ends. The keys of a topic are spread evenly over hex digits, so a
-- digit more divides them.
local anzol = require "anzol.core"

local M = {}

local kept = anzol.kv("anzol.hub", { sealed = true }) -- secrets stand in it

M.DIGITS = "0123456789abcdef"

-- "%7e", "%7E" and "~" are the same (WebSub, 5.1.1): what need not be written as %XX is not.
local function plain(url)
  return (url:gsub("%%(%x%x)", function(hex)
    local char = string.char(tonumber(hex, 16))
    return char:find "[%w%-._~]" and char or "%" .. hex:upper()
  end))
end
M.plain = plain

local function digest(text) return anzol.crypto.hash("sha256", text, "hex"):sub(1, 32) end

-- The rows of a topic begin with it.
function M.prefix(hub, topic) return hub .. " " .. digest(plain(topic)) .. " " end

function M.key(hub, topic, callback) return M.prefix(hub, topic) .. digest(plain(callback)) end

-- subscriber { topic, callback, secret? }: until its lease ends, instead of the one before.
function M.put(key, subscriber, lease_s) kept:set(key, subscriber, { ttl = lease_s }) end

function M.get(key) return kept:get(key) end

function M.remove(key) kept:delete(key) end

-- The keys that begin so, at most `most`.
function M.keys(prefix, most)
  local keys = {}
  for i, row in ipairs(kept:list(prefix, most)) do keys[i] = row.key end
  return keys
end

-- The callbacks of a topic, in an order that stays, behind one of them.
function M.callbacks(hub, topic, limit, after)
  local callbacks = {}
  local behind = after and M.key(hub, topic, after)
  for i, row in ipairs(kept:list(M.prefix(hub, topic), limit, behind)) do
    callbacks[i] = row.value.callback
  end
  return callbacks
end

return M
