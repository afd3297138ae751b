-- SPDX-License-Identifier: MIT
-- What a hub says at the callback of a subscription: its verifications, and content. Hooks of the
-- source, and the handler that keeps what was granted.
local anzol = require "anzol.core"

local M = {}

local LEASE_S = 86400 -- of a hub that does not say
local LEASE_MAX_S = 366 * 86400
local digests = { sha1 = true, sha256 = true, sha384 = true, sha512 = true }
local types = { subscribe = "websub.subscribed", unsubscribe = "websub.unsubscribed",
  denied = "websub.denied" }

local kept = anzol.kv("anzol.websub", { sealed = true })

local function text_of(value) return type(value) == "string" and value or "" end

-- Whether it is what was asked for, or may be said at any time.
local function is_wanted(asked, query)
  if text_of(query["hub.topic"]) ~= asked.self then return false end
  local mode = query["hub.mode"]
  return mode == "denied" or (mode == asked.mode and text_of(query["hub.challenge"]) ~= "")
end

local function is_signed(asked, req)
  local digest, given = text_of(req.headers["x-hub-signature"]):match "^(%w+)=(%x+)$"
  if not digest or not digests[digest:lower()] then return false end
  return anzol.crypto.equal(given:lower(),
    anzol.crypto.hmac(digest:lower(), asked.secret, req.body, "hex"))
end

-- A hub must not learn that a signature was wrong: it gets its 2xx, and nothing is stored.
local function drop(name)
  anzol.metric.counter("websub_dropped_total", { source = name }):inc()
  if anzol.cache("anzol.websub"):add(name, true, { ttl = "1m" }) then
    anzol.log.warn("content without the right X-Hub-Signature dropped", { source = name })
  end
  return { status = 202 }
end

local function is_over(asked, name)
  if asked.mode ~= "unsubscribe" then return false end
  local granted = kept:get(name .. " granted")
  return asked.step == "over" or (granted and granted.mode == "unsubscribe")
end

-- Answers what is not to go on. Made of the hub's words alone, nothing of the request comes back.
function M.judge(name, req)
  local asked = kept:get(name)
  if not asked or not asked.self
    or not anzol.crypto.equal(text_of(req.query.token), asked.token) then
    return { status = 404, body = "no such subscription" }
  elseif req.method == "GET" then
    if is_wanted(asked, req.query) then return nil end
    return { status = 404, body = "this was not asked for" }
  elseif is_over(asked, name) then
    return { status = 410, body = "the subscription is over" }
  elseif req.method == "POST" and not is_signed(asked, req) then
    return drop(name)
  end
end

-- The challenge comes back, as bytes that no browser takes for more.
function M.respond(own)
  return function(req)
    if req.method ~= "GET" then return own and own(req) end
    if req.query["hub.mode"] == "denied" then return { status = 200 } end
    return { body = req.query["hub.challenge"],
      headers = { ["Content-Type"] = "application/octet-stream" } }
  end
end

function M.type(name, own)
  return function(req)
    if req.method == "GET" then return types[req.query["hub.mode"]] end
    if type(own) == "function" then return own(req) end
    return own or name
  end
end

-- What was granted, as of the hub's last word.
function M.note(name, event)
  local key = name .. " granted"
  local last, query = kept:get(key), event.query
  if last and last.at_ms > event.received_at_ms then return end
  local lease_s = tonumber(text_of(query["hub.lease_seconds"]):match "^%d+$" or LEASE_S)
  local granted = { mode = query["hub.mode"], topic = query["hub.topic"],
    at_ms = event.received_at_ms, lease_s = math.max(1, math.min(lease_s, LEASE_MAX_S)) }
  kept:set(key, granted)
  if granted.mode == "denied" then
    event.log.warn("subscription denied", { websub = name, reason = query["hub.reason"] })
  end
end

return M
