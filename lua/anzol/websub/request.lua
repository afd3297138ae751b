-- SPDX-License-Identifier: MIT
-- What is asked of a hub: the runs of the poll of a subscription, one step each. find the hub and
-- commit what will be asked; ask; wait for the verification; hold until it is time to renew; over.
local anzol = require "anzol.core"
local links = require "anzol.websub.links"

local REDIRECTS = 5
local TOPIC_BYTES = "8MiB"
local VERIFIED_MS, LOOK_S = 60000, 5 -- the hub has so long for its verification; we look so often
local UNVERIFIED_MAX_S = 3600
local RENEW_AT = 0.8 -- of the lease
local DENIED_MS = 86400000 -- until a hub that denied is asked again
local REST_S = 86400 -- nothing is to be done

local kept = anzol.kv("anzol.websub", { sealed = true }) -- a token and a secret stand in it

local function ask_of(options, method)
  return { allow_private = options.allow_private, redirects = method == "GET" and 0 or REDIRECTS }
end

-- The topic itself, behind its redirects: the answer, and the URL that gave it.
local function read_topic(options)
  local url = options.topic
  for _ = 0, REDIRECTS do
    local ask = ask_of(options, "GET")
    ask.max_body = TOPIC_BYTES
    local res, err = anzol.http.get(url, ask)
    if not res then return nil, err end
    local location = res.status >= 300 and res.status < 400 and res.headers.location
    if not location then
      if not res.ok then return nil, res:error() end
      return res, url
    end
    url = links.resolve(url, location)
    if not url then return nil, "the topic redirects to what is no URL of http or https" end
  end
  return nil, ("the topic redirects more than %d times"):format(REDIRECTS)
end

local steps = {}

-- The hub's last word, if it came after the request.
local function answered(asked, name)
  local granted = kept:get(name .. " granted")
  return granted and granted.at_ms >= asked.at_ms and granted.topic == asked.self and granted
end

local function hold(asked, name, granted)
  asked.tries = nil
  asked.step = granted.mode == "unsubscribe" and "over" or "hold"
  kept:set(name, asked)
  return anzol.after(0)
end

-- Which hub, and by what name it knows the topic; unless a slow hub has verified meanwhile.
function steps.find(asked, name, options)
  local granted = asked.tries and answered(asked, name)
  if granted then return hold(asked, name, granted) end
  local res, url = read_topic(options)
  if not res then return nil, url end
  local found = links.read(url, res.headers:all "link", res.headers["content-type"], res.body)
  if #found.hubs == 0 then return nil, "the topic names no hub, in its headers or in itself" end
  asked.self, asked.hubs, asked.step = found.self or url, found.hubs, "ask"
  kept:set(name, asked)
  return anzol.after(0)
end

-- The first hub that takes the request. 'asked' was committed before.
function steps.ask(asked, name, options, lease_s)
  local form = { ["hub.mode"] = asked.mode, ["hub.topic"] = asked.self,
    ["hub.callback"] = options.public_url .. "?token=" .. asked.token,
    ["hub.lease_seconds"] = lease_s,
    ["hub.secret"] = asked.mode == "subscribe" and asked.secret or nil }
  asked.at_ms, asked.step = anzol.time.now(), "wait"
  local why
  for _, hub in ipairs(asked.hubs) do
    local ask = ask_of(options, "POST")
    ask.form = form
    local res, err = anzol.http.post(hub, ask)
    if res and res.ok then
      kept:set(name, asked)
      return anzol.after(LOOK_S)
    end
    why = err or res:error()
  end
  return nil, why
end

-- How long until the rest of a step's time is over, in seconds; nil: it is.
local function rest_s(until_ms)
  local rest_ms = until_ms - anzol.time.now()
  return rest_ms > 0 and rest_ms / 1000 or nil
end

local function begin(asked, name, delay_s)
  asked.step = asked.mode == "subscribe" and "find" or "ask"
  kept:set(name, asked)
  return anzol.after(delay_s or 0)
end

-- The hub has verified, or not yet.
function steps.wait(asked, name)
  local granted = answered(asked, name)
  if granted then return hold(asked, name, granted) end
  local rest = rest_s(asked.at_ms + VERIFIED_MS)
  if rest then return anzol.after(math.min(rest, LOOK_S)) end
  asked.tries = (asked.tries or 0) + 1
  local delay_s = math.min(10 * 2 ^ math.min(asked.tries, 20), UNVERIFIED_MAX_S)
  anzol.log.warn("the hub did not verify the request", { websub = name, hub = asked.hubs[1],
    topic = asked.self, again_s = delay_s })
  return begin(asked, name, delay_s)
end

-- Until it is time to renew, or to ask anew what was denied.
function steps.hold(asked, name)
  local granted = kept:get(name .. " granted")
  local wait_ms = granted.mode == "denied" and DENIED_MS or granted.lease_s * 1000 * RENEW_AT
  local rest = rest_s(granted.at_ms + math.floor(wait_ms))
  if rest then return anzol.after(rest) end
  return begin(asked, name)
end

function steps.over() return anzol.after(REST_S) end

-- Another topic is another subscription: the old one ends with its lease.
local function create(options)
  return { topic = options.topic, token = anzol.hex.encode(anzol.crypto.random(16)),
    secret = anzol.hex.encode(anzol.crypto.random(32)), mode = "subscribe", step = "find" }
end

-- Whether there is something that a hub could still send.
local function is_live(name)
  local granted = kept:get(name .. " granted")
  return granted and granted.mode == "subscribe" and rest_s(granted.at_ms + granted.lease_s * 1000)
end

-- There is nothing more to end.
local function rest(asked, name, is_removed)
  if asked and is_removed then
    kept:delete(name)
    kept:delete(name .. " granted")
  elseif asked and asked.step ~= "over" then
    asked.mode, asked.step = "unsubscribe", "over"
    kept:set(name, asked)
  end
  return anzol.after(REST_S)
end

-- One run: the step that is next. lease_s: to ask for, nil: as the hub likes. is_removed: it is
-- only to be ended.
return function(name, options, lease_s, is_removed)
  local asked = kept:get(name)
  local mode = options.active == false and "unsubscribe" or "subscribe"
  if mode == "unsubscribe" and (not asked or asked.step == "over" or not is_live(name)) then
    return rest(asked, name, is_removed)
  end
  if not asked or (mode == "subscribe" and asked.topic ~= options.topic) then
    asked = create(options)
  end
  asked.callback = { public_url = options.public_url, path = options.path or "/in/" .. name,
    allow_private = options.allow_private }
  if asked.mode ~= mode then
    asked.mode = mode
    return begin(asked, name)
  end
  return steps[asked.step](asked, name, options, lease_s)
end
