-- SPDX-License-Identifier: MIT
-- anzol.websub(name, options): a subscription at a WebSub hub (W3C Recommendation), as a source of
-- that name (websub/callback.lua) and a poll that asks the hub (websub/request.lua). What was asked
-- and what the hub granted, lies in kv by two keys: the poll writes the one, the handler of the
-- hub's verifications the other, so they never wait for each other. What is asked is always
-- committed before the request leaves, for the hub may verify at once.
local anzol = require "anzol.core"
local callback = require "anzol.websub.callback"
local declare = require "anzol.declare"
local registered = require "anzol.websub.registered"
local request = require "anzol.websub.request"

local misuse = declare.misuse

local LEASE_MS_MIN, LEASE_MS_MAX = 1000, 366 * 86400000
local own_names = { "active", "allow_private", "lease", "public_url", "topic", "type" }
local source_names = { "allow_from", "hide_headers", "idempotency_key", "idempotency_window",
  "max_body", "path", "rate_limit", "respond", "retention" }
local all_names = table.move(source_names, 1, #source_names, #own_names + 1,
  { table.unpack(own_names) })

-- ---- Options ----

local function check_url(what, name, url)
  local parsed = type(url) == "string" and anzol.url.parse(url)
  if not parsed or (parsed.scheme ~= "http" and parsed.scheme ~= "https") then
    misuse("option '%s' of %s must be a URL of http or https, got %s", name, what, tostring(url))
  end
end

local function check_options(name, options)
  local what = ("anzol.websub '%s'"):format(tostring(name))
  declare.check_options(what, options, all_names)
  check_url(what, "topic", options.topic)
  check_url(what, "public_url", options.public_url)
  local is_type = type(options.type) == "string" and options.type:find "^[%w_.-]+$"
  if options.type ~= nil and not is_type and type(options.type) ~= "function" then
    misuse("option 'type' of %s must be an event type or function(req) -> string, got %s", what,
      tostring(options.type))
  end
  local lease_ms = options.lease and anzol.time.parse_duration(options.lease)
  local is_lease = lease_ms and lease_ms >= LEASE_MS_MIN and lease_ms <= LEASE_MS_MAX
  if options.lease ~= nil and not is_lease then
    misuse("option 'lease' of %s must be a duration from 1s to 366d, got %s", what,
      tostring(options.lease))
  end
  return lease_ms and lease_ms // 1000
end

-- ---- The registration ----

-- The callback's token is nobody's to see.
local function hidden(names)
  local list = table.move(names or { "authorization", "cookie" }, 1, names and #names or 2, 1, {})
  list[#list + 1] = "?token"
  return list
end

local function add_source(name, options)
  local source = { methods = { "POST", "GET" }, public_url = options.public_url,
    challenge = function(req) return callback.judge(name, req) end,
    verify = function() return true end, -- challenge refused what is not
    respond = callback.respond(options.respond),
    type = callback.type(name, options.type) }
  for _, key in ipairs(source_names) do
    if key ~= "respond" then source[key] = options[key] end
  end
  source.hide_headers = hidden(options.hide_headers)
  anzol.source(name, source)
end

-- is_removed: the scripts have it no longer (websub/removed.lua).
return function(name, options, is_removed)
  local lease_s = check_options(name, options)
  local is_active = options.active ~= false
  add_source(name, options)
  anzol.on({ "websub.subscribed", "websub.unsubscribed", "websub.denied" },
    { name = "websub:" .. name, source = name }, function(event) callback.note(name, event) end)
  anzol.poll(name, { interval = "1s", version = (is_active and "" or "no ") .. options.topic },
    function() return request(name, options, lease_s, is_removed) end)
  registered[name] = not is_removed or nil
end
