-- SPDX-License-Identifier: MIT
-- Deliveries in a test: queued by endpoint, attempted with canned answers, decided by the server's
-- own functions, due again on the test's clock.
local canned = require "anzol.testing.canned"
local failure = require "anzol.testing.failure"
local headers = require "anzol.testing.headers"
local queues = require "anzol.testing.queues"

local Sending = {}
Sending.__index = Sending

local M = {}

local ORDINAL_MAX = 255 -- of the messages of an event; copies count down from it

-- An endpoint that nothing was canned for takes everything.
local DEFAULT_ANSWER = { status = 200 }

local function open(self, outlet)
  outlet.waiting, outlet.first, outlet.in_flight = {}, 1, 0
  outlet.answers, outlet.lines, outlet.state, outlet.leases = {}, {}, "enabled", {}
  self.outlets[outlet.name] = outlet
  table.insert(self.names, outlet.name)
end

function M.new(world)
  local self = setmetatable({ world = world, outlets = {}, names = {}, registered_names = {},
    deliveries = {}, copies = {} }, Sending)
  for _, outlet in ipairs(world.project:endpoints()) do open(self, outlet) end
  return self
end

-- ---- Endpoints of applications: what the project calls id is called by its uid here ----

function Sending:registered(name)
  local outlet = self.outlets[name]
  return outlet and outlet.put and outlet
end

-- A version of one; put(is_disabled) makes another.
function Sending:add_registered(endpoint, put, is_disabled)
  local outlet = self:registered(endpoint.name)
  if outlet then
    for name, value in pairs(endpoint) do outlet[name] = value end
  else
    if self.outlets[endpoint.name] then
      failure.raise("t:register: the scripts have an endpoint '%s': take another uid",
        endpoint.name)
    end
    outlet = endpoint
    open(self, outlet)
    self.registered_names[endpoint.id] = endpoint.name
  end
  outlet.put, outlet.state = put, is_disabled and "disabled" or "enabled"
end

-- A disabled one of an application is one that its messages do not go to.
local function set_state(outlet, state)
  if outlet.put and (outlet.state == "disabled") ~= (state == "disabled") then
    outlet.put(state == "disabled")
  end
  outlet.state = state
end

function Sending:outlet(name, what)
  local outlet = self.outlets[name]
  if not outlet then
    failure.raise("%s: no endpoint '%s' is registered%s", what, tostring(name),
      failure.known(self.names))
  end
  return outlet
end

-- ---- Attempts ----

local function next_answer(self, outlet, request)
  if #outlet.answers > 0 then return table.remove(outlet.answers, 1) end
  if outlet.always then
    outlet.is_used = true
    return outlet.always
  end
  if not outlet.is_canned then return DEFAULT_ANSWER end
  self.world:fail(("un-canned attempt: endpoint '%s' has no answer left for\n%s"):format(
    outlet.name, canned.print(request)))
  return { error = "connect", detail = "no canned answer was left" }
end

local function exchange(self, delivery, parts)
  local outlet = self.outlets[delivery.endpoint]
  parts.timeout_ms = outlet.timeout_ms
  delivery.request = canned.request(parts, self.world)
  return canned.realise(next_answer(self, outlet, delivery.request), delivery.request, self.world,
    ("the answer of endpoint '%s'"):format(outlet.name))
end

-- ---- Order: the deliveries of a key, one after another ----

local function start(self, delivery)
  if delivery.due_ms then
    self.world.timeline:at(delivery.due_ms, function()
      delivery.due_ms = nil
      self:queue(delivery)
    end)
  else
    self:queue(delivery)
  end
end

-- Stands in the line of its key; false: others of it go first.
local function stand_in_line(outlet, delivery)
  local line = outlet.lines[delivery.order_key] or {}
  outlet.lines[delivery.order_key] = line
  table.insert(line, delivery)
  return line[1] == delivery
end

-- It is over: the next of its key may go, unless it died and its endpoint waits for the dead; for
-- one that expired nobody waits.
local function leave_line(self, outlet, delivery)
  local line = delivery.order_key and outlet.lines[delivery.order_key]
  local is_blocking = delivery.state == "dead" and not delivery.is_expired and outlet.blocks_on_dead
  if not line or is_blocking then return end
  table.remove(line, 1)
  if line[1] then
    start(self, line[1])
  else
    outlet.lines[delivery.order_key] = nil
  end
end

-- Scripts that ask for it hear what happened.
local function tell(self, delivery, kind, reason, attempt)
  local depth = self.world.handling:depth_of(delivery.event_id)
  local answer = attempt and { status = attempt.status, error = attempt.error, body = attempt.body,
    headers = attempt.header_list }
  self.world.handling:tell(delivery.handle:news(kind, depth, reason, answer))
end

local GONE = "the receiver answered 410 Gone"
local FAILING = "nothing but failures for as long as disable_after says"

-- Why the endpoint of this attempt is to be disabled; nil: it is not.
local function why_disable(self, outlet, decision, attempt)
  if decision.is_disabling then return GONE end
  if decision.state == "succeeded" then outlet.failing_since_ms = nil end
  if not attempt or decision.state == "succeeded" or attempt.error == "script" then return nil end
  local now_ms = self.world.timeline.now_ms
  outlet.failing_since_ms = outlet.failing_since_ms or now_ms
  local is_over = now_ms - outlet.failing_since_ms >= outlet.disable_after_ms
  return outlet.disable_after_ms > 0 and is_over and FAILING or nil
end

local function settle(self, delivery, decision)
  delivery.state, delivery.reason = decision.state, decision.reason
  local outlet = self.outlets[delivery.endpoint]
  local attempt = decision.number and delivery.attempts[decision.number]
  local why = why_disable(self, outlet, decision, attempt)
  if why and outlet.state == "enabled" then
    set_state(outlet, "disabled")
    tell(self, delivery, "disabled", why, attempt)
  end
  if decision.state == "retrying" then
    delivery.due_ms = self.world.timeline.now_ms + decision.delay_ms
    self.world.timeline:at(delivery.due_ms, function() self:queue(delivery) end)
    return
  end
  delivery.due_ms = nil
  leave_line(self, self.outlets[delivery.endpoint], delivery)
  if decision.state == "succeeded" and self.outlets[delivery.endpoint].tells_success then
    tell(self, delivery, "succeeded", "", attempt)
  end
  if decision.state == "dead" then
    self.world:add_dead_letter({ kind = "delivery", endpoint = delivery.endpoint,
      reason = delivery.reason, delivery = delivery, event_id = delivery.event_id })
    tell(self, delivery, "dead", delivery.reason, attempt)
  end
end

local pump

-- delay_ms: instead of the policy's.
local function conclude(self, delivery, answer, started_ms, delay_ms)
  self.world:in_force()
  local decision = delivery.handle:conclude(answer)
  decision.delay_ms = delay_ms or decision.delay_ms
  delivery.attempts[decision.number] = {
    number = decision.number, at_ms = started_ms, duration_ms = answer.duration_ms,
    status = answer.status, error = answer.error, detail = answer.detail, body = answer.body,
    headers = headers.table(answer.headers), header_list = answer.headers,
    retry_after = decision.retry_after_ms and decision.retry_after_ms / 1000,
  }
  settle(self, delivery, decision)
end

-- The answer comes after its time.
local function await(self, delivery, answer)
  local outlet, started_ms = self.outlets[delivery.endpoint], self.world.timeline.now_ms
  delivery.state = "in_flight"
  outlet.in_flight = outlet.in_flight + 1
  self.world.timeline:after(answer.duration_ms, function()
    outlet.in_flight = outlet.in_flight - 1
    conclude(self, delivery, answer, started_ms)
    pump(self, outlet)
  end)
end

-- What goes out; nil: nothing does, it is over.
local function prepare(self, delivery)
  local outcome, detail = delivery.handle:prepare()
  if outcome ~= "cancelled" and outcome ~= "expired" then return outcome, detail end
  delivery.is_expired = outcome == "expired"
  local state = delivery.is_expired and "dead" or "cancelled"
  settle(self, delivery, { state = state, reason = detail })
end

-- For queues.
Sending.conclude, Sending.prepare = conclude, prepare

local function attempt(self, delivery)
  local outcome, detail = prepare(self, delivery)
  if not outcome then return end
  local answer
  if outcome == "request" then
    answer = exchange(self, delivery, detail)
  else
    answer = { error = "script", headers = {}, body = "", detail = detail, duration_ms = 0 }
  end
  if answer.duration_ms > 0 then return await(self, delivery, answer) end
  conclude(self, delivery, answer, self.world.timeline.now_ms)
end

-- ---- Queues ----

local function can_start(outlet)
  return outlet.first <= #outlet.waiting and outlet.in_flight < outlet.concurrency
    and outlet.state == "enabled" and not outlet.lease_ms
end

function pump(self, outlet)
  while can_start(outlet) and not outlet.is_waiting do
    local wait_ms = self.world.project:pace_wait(outlet.id or outlet.name)
    if wait_ms and wait_ms >= 0 then
      outlet.is_waiting = true
      self.world.timeline:after(wait_ms, function()
        outlet.is_waiting = false
        pump(self, outlet)
      end)
    end
    if wait_ms then return end
    local delivery = outlet.waiting[outlet.first]
    outlet.waiting[outlet.first] = false
    outlet.first = outlet.first + 1
    attempt(self, delivery)
    if self.world.failed then return end
  end
  if outlet.first > #outlet.waiting then outlet.waiting, outlet.first = {}, 1 end
end

-- Behind those of the same or a higher priority.
function Sending:queue(delivery)
  local outlet = self.outlets[delivery.endpoint]
  local place = #outlet.waiting + 1
  while place > outlet.first and outlet.waiting[place - 1].priority < delivery.priority do
    place = place - 1
  end
  table.insert(outlet.waiting, place, delivery)
  if outlet.lease_ms then queues.await_expiry(self, outlet, delivery) end
  self.world.timeline:soon(function() pump(self, outlet) end)
end

-- Committed with a run.
function Sending:add(handle, delay_ms, order_key)
  local delivery = handle:fields()
  delivery.endpoint = self.registered_names[delivery.endpoint] or delivery.endpoint
  delivery.handle, delivery.state, delivery.attempts = handle, "pending", {}
  delivery.order_key, delivery.created_at_ms = order_key, self.world.timeline.now_ms
  if delay_ms > 0 then delivery.due_ms = self.world.timeline.now_ms + delay_ms end
  table.insert(self.deliveries, delivery)
  if not order_key or stand_in_line(self.outlets[delivery.endpoint], delivery) then
    start(self, delivery)
  end
end

-- What is done by hand; false: its state does not allow it.
local by_hand = {}

function by_hand.retry(self, delivery)
  if delivery.state ~= "dead" and delivery.state ~= "cancelled" then return false end
  delivery.handle:again()
  delivery.state, delivery.reason = "pending", nil
  self:queue(delivery)
end

function by_hand.drop(self, delivery, change)
  if delivery.state ~= "dead" then return false end
  delivery.state, delivery.reason = "cancelled", change.reason
  local outlet = self.outlets[delivery.endpoint]
  local line = delivery.order_key and outlet.lines[delivery.order_key]
  if line and line[1] == delivery then leave_line(self, outlet, delivery) end
end

-- The highest place that no message of its event has.
local function free_ordinal(self, event_id)
  self.copies[event_id] = (self.copies[event_id] or ORDINAL_MAX + 1) - 1
  return self.copies[event_id]
end

function by_hand.replay(self, delivery, change)
  local ordinal = change.has_new_ids and free_ordinal(self, delivery.event_id) or nil
  self:add(delivery.handle:copy(ordinal), 0, delivery.order_key)
end

function Sending:find(id)
  for _, delivery in ipairs(self.deliveries) do
    if delivery.id == id then return delivery end
  end
end

-- False: there is no such delivery, or its state does not allow it.
function Sending:do_by_hand(change)
  local delivery = self:find(change.id)
  return delivery ~= nil and by_hand[change.verb](self, delivery, change) ~= false
end

-- All deliveries, for anzol.deliveries.
function Sending:rows()
  local rows = {}
  for i, delivery in ipairs(self.deliveries) do
    local last = delivery.attempts[#delivery.attempts] or {}
    rows[i] = { delivery = delivery.handle, reason = delivery.reason, due_ms = delivery.due_ms,
      status = last.status, error = last.error }
  end
  return rows
end

-- ---- What a spec says and asks ----

function Sending:answer(name, ...)
  local outlet = self:outlet(name, "t:answer")
  if select("#", ...) == 0 then failure.raise("t:answer takes an endpoint and answers") end
  for i = 1, select("#", ...) do
    local answer = select(i, ...)
    canned.check(answer, ("t:answer '%s'"):format(name))
    table.insert(outlet.answers, answer)
  end
  outlet.is_canned = true
end

function Sending:answer_always(name, answer)
  local outlet = self:outlet(name, "t:answer_always")
  canned.check(answer, ("t:answer_always '%s'"):format(name))
  outlet.always, outlet.is_canned, outlet.is_used = answer, true, false
end

for name, fn in pairs(queues.calls) do Sending[name] = fn end

function Sending:delivery(name)
  self:outlet(name, "t:delivery")
  for i = #self.deliveries, 1, -1 do
    if self.deliveries[i].endpoint == name then return self.deliveries[i] end
  end
  failure.raise("there is no delivery to '%s'", name)
end

-- As an operator does: from which states it goes to which.
local changes = {
  pause = { to = "paused", from = { enabled = true, paused = true } },
  resume = { to = "enabled", from = { enabled = true, paused = true } },
  disable = { to = "disabled", from = { enabled = true, paused = true, disabled = true } },
  enable = { to = "enabled", from = { enabled = true, disabled = true } },
}

function Sending:change(name, verb)
  local outlet, change = self:outlet(name, "t:" .. verb), changes[verb]
  if not change.from[outlet.state] then
    failure.raise("t:%s: endpoint '%s' is %s", verb, name, outlet.state)
  end
  if outlet.state == change.to then return end
  set_state(outlet, change.to)
  if change.to ~= "enabled" then return end
  outlet.failing_since_ms = nil
  self.world.project:forgive(outlet.id or name)
  self.world.timeline:soon(function() pump(self, outlet) end)
end

-- Appends what was canned and never asked for.
function Sending:add_unused(lines)
  for _, name in ipairs(self.names) do
    local outlet = self.outlets[name]
    if #outlet.answers > 0 then
      lines[#lines + 1] = ("endpoint '%s' was not asked for %d of its answers"):format(name,
        #outlet.answers)
    end
    if outlet.always and not outlet.is_used then
      lines[#lines + 1] = ("endpoint '%s' was never asked for its answer"):format(name)
    end
  end
end

return M
