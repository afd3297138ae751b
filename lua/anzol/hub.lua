-- SPDX-License-Identifier: MIT
-- anzol.hub(name, options): a WebSub hub (W3C Recommendation), as a source of that name, whose
-- requests are judged at once (hub/request.lua), and handlers that verify, publish and distribute
-- (hub/distribution.lua). Subscriptions lie in kv (hub/subscribers.lua).
local anzol = require "anzol.core"
local declare = require "anzol.declare"
local distribution = require "anzol.hub.distribution"
local request = require "anzol.hub.request"
local subscribers = require "anzol.hub.subscribers"

local misuse = declare.misuse

local DAY_S = 86400
local LEASE = { min = 60, default = 10 * DAY_S, max = 30 * DAY_S } -- unless said otherwise
local LEASE_S_MAX = 366 * DAY_S
local RETENTION = "1h" -- of what was asked and published
local REQUEST_BYTES = "16KiB"
local CONTENT_BYTES_MAX = 1024 * 1024
local CLIENT_RATE, CLIENT_COUNT_MAX = "120/m", 1000000 -- requests of one client
local names = { "accept", "allow_from", "allow_private", "client_rate", "concurrency", "lease",
  "path", "ping", "public_url", "rate_limit", "retention", "signature", "topics" }
local digests = { sha1 = true, sha256 = true, sha384 = true, sha512 = true }

-- ---- Options ----

local function check_url(what, name, url)
  if type(url) ~= "string" or not request.is_url(url) then
    misuse("option '%s' of %s must be a URL of http or https, got %s", name, what, tostring(url))
  end
  return url
end

-- "https://a.example/*": all that begin so.
local function check_topics(what, topics)
  if type(topics) == "function" then
    return function(topic) return topics(subscribers.plain(topic)) end
  end
  if type(topics) ~= "table" or #topics == 0 then
    misuse("option 'topics' of %s must be a list of URLs (one that ends with * stands for all that "
      .. "begin so), or a function(topic) -> true | false; got %s", what, type(topics))
  end
  local whole, beginnings = {}, {}
  for _, topic in ipairs(topics) do
    local beginning = type(topic) == "string" and topic:match "^(.*)%*$"
    check_url(what, "topics", beginning or topic)
    if beginning then
      beginnings[#beginnings + 1] = subscribers.plain(beginning)
    else
      whole[subscribers.plain(topic)] = true
    end
  end
  return function(topic)
    topic = subscribers.plain(topic)
    if whole[topic] then return true end
    for _, beginning in ipairs(beginnings) do
      if topic:sub(1, #beginning) == beginning then return true end
    end
    return false
  end
end

local function check_lease(what, lease)
  declare.check_options("'lease' of " .. what, lease, { "default", "max", "min" })
  local s = {}
  for _, name in ipairs { "min", "default", "max" } do
    local ms = anzol.time.parse_duration(lease[name] or LEASE[name])
    if not ms or ms < 1000 or ms > LEASE_S_MAX * 1000 then
      misuse("option '%s' of 'lease' of %s must be a duration from 1s to 366d, got %s", name, what,
        tostring(lease[name]))
    end
    s[name] = ms // 1000
  end
  if s.min > s.default or s.default > s.max then
    misuse("'lease' of %s: min (%d s) is at most default (%d s), and that at most max (%d s)", what,
      s.min, s.default, s.max)
  end
  return { min_s = s.min, default_s = s.default, max_s = s.max }
end

-- The rate, and as many as may come at once.
local function check_rate(what, rate)
  local count = type(rate) == "string" and rate:match "^(%d+)/[smhd]$"
  if not count or tonumber(count) < 1 or tonumber(count) > CLIENT_COUNT_MAX then
    misuse("option 'client_rate' of %s must be 1 to %d and a time, as \"120/m\", got %s", what,
      CLIENT_COUNT_MAX, tostring(rate))
  end
  return rate, tonumber(count)
end

local function check_options(name, options)
  local what = ("anzol.hub '%s'"):format(tostring(name))
  declare.check_options(what, options, names)
  local signature = options.signature or "sha256"
  if not digests[signature] then
    misuse("option 'signature' of %s must be sha1, sha256, sha384 or sha512, got %s", what,
      tostring(signature))
  end
  if options.accept ~= nil and type(options.accept) ~= "function" then
    misuse("option 'accept' of %s must be a function(request) -> true | false, reason; got %s",
      what, type(options.accept))
  end
  local client_rate, client_burst = check_rate(what, options.client_rate or CLIENT_RATE)
  return {
    name = name,
    client_rate = client_rate,
    client_burst = client_burst,
    public_url = check_url(what, "public_url", options.public_url),
    has_topic = check_topics(what, options.topics),
    lease = check_lease(what, options.lease or {}),
    accept = options.accept,
    ping = options.ping == true,
    signature = signature,
    allow_private = options.allow_private == true,
  }
end

-- ---- The registration ----

local Hub = {}
Hub.__index = Hub
Hub.__metatable = false

-- Content of a topic for its subscribers, when the run of event (or tick, poll) commits.
function Hub:publish(event, topic, content)
  local hub = self.hub
  if type(topic) ~= "string" or not request.is_url(topic) or not hub.has_topic(topic) then
    error(("hub:publish: anzol.hub '%s' has no topic %s"):format(hub.name, tostring(topic)), 2)
  end
  if type(content) ~= "table" or type(content.body) ~= "string"
    or type(content.content_type) ~= "string" then
    error("hub:publish takes the event, the topic and { body = …, content_type = … }", 2)
  end
  if #content.body == 0 or #content.body > CONTENT_BYTES_MAX then
    error(("hub:publish: a body has 1 byte to %d MiB, got %d"):format(CONTENT_BYTES_MAX >> 20,
      #content.body), 2)
  end
  distribution.publish(hub, event, topic, content)
end

function Hub:subscribers(topic, limit, after)
  return subscribers.callbacks(self.hub.name, topic, limit or 100, after)
end

local function on(hub, step, options, fn)
  options.name = ("hub:%s.%s"):format(hub.name, step)
  anzol.on(("hub.%s.%s"):format(hub.name, step), options, function(event) return fn(hub, event) end)
end

return function(name, options)
  local hub = check_options(name, options)
  anzol.source(name, {
    path = options.path, public_url = options.public_url, allow_from = options.allow_from,
    rate_limit = options.rate_limit, retention = options.retention or RETENTION,
    max_body = REQUEST_BYTES, seal_body = true, -- hub.secret stands in it
    verify = function() return true end, -- anybody may ask; the callback tells who meant it
    respond = function(req) return request.respond(hub, req) end,
    type = function(req) return request.type(hub, req) end,
  })
  local concurrency = options.concurrency
  on(hub, "requested", { source = name, concurrency = concurrency, order_by = request.order(hub) },
    request.verify)
  on(hub, "pinged", { source = name, concurrency = concurrency }, distribution.fetch)
  on(hub, "published", { order_by = distribution.order(hub) }, distribution.divide)
  on(hub, "due", { concurrency = concurrency, order_by = distribution.order(hub) },
    distribution.deliver)
  return setmetatable({ hub = hub }, Hub)
end
