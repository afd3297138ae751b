-- SPDX-License-Identifier: MIT
-- What applications do over the API, in a test: they register endpoints, with the fields that the
-- API takes, and publish messages.
local failure = require "anzol.testing.failure"

local M = {}

local CHANNELS_MAX = 10
local MESSAGE_CHANNELS_MAX = 5
local NAME_MAX = 256
local CHANNEL_MAX = 128
local RATE_MAX = 65535

local field_names = { "application", "channels", "description", "disabled", "eventTypes", "headers",
  "metadata", "secret", "throttleRate", "uid", "url" }
local publish_names = { "application", "channels", "payload" }

local NAME_FORM = "letters, digits, '-', '_' and '.'"

local function is_name(value, max)
  return type(value) == "string" and #value <= max and value:find "^[%w_.-]+$" ~= nil
end

local function check_name(value, name, what)
  if value ~= nil and not is_name(value, NAME_MAX) then
    failure.raise("%s: '%s' is a text of 1 to %d %s", what, name, NAME_MAX, NAME_FORM)
  end
end

local function check_names(value, name, what, count_max, max)
  if value == nil then return end
  local is_list = type(value) == "table" and #value >= 1 and #value <= count_max
  for _, each in ipairs(is_list and value or {}) do is_list = is_list and is_name(each, max) end
  if not is_list then
    failure.raise("%s: '%s' is a list of 1%s names of %s", what, name,
      count_max < math.huge and (" to %d"):format(count_max) or " or more", NAME_FORM)
  end
end

local function check_texts(value, name, what)
  if value == nil then return end
  local is_map = type(value) == "table"
  for key, text in pairs(is_map and value or {}) do
    is_map = is_map and type(key) == "string" and type(text) == "string"
  end
  if not is_map then failure.raise("%s: '%s' is { name = text }", what, name) end
end

-- The number of an application of this uid; that of none is the one that a spec need not name.
local function application_of(world, uid, what)
  check_name(uid, "application", what)
  local applications = world.applications
  local key = uid or ""
  if not applications[key] then
    applications.count = applications.count + 1
    applications[key] = applications.count
  end
  return applications[key]
end

function M.applications() return { count = 1, [""] = 1 } end

-- ---- Endpoints ----

local function check_fields(fields)
  local what = "t:register"
  failure.check_options(fields, field_names, what)
  if type(fields.url) ~= "string" or not fields.url:find "^https?://." then
    failure.raise("%s: 'url' is a text that begins with https:// or http://", what)
  end
  check_name(fields.uid, "uid", what)
  check_names(fields.eventTypes, "eventTypes", what, math.huge, NAME_MAX)
  check_names(fields.channels, "channels", what, CHANNELS_MAX, CHANNEL_MAX)
  check_texts(fields.metadata, "metadata", what)
  check_texts(fields.headers, "headers", what)
  local rate = fields.throttleRate
  if rate ~= nil and (math.type(rate) ~= "integer" or rate < 1 or rate > RATE_MAX) then
    failure.raise("%s: 'throttleRate' is an integer from 1 to %d", what, RATE_MAX)
  end
  if fields.disabled ~= nil and type(fields.disabled) ~= "boolean" then
    failure.raise("%s: 'disabled' is true or false", what)
  end
end

-- Puts a version of it into the project, in the place of the one before.
local function put(world, fields, before)
  return world.project:register {
    id = before and before.id, uid = fields.uid, secret = fields.secret or before and before.key,
    application = application_of(world, fields.application, "t:register"),
    headers = fields.headers and world:encode(fields.headers),
    fields = world:encode { url = fields.url, eventTypes = fields.eventTypes,
      channels = fields.channels, throttleRate = fields.throttleRate,
      disabled = fields.disabled or false,
      metadata = next(fields.metadata or {}) and fields.metadata },
  }
end

-- Registers an endpoint, or replaces the one with this uid, which keeps its key unless one is
-- given. Returns { id, uid, name, application, key }: name is what the test calls it by.
function M.register(world, fields)
  check_fields(fields)
  local before = fields.uid and world.sending:registered(fields.uid)
  local endpoint = put(world, fields, before)
  if not endpoint then
    failure.raise("t:register: 'secret' is \"whsec_\" and base64, or \"whsk_\" and base64 of an "
      .. "Ed25519 key")
  end
  endpoint.id, endpoint.uid, endpoint.name = endpoint.name, fields.uid, fields.uid or endpoint.name
  local kept = {}
  for name, value in pairs(fields) do kept[name] = value end
  world.sending:add_registered(endpoint, function(is_disabled)
    kept.disabled = is_disabled
    put(world, kept, endpoint)
  end, fields.disabled)
  return { id = endpoint.id, uid = endpoint.uid, name = endpoint.name, key = endpoint.key,
    application = endpoint.application }
end

-- ---- Messages ----

-- Publishes a message; runs until nothing is left to do now. Returns the event.
function M.publish(world, name, options)
  options = options or {}
  local what = "t:publish"
  failure.check_options(options, publish_names, what)
  if not is_name(name, NAME_MAX) then
    failure.raise("%s: the type is 1 to %d %s, without 'api.'", what, NAME_MAX, NAME_FORM)
  end
  local payload = options.payload == nil and "{}" or world:encode(options.payload)
  if payload:sub(1, 1) ~= "{" then
    failure.raise("%s: the payload is a table that is a JSON object", what)
  end
  check_names(options.channels, "channels", what, MESSAGE_CHANNELS_MAX, CHANNEL_MAX)
  local event = world.handling:add(world.project:publish(name, payload,
    options.channels and world:encode(options.channels),
    application_of(world, options.application, what), options.application), 0)
  world:settle()
  return event
end

-- Whether a request has a good signature by a key.
function M.is_signed(world, request, key)
  local answer = world.project:is_signed { key = key, headers = request.header_list,
    body = request.raw_body or request.body }
  if answer == nil then failure.raise "t:is_signed: the key is none of Standard Webhooks" end
  return answer
end

return M
