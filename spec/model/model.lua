-- SPDX-License-Identifier: MIT
-- The model of queue and policy: what a receiver may see, said as plainly as can be. It hears of
-- what is asked for (committed, paused, ...), of each attempt that starts, and of each request that
-- comes in; it notes what ought not to be. What must have come out in the end is for the judge.
-- Deaths of the process, reloads and steps of the wall clock are steps of a schedule like any other.
--
-- That it can fail was tried with faults put into the program, one at a time, 320 to 640 runs each. It
-- finds: an outcome dropped; the next of a key forgotten, not loaded, or sent before its delay; a key not
-- found taken; a pause ignored, forgotten by a restart, or not for what waits; a removed endpoint that
-- goes on; a send after a cancel, from the queue, by a claim or by a late hand-over; a stale claim
-- believed; rate, burst, concurrency (by one), expiry, `on_dead = "block"`, circuit and its single probe
-- ignored; an attempt too many or too few; a retry that does not wait; a claim before it is due; a 410
-- retried or not disabling, or hidden by a pause or by an older answer of the store; recovery that leaves
-- one out; a hint lost; what is given back due later; a revived one kept out by its old cancel.
-- It does not find what is late but comes, as a due time that is forgotten for a later one does.
local Model = {}
Model.__index = Model

local SLACK_MS = 50 -- between the sender's look at the clock and ours
local ROUNDED_MS = 2 -- of times that are whole milliseconds
local GOOD = { ok = true, ["429"] = true, ["410"] = true } -- for a circuit

function Model.new(schedule)
  local model = setmetatable({ messages = {}, endpoints = {}, broken = {}, history = {}, life = 1 },
    Model)
  for _, spec in ipairs(schedule.endpoints) do
    local endpoint = { starts = {}, may_block = false, open = 0, ended = 0, failed = 0, back_ms = 0 }
    for name, value in pairs(spec) do endpoint[name] = value end
    model.endpoints[spec.name] = endpoint
    model:changing(spec.name, {})
    model:changed(spec.name)
  end
  return model
end

function Model:note(body, text, ...)
  self.history[#self.history + 1] = body .. ": " .. text:format(...)
end

function Model:wrong(text, ...)
  self.broken[#self.broken + 1] = text:format(...)
  self.history[#self.history + 1] = "WRONG: " .. text:format(...)
end

-- ---- What is asked for -------------------------------------------------------------------------

function Model:commit(message)
  message.starts, message.arrivals, message.given = 0, 0, {}
  message.open, message.lost = 0, 0 -- attempts under way; those that a process did not live to write
  message.may_expire = message.expires_ms
  message.revivals, message.cancels, message.limit = 0, 0, 0
  -- Starts before its last fresh chance: at least, at most.
  message.born, message.born_surely = 0, 0
  self.messages[message.body] = message
end

-- The options of an endpoint become others; until changed() both may hold.
function Model:changing(name, changes)
  local endpoint = self.endpoints[name]
  local limit, blocked = endpoint.concurrency, endpoint.blocks_on_dead
  for option, value in pairs(changes) do endpoint[option] = value end
  endpoint.limit = math.max(limit, endpoint.concurrency)
  endpoint.may_skip = not (blocked and endpoint.blocks_on_dead)
  endpoint.may_block = endpoint.may_block or endpoint.blocks_on_dead
  endpoint.rate_max = math.max(endpoint.rate_max or 0, endpoint.rate or math.huge)
  endpoint.burst_max = math.max(endpoint.burst_max or 0, endpoint.burst or math.huge)
  for _, message in pairs(self.messages) do
    if message.endpoint == name then
      message.may_skip = message.may_skip or endpoint.may_skip
      message.limit = math.max(message.limit, endpoint.limit)
    end
  end
end

function Model:changed(name)
  local endpoint = self.endpoints[name]
  endpoint.limit = endpoint.concurrency
  endpoint.may_skip = not endpoint.blocks_on_dead
end

-- Cancelled, or dropped if it is dead; status comes when it is done.
function Model:take_back(message)
  self:note(message.body, "is to be taken back")
  message.is_taken_back = true
  message.cancels = message.cancels + 1
end

function Model:taken_back(message, status)
  self:note(message.body, "taken back: %s", status)
  message.cancels = message.cancels - 1
  if status == "ok" then message.is_cancelled = true end
end

-- What is dead or cancelled gets a fresh chance.
function Model:revive(message)
  self:note(message.body, "is to be revived")
  message.is_reviving, message.born_next = true, message.starts
end

-- Of one that the process did not live to hear of, it is not known whether it is revived.
function Model:revived(message, status)
  self:note(message.body, "revived: %s", status)
  if status == "conflict" or status == "notfound" then
    message.is_reviving = false
    return
  end
  message.revivals = message.revivals + 1
  if status ~= "ok" then return end
  message.born, message.born_surely = message.born_next, message.starts
  message.not_before_ms, message.failed_ms = nil, nil
  message.is_reviving, message.is_revived, message.passed_by = false, true, nil
  message.is_cancelled, message.is_gone, message.expires_ms = false, false, nil
  message.is_taken_back = message.cancels > 0
end

-- ---- What is seen ------------------------------------------------------------------------------

-- Nothing more of it may come: so the next of its key may go.
local function may_be_over(message, endpoint, due_ms)
  local may_be_dead = message.starts - message.born >= endpoint.attempts or message.is_gone
  return message.is_delivered or message.is_taken_back or message.is_reviving
    or (may_be_dead and message.may_skip) or (message.expires_ms and message.expires_ms <= due_ms)
end

-- One that was revived is behind the one of its key that may go at that time, and before all others.
local function may_pass(message, body)
  message.passed_by = message.passed_by or (message.is_revived and body)
  return message.passed_by == body
end

function Model:check_order(message, endpoint, due_ms)
  for _, other in pairs(message.key and self.messages or {}) do
    if other ~= message and other.endpoint == message.endpoint and other.key == message.key and other.id
      and not may_be_over(other, endpoint, due_ms) then
      if other.starts > other.born_surely then
        self:wrong("%s: an attempt while %s of key %s is not over", message.body, other.body, message.key)
      elseif other.id < message.id and not may_pass(other, message.body) then
        self:wrong("%s: an attempt before %s, which comes first in key %s", message.body, other.body, message.key)
      end
    end
  end
end

function Model:check_time(message, endpoint, now)
  local body = message.body
  if message.expires_ms and now.due_ms > message.expires_ms + SLACK_MS then
    self:wrong("%s: an attempt %d ms after it expired", body, now.due_ms - message.expires_ms)
  end
  if message.not_before_ms and now.due_ms < message.not_before_ms then
    self:wrong("%s: an attempt %d ms before its delay is over", body, message.not_before_ms - now.due_ms)
  end
  if message.failed_ms and now.mono_ms < message.failed_ms + endpoint.retry_ms - ROUNDED_MS then
    self:wrong("%s: an attempt %.1f ms after one that failed, its policy waits %d ms", body,
      now.mono_ms - message.failed_ms, endpoint.retry_ms)
  end
end

-- What is surely known of the circuit: nothing but failures since it could have been closed, and enough
-- of them. Then there are probes: one at a time, each a cooldown after the one before.
local function is_tripped(endpoint)
  return endpoint.failures > 0 and endpoint.failed >= endpoint.failures
    and endpoint.failed * 2 >= endpoint.ended + endpoint.open
end

-- That it is enabled by hand and what an answer made of it may cross on their way: of a 410 that came
-- before it was enabled it is not known what became.
function Model:enabling(name)
  self.endpoints[name].back_ms = math.huge
  self.endpoints[name].is_gone = false
  self:forgiven(name)
end

function Model:enabled(name, now_ms)
  self.endpoints[name].back_ms = now_ms
  self:forgiven(name)
end

-- What the store said to who paused or resumed it, which is not allowed after a 410: one from before
-- that was asked (was_gone). One that came meanwhile disabled it afterwards, if it is not yet.
function Model:answered(name, was_gone, state)
  local endpoint = self.endpoints[name]
  self:note(name, "is %s", state)
  if was_gone and state ~= "disabled" then self:wrong("%s: %s, though a 410 disabled it", name, state) end
  if state == "disabled" and not endpoint.gave_410 then self:wrong("%s: disabled without a 410", name) end
  endpoint.is_gone = endpoint.is_gone or state == "disabled"
end

-- Of the attempts before, a circuit may know fewer than ended, never more.
function Model:forgiven(name)
  local endpoint = self.endpoints[name]
  endpoint.failed, endpoint.probe, endpoint.is_tripped = 0, nil, false
end

function Model:check_circuit(message, endpoint, now)
  local probe = endpoint.probe
  endpoint.probe = endpoint.is_tripped and { message = message, ms = now.mono_ms, given = message.arrivals } or nil
  if not endpoint.is_tripped or not probe then return end
  local last = probe.message
  if last.arrivals > probe.given and GOOD[last.given[last.arrivals]] then
    self:forgiven(endpoint.name)
  elseif last.open > 0 and last ~= message then
    self:wrong("%s: an attempt while %s tries whether %s is well", message.body, last.body, endpoint.name)
  elseif now.mono_ms < probe.ms + endpoint.cooldown_ms - ROUNDED_MS then
    self:wrong("%s: an attempt %.1f ms after %s, which failed though %s is spared", message.body,
      now.mono_ms - probe.ms, last.body, endpoint.name)
  end
end

-- An attempt starts. now: { due_ms, mono_ms }, by two clocks that no step of the wall clock moves.
function Model:started(name, body, id, now)
  local endpoint, message = self.endpoints[name], self.messages[body]
  self:note(body, "an attempt starts at %s, key %s", name, message.key)
  if endpoint.is_stopped then self:wrong("%s: an attempt at %s, which is %s", body, name, endpoint.is_stopped) end
  if message.is_cancelled and not message.is_reviving then
    self:wrong("%s: an attempt after it was cancelled", body)
  end
  if endpoint.is_gone then self:wrong("%s: an attempt at %s, which a 410 disabled", body, name) end
  if not message.is_reviving then self:check_time(message, endpoint, now) end
  self:check_circuit(message, endpoint, now)
  message.id = id
  self:check_order(message, endpoint, now.due_ms)
  message.starts = message.starts + 1
  message.limit = endpoint.limit
  message.may_skip = message.may_skip or endpoint.may_skip
  message.open, message.failed_ms, message.started_ms = message.open + 1, nil, now.mono_ms
  endpoint.open = endpoint.open + 1
  endpoint.starts[#endpoint.starts + 1] = { ms = now.mono_ms, life = self.life }
end

-- The outcome of an attempt is stored. status: 0: there was no answer.
function Model:settled(name, body, status)
  local endpoint, message = self.endpoints[name], self.messages[body]
  self:note(body, "its attempt ended, %d", status)
  message.open, endpoint.open = message.open - 1, endpoint.open - 1
  -- Without an answer the request may come in after its end.
  message.failed_ms = status // 100 ~= 2 and status ~= 410 and (status > 0 and message.arrived_ms or message.started_ms)
    or nil
  endpoint.ended = endpoint.ended + 1
  if status == 410 then
    endpoint.is_gone = endpoint.is_gone or message.arrived_ms > endpoint.back_ms
    self:forgiven(name)
  elseif status > 0 and status < 500 then
    self:forgiven(name)
  else
    endpoint.failed = endpoint.failed + 1
    endpoint.is_tripped = endpoint.is_tripped or is_tripped(endpoint)
  end
end

-- What was under way is not known to be stored.
function Model:died()
  self.life = self.life + 1
  for name, endpoint in pairs(self.endpoints) do
    endpoint.open = 0
    self:forgiven(name)
  end
  for _, message in pairs(self.messages) do
    message.lost, message.open = message.lost + message.open, 0
  end
end

-- A request came in while so many are open, itself among them. Returns how it is answered.
function Model:arrived(name, body, open, id, now_ms)
  local message = self.messages[body]
  if message.endpoint ~= name then self:wrong("%s: came to %s", body, name) end
  if message.starts == 0 then self:wrong("%s: came before it was sent", body) return "ok", 0 end
  if open > message.limit then
    self:wrong("%s: %d requests at once at %s, which may have %d", body, open, name, message.limit)
  end
  if message.message_id and message.message_id ~= id then
    self:wrong("%s: came as %s and as %s", body, message.message_id, id)
  end
  message.message_id = id
  message.arrivals, message.arrived_ms = message.arrivals + 1, now_ms
  local answer = message.answers[message.arrivals] or message.answers[#message.answers]
  message.given[message.arrivals] = answer[1]
  self:note(body, "comes, is answered by %s", answer[1])
  if answer[1] == "ok" then message.is_delivered = true end
  if answer[1] == "410" then message.is_gone, self.endpoints[name].gave_410 = true, true end
  return answer[1], answer[2]
end

-- ---- At the end --------------------------------------------------------------------------------

-- No window holds more attempts than the bucket gives. stall_ms: how long the machine stood still.
function Model:judge_rates(stall_ms)
  for name, endpoint in pairs(self.endpoints) do
    local starts, rate = endpoint.starts, endpoint.rate_max / 1000
    for i = 1, rate < math.huge and #starts or 0 do
      for j = i, #starts do
        local most = endpoint.burst_max + rate * (starts[j].ms - starts[i].ms + stall_ms)
        if starts[i].life == starts[j].life and j - i + 1 > most + 1e-6 then
          self:wrong("%s: %d attempts in %.1f ms, where %.1f are the most (stalled %.1f ms)", name, j - i + 1,
            starts[j].ms - starts[i].ms, most, stall_ms)
          return
        end
      end
    end
  end
end

return Model
