-- SPDX-License-Identifier: MIT
-- The way of content to the subscribers of a topic: published, divided until a part has few enough
-- of them, then an event for each, which goes to its subscriber in the order of publication, and
-- again and again if it fails. All of it is durable; a kill repeats what was not answered at most.
local anzol = require "anzol.core"
local proof = require "anzol.hub.proof"
local subscribers = require "anzol.hub.subscribers"

local M = {}

local PART = 200 -- subscribers that one run makes events for
local PART_BYTES = 8 * 1024 * 1024 -- of their content, about
local TIMEOUT = "10s"
local TOPIC_BYTES = "1MiB"
local REDIRECTS = 5
local AGAIN_MIN_S, AGAIN_MAX_S = 5, 3600 -- between tries, which become rarer with the content's age
local HOST = { failures = 30, window = "30s", cooldown = "30s", half_open = 4 }
local PATIENCE_S = 6 * 3600 -- then the runs fail, until they are dead letters

local function type_of(hub, step) return ("hub.%s.%s"):format(hub.name, step) end

-- Bytes as JSON may hold them.
local function pack(data)
  if not utf8.len(data.body) then data.body, data.base64 = nil, anzol.base64.encode(data.body) end
  return data
end

local function body_of(data) return data.body or anzol.base64.decode(data.base64) end

-- run: the event, tick or poll whose run it commits with.
function M.publish(hub, run, topic, content)
  run:emit(type_of(hub, "published"),
    pack { topic = topic, content_type = content.content_type, body = content.body,
      proof = proof.give(hub.name) })
end

local function is_ours(hub, event) return proof.is_good(hub.name, event.data.proof) end
local NOT_OURS = "this hub did not publish it"

-- A publisher says that a topic changed: what it is now is published.
function M.fetch(hub, event)
  local form = event.data
  local topic = form["hub.url"] or form["hub.topic"]
  local res, err = anzol.http.get(topic, { redirects = REDIRECTS, max_body = TOPIC_BYTES,
    allow_private = hub.allow_private })
  if not res then return nil, err end
  if not res.ok then return nil, res:error() end
  M.publish(hub, event, topic, { body = res.body,
    content_type = res.headers["content-type"] or "application/octet-stream" })
end

-- One part of the subscribers: all whose key begins so.
function M.divide(hub, event)
  if not is_ours(hub, event) then return anzol.skip(NOT_OURS) end
  local data = event.data
  local prefix = data.prefix or subscribers.prefix(hub.name, data.topic)
  local most = math.max(1, math.min(PART, PART_BYTES // #event.body))
  local keys = subscribers.keys(prefix, most + 1)
  if #keys > most then
    for digit in subscribers.DIGITS:gmatch "." do
      data.prefix = prefix .. digit
      event:emit(type_of(hub, "published"), data)
    end
    return
  end
  data.prefix = nil
  for _, key in ipairs(keys) do
    data.key = key
    event:emit(type_of(hub, "due"), data)
  end
end

local function headers_of(hub, subscriber, data, body)
  local headers = {
    ["Content-Type"] = data.content_type,
    ["Link"] = ('<%s>; rel="hub", <%s>; rel="self"'):format(hub.public_url, data.topic),
  }
  if subscriber.secret then
    headers["X-Hub-Signature"] = ("%s=%s"):format(hub.signature,
      anzol.crypto.hmac(hub.signature, subscriber.secret, body, "hex"))
  end
  return headers
end

-- A host that fails for all is left alone for a while: it must not take the places of others.
local function host_breaker(callback)
  local url = anzol.url.parse(callback)
  local host = ("%s:%s"):format(url.host:lower(), url.port or url.scheme)
  return anzol.breaker("hub-" .. anzol.crypto.hash("sha256", host, "hex"):sub(1, 32), HOST)
end

local function again(event, err)
  local age_s = (anzol.time.now() - event.received_at_ms) / 1000
  if age_s > PATIENCE_S then return nil, err end
  local delay_s = math.min(math.max(age_s, AGAIN_MIN_S), AGAIN_MAX_S)
  return anzol.retry_later(math.max(delay_s, err.retry_after or 0))
end

-- To one subscriber, if it still is one.
function M.deliver(hub, event)
  if not is_ours(hub, event) then return anzol.skip(NOT_OURS) end
  local data = event.data
  local subscriber = subscribers.get(data.key)
  if not subscriber then return anzol.skip "not subscribed any more" end
  local body = body_of(data)
  local res, err = host_breaker(subscriber.callback):call(anzol.http.post, subscriber.callback,
    { body = body, timeout = TIMEOUT, headers = headers_of(hub, subscriber, data, body),
      allow_private = hub.allow_private })
  if not res then return again(event, err) end
  if res.status == 410 then
    subscribers.remove(data.key)
  elseif not res.ok then
    return again(event, res:error())
  end
end

-- What is for the same subscribers goes in the order of publication.
function M.order(hub)
  return function(event)
    local data = event.data
    return data.key or data.prefix or subscribers.prefix(hub.name, data.topic)
  end
end

return M
