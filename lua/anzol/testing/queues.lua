-- SPDX-License-Identifier: MIT
-- Queues in a test: a spec is their receiver. What it takes is leased on the test's clock; a lease
-- that ends, or is given back, is a failed attempt as on the server.
local duration = require "anzol.testing.duration"
local failure = require "anzol.testing.failure"
local headers = require "anzol.testing.headers"

local M = { calls = {} }

local function queue_of(self, name, what)
  local outlet = self:outlet(name, what)
  if not outlet.lease_ms then
    failure.raise("%s: endpoint '%s' is no queue (kind = \"long_poll\"): t:delivery shows what "
      .. "is sent", what, name)
  end
  return outlet
end

-- Nobody may ask for it in time.
function M.await_expiry(self, outlet, delivery)
  if not delivery.expires_ms then return end
  self.world.timeline:at(math.max(delivery.expires_ms, self.world.timeline.now_ms), function()
    for i = outlet.first, #outlet.waiting do
      if outlet.waiting[i] == delivery then
        table.remove(outlet.waiting, i)
        self.world:in_force()
        self:prepare(delivery)
        return
      end
    end
  end)
end

-- ---- Leases ----

local function end_lease(self, outlet, lease, answer, delay_ms)
  outlet.leases[lease.id] = nil
  answer.headers, answer.body, answer.detail = {}, "", answer.detail or ""
  answer.duration_ms = self.world.timeline.now_ms - lease.started_ms
  self:conclude(lease.delivery, answer, lease.started_ms, delay_ms)
end

local function await_end(self, outlet, lease)
  local until_ms = lease.until_ms
  self.world.timeline:at(until_ms, function()
    if outlet.leases[lease.id] ~= lease or lease.until_ms ~= until_ms then return end
    end_lease(self, outlet, lease,
      { error = "lease", detail = "not acknowledged before its lease ended" }, 0)
  end)
end

-- As if it had not been given.
local function give_back(self, outlet, lease)
  outlet.leases[lease.id] = nil
  lease.delivery.state = lease.delivery.handle:give_back()
  self:queue(lease.delivery)
end

local message_meta = {
  __index = function(message, key)
    if key ~= "json" or message.body == "" then return nil end
    local value = message.world:decode(message.body, "the message's body")
    rawset(message, "json", value)
    return value
  end,
}

local function give(self, outlet, delivery, parts)
  local number = #delivery.attempts + 1
  local lease = { id = ("%s.%d"):format(delivery.id, number), delivery = delivery,
    started_ms = self.world.timeline.now_ms,
    until_ms = self.world.timeline.now_ms + outlet.lease_ms }
  delivery.state = "in_flight"
  outlet.leases[lease.id] = lease
  await_end(self, outlet, lease)
  return setmetatable({ id = lease.id, message_id = delivery.message_id,
    event_id = delivery.event_id, type = delivery.type, attempt = number,
    headers = headers.table(parts.headers), body = parts.body, world = self.world }, message_meta)
end

-- ---- What a spec asks ----

function M.calls:take(name, options)
  local outlet = queue_of(self, name, "t:take")
  options = options or {}
  failure.check_options(options, { "limit" }, "t:take")
  local limit = options.limit or outlet.batch
  if math.type(limit) ~= "integer" or limit < 1 or limit > outlet.batch then
    failure.raise("t:take: limit is an integer from 1 to %d (the queue's batch)", outlet.batch)
  end
  local messages = {}
  self.world:in_force()
  while outlet.state == "enabled" and #messages < limit and outlet.waiting[outlet.first] do
    local delivery = table.remove(outlet.waiting, outlet.first)
    local outcome, parts = self:prepare(delivery)
    if outcome then messages[#messages + 1] = give(self, outlet, delivery, parts) end
  end
  return messages
end

-- The leases of a message, of its id, or of a list of both; those that are over are left out.
local function leases_of(outlet, given, what)
  if type(given) == "string" or type(given) == "table" and given.id then given = { given } end
  if type(given) ~= "table" then failure.raise("%s takes messages that t:take gave", what) end
  local leases = {}
  for _, one in ipairs(given) do
    leases[#leases + 1] = outlet.leases[type(one) == "table" and one.id or one]
  end
  return leases
end

function M.calls:ack(name, messages)
  local outlet = queue_of(self, name, "t:ack")
  local leases = leases_of(outlet, messages, "t:ack")
  for _, lease in ipairs(leases) do end_lease(self, outlet, lease, { detail = "acknowledged" }) end
  return #leases
end

function M.calls:nack(name, messages, options)
  local outlet = queue_of(self, name, "t:nack")
  options = options or {}
  failure.check_options(options, { "delay", "reason" }, "t:nack")
  local delay_ms = options.delay and duration(options.delay, "t:nack: delay")
  local leases = leases_of(outlet, messages, "t:nack")
  for _, lease in ipairs(leases) do
    end_lease(self, outlet, lease,
      { error = "nack", detail = options.reason or "given back by its receiver" }, delay_ms)
  end
  return #leases
end

function M.calls:extend(name, messages, time)
  local outlet = queue_of(self, name, "t:extend")
  local lease_ms = time and duration(time, "t:extend") or outlet.lease_ms
  local leases = leases_of(outlet, messages, "t:extend")
  for _, lease in ipairs(leases) do
    if lease_ms == 0 then
      give_back(self, outlet, lease)
    else
      lease.until_ms = self.world.timeline.now_ms + lease_ms
      await_end(self, outlet, lease)
    end
  end
  return #leases
end

return M
