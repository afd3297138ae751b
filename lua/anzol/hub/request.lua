-- SPDX-License-Identifier: MIT
-- What subscribers and publishers ask of a hub: the form is judged at once, by itself alone; if the
-- subscriber meant it is asked behind the answer, of its callback.
local anzol = require "anzol.core"
local subscribers = require "anzol.hub.subscribers"

local M = {}

local SECRET_BYTES_MAX = 199
local URL_BYTES_MAX = 2048 -- with what is added to it, less than a URL that is called may have
local OWN_BYTES = 160 -- of a verification, without topic and callback
local ANSWER_BYTES = "4KiB" -- of a callback: a challenge has 43
local TIMEOUT = "10s"
local CLIENT_DIGITS = 3 -- of a digest, in hex: so there are no more limiters than that has values

-- ---- The form ----

-- Without what would end it in a Link header, and what never leaves a client.
function M.is_url(text)
  if #text > URL_BYTES_MAX or text:find '[%s%c#<>"]' then return false end
  local url = anzol.url.parse(text)
  return url ~= nil and (url.scheme == "http" or url.scheme == "https") and not url.userinfo
end

local function refuse(status, format, ...)
  return { status = status, store = false, body = format:format(...) .. "\n" }
end

local function judge_url(url, name)
  if not url then return refuse(400, "%s is missing", name) end
  if not M.is_url(url) then
    return refuse(400, "%s must be a URL of http or https, without a fragment or a user, of at "
      .. "most %d bytes", name, URL_BYTES_MAX)
  end
end

local function judge_topic(hub, topic, name)
  local refusal = judge_url(topic, name)
  if not refusal and not hub.has_topic(topic) then
    refusal = refuse(404, "this hub has no such topic")
  end
  return refusal
end

local function judge_subscription(hub, form)
  local callback, secret = form["hub.callback"], form["hub.secret"]
  local lease = form["hub.lease_seconds"]
  local refusal = judge_topic(hub, form["hub.topic"], "hub.topic")
    or judge_url(callback, "hub.callback")
  if refusal then return refusal end
  if #callback + #anzol.url.escape(form["hub.topic"]) > URL_BYTES_MAX - OWN_BYTES then
    return refuse(400, "hub.callback and hub.topic (as %%XX) are over %d bytes together",
      URL_BYTES_MAX - OWN_BYTES)
  end
  if secret and #secret > SECRET_BYTES_MAX then
    return refuse(400, "hub.secret must be less than %d bytes long", SECRET_BYTES_MAX + 1)
  end
  if form["hub.mode"] == "subscribe" and lease and not lease:find "^0*[1-9]%d*$" then
    return refuse(400, "hub.lease_seconds must be a positive decimal integer")
  end
end

local function judge_ping(hub, form)
  if not hub.ping then return refuse(403, "this hub takes no hub.mode=publish") end
  return judge_topic(hub, form["hub.url"] or form["hub.topic"], "hub.url")
end

local function digest(text, digits)
  return anzol.crypto.hash("sha256", text, "hex"):sub(1, digits)
end

-- Callbacks that hang hold up the verification of others: so one client asks no more than a few at
-- a time. A 429, or nil.
local function judge_client(hub, req)
  local name = ("hub-%s-%s"):format(digest(hub.name, 32), digest(req.remote_ip, CLIENT_DIGITS))
  local limiter = anzol.limiter(name, hub.client_rate, { burst = hub.client_burst })
  local is_taken, wait_s = limiter:take()
  if is_taken then return nil end
  local refusal = refuse(429, "this hub takes %s of one client; ask again later", hub.client_rate)
  refusal.headers = { ["Retry-After"] = tostring(math.ceil(wait_s)) }
  return refusal
end

-- respond of the source: a 4xx in words, or 202 once the request is stored.
function M.respond(hub, req)
  local too_many = judge_client(hub, req)
  if too_many then return too_many end
  local kind = (req.headers["content-type"] or ""):lower()
  if not kind:find "^application/x%-www%-form%-urlencoded" then
    return refuse(415, "a request to a hub has the Content-Type application/x-www-form-urlencoded")
  end
  local mode = req.form["hub.mode"]
  if mode == "subscribe" or mode == "unsubscribe" then
    return judge_subscription(hub, req.form) or { status = 202 }
  elseif mode == "publish" then
    return judge_ping(hub, req.form) or { status = 202 }
  end
  return refuse(400, "hub.mode must be subscribe, unsubscribe or publish")
end

function M.type(hub, req)
  local step = req.form["hub.mode"] == "publish" and "pinged" or "requested"
  return ("hub.%s.%s"):format(hub.name, step)
end

-- ---- Behind the answer ----

local function lease_of(hub, form)
  local asked_s = tonumber(form["hub.lease_seconds"]) or hub.lease.default_s
  return math.tointeger(math.max(hub.lease.min_s, math.min(asked_s, hub.lease.max_s)) // 1)
end

-- GET of the callback, with its own query in front.
local function tell(hub, callback, fields)
  local query = {}
  for _, pair in ipairs(fields) do
    query[#query + 1] = pair[1] .. "=" .. anzol.url.escape(tostring(pair[2]))
  end
  local mark = callback:find("?", 1, true) and "&" or "?"
  if callback:find "[?&]$" then mark = "" end
  return anzol.http.get(callback .. mark .. table.concat(query, "&"),
    { timeout = TIMEOUT, max_body = ANSWER_BYTES, allow_private = hub.allow_private })
end

local function deny(hub, form, reason)
  local fields = { { "hub.mode", "denied" }, { "hub.topic", form["hub.topic"] } }
  if reason then fields[3] = { "hub.reason", reason } end
  local res, err = tell(hub, form["hub.callback"], fields)
  anzol.log.info("subscription denied", { hub = hub.name, topic = form["hub.topic"],
    reason = reason, told = res and res.status or tostring(err) })
end

-- Whether the subscriber echoes what nobody else knows.
local function is_meant(hub, form, lease_s)
  local challenge = anzol.base64.encode_url(anzol.crypto.random(32))
  local fields = { { "hub.mode", form["hub.mode"] }, { "hub.topic", form["hub.topic"] },
    { "hub.challenge", challenge } }
  if form["hub.mode"] == "subscribe" then fields[4] = { "hub.lease_seconds", lease_s } end
  local res, err = tell(hub, form["hub.callback"], fields)
  if not res then return false, tostring(err) end
  if not res.ok then return false, "it answered " .. res.status end
  return res.body == challenge, "it did not echo the challenge"
end

-- Nobody waits for it any more: what a stranger's callback does is no failure of ours.
function M.verify(hub, event)
  local form = event.data
  local topic, callback = form["hub.topic"], form["hub.callback"]
  local key = subscribers.key(hub.name, topic, callback)
  local is_new = form["hub.mode"] == "subscribe"
  if is_new and hub.accept then
    local is_accepted, reason = hub.accept { topic = topic, callback = callback }
    if not is_accepted then
      deny(hub, form, reason)
      subscribers.remove(key)
      return
    end
  end
  local lease_s = lease_of(hub, form)
  local is_good, why = is_meant(hub, form, lease_s)
  if not is_good then return anzol.skip(("not verified: %s"):format(why):sub(1, 255)) end
  if is_new then
    local secret = form["hub.secret"] ~= "" and form["hub.secret"] or nil
    subscribers.put(key, { topic = topic, callback = callback, secret = secret }, lease_s)
  else
    subscribers.remove(key)
  end
end

-- What is asked for one subscription is verified in the order it was asked.
function M.order(hub)
  return function(event)
    return subscribers.key(hub.name, event.data["hub.topic"], event.data["hub.callback"])
  end
end

return M
