-- SPDX-License-Identifier: MIT
-- Runs a schedule: the real sender over the real store in a file, receivers that answer as the
-- schedule says, and the model beside them.
local deliver = require "anzol_test.deliver"
local folders = require "store.rig"
local Model = require "model.model"
local judge = require "model.judge"
local rigs = require "core.send_rig"

local SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
-- In turns of the loop, not by a clock: a machine may stand still.
local ROUNDS, LOOKS, LOOK_MS = 100, 20, 5

local ANSWERS = {
  ok = { rigs.ok() },
  ["500"] = { rigs.answer(500) },
  ["410"] = { rigs.answer(410) },
  ["429"] = { rigs.answer(429, { ["Retry-After"] = "0" }) },
  reset = { "", reset = true },
  close = { "", close = true },
}

local Run = {}
Run.__index = Run

-- The next generation, of the endpoints as they are wanted.
function Run:load()
  local list = {}
  for _, spec in ipairs(self.schedule.endpoints) do
    local endpoint = self.model.endpoints[spec.name]
    if endpoint.wanted ~= "removed" then
      list[#list + 1] = {
        name = spec.name, url = self.urls[spec.name], sign = SECRET,
        attempts = endpoint.attempts, retry_ms = endpoint.retry_ms, timeout_ms = endpoint.timeout_ms,
        concurrency = endpoint.concurrency, blocks_on_dead = endpoint.blocks_on_dead,
        rate = endpoint.rate or nil, burst = endpoint.burst or nil,
        failures = endpoint.failures, cooldown_ms = endpoint.cooldown_ms,
      }
    end
  end
  self.rig:endpoints(list)
end

-- An operator pauses or resumes it. Returns the state in which it is then.
function Run:ask(name, verb)
  local was_gone = self.model.endpoints[name].is_gone
  local state = self.rig[verb](self.rig, name)
  self.model:answered(name, was_gone, state)
  return state
end

function Run:stop(name, how)
  local endpoint = self.model.endpoints[name]
  if endpoint.wanted then return end
  endpoint.wanted = how
  if how == "removed" then
    self:load()
  elseif self:ask(name, "pause") == "disabled" then
    endpoint.wanted = nil
    return
  end
  endpoint.is_stopped = how
end

function Run:enable(name)
  self.model:enabling(name)
  self.rig:set_state(name, "enabled")
  self.model:enabled(name, deliver.mono_ms())
end

function Run:go_on(name, how)
  local endpoint = self.model.endpoints[name]
  if endpoint.wanted ~= how then return end
  endpoint.wanted, endpoint.is_stopped = nil, nil
  if how == "removed" then return self:load() end
  self.model:forgiven(name)
  if self:ask(name, "resume") == "disabled" then return self:enable(name) end
  self.model:forgiven(name)
end

local actions = {}

function actions.wait(run, step) run.rig:run(step.ms) end
function actions.pause(run, step) run:stop(step.endpoint, "paused") end
function actions.resume(run, step) run:go_on(step.endpoint, "paused") end
function actions.remove(run, step) run:stop(step.endpoint, "removed") end
function actions.restore(run, step) run:go_on(step.endpoint, "removed") end

function actions.clock(_, step) deliver.step(step.ms) end

function actions.reload(run, step)
  run.model:changing(step.endpoint, step.changes)
  run:load()
  run.model:changed(step.endpoint)
end

function actions.kill(run, step)
  run.model:note("-", "the process dies (%s)", step.how)
  run.rig:kill(step.how or nil)
  run.model:died()
  run.rig:open()
  run:load()
end

function actions.commit(run, step)
  if run.model.endpoints[step.endpoint].wanted == "removed" then return end
  local message = {}
  for name, value in pairs(step) do message[name] = value end
  message.expires_ms = step.expires_in_ms and deliver.due_ms() + step.expires_in_ms
  message.not_before_ms = deliver.due_ms() + (step.delay_ms or 0)
  run.model:commit(message)
  run.rig:commit(step.endpoint, message, function(id) message.id, message.is_committed = id, id ~= nil end)
end

local function stored(run, step)
  local message = run.model.messages[step.body]
  return message and message.id and message
end

function actions.cancel(run, step)
  local message = stored(run, step)
  if not message or run.model.endpoints[message.endpoint].wanted == "removed" then return end
  run.model:take_back(message)
  run.rig:cancel(message.endpoint, message.id, function(status) run.model:taken_back(message, status) end)
end

function actions.drop(run, step)
  local message = stored(run, step)
  if not message then return end
  run.model:take_back(message)
  run.rig:change("drop", message.id, function(status) run.model:taken_back(message, status) end)
end

function actions.retry(run, step)
  local message = stored(run, step)
  if not message or message.is_reviving then return end
  run.model:revive(message)
  run.rig:change("retry", message.id, function(status) run.model:revived(message, status) end)
end

function Run:receiver(name)
  return function(request)
    local id = request.head:match "\r\n[Ww]ebhook%-[Ii]d: ([^\r\n]+)"
    local verdict, after_ms = self.model:arrived(name, request.body, request.open, id, deliver.mono_ms())
    local answer = ANSWERS[verdict]
    return answer and { answer[1], close = answer.close, reset = answer.reset, after_ms = after_ms }
  end
end

function Run:begin()
  local function started(name, body, id)
    self.model:started(name, body, id, { due_ms = deliver.due_ms(), mono_ms = deliver.mono_ms() })
  end
  local function settled(name, body, _, status) self.model:settled(name, body, status) end
  self.rig = deliver.rig(self.path, { started = started, settled = settled })
  for _, spec in ipairs(self.schedule.endpoints) do
    self.urls[spec.name] = "http://127.0.0.1:" .. self.rig:server(self:receiver(spec.name)) .. "/"
  end
  self.rig:open()
  self:load()
end

-- Everything flows; an endpoint that a 410 disabled is enabled again.
function Run:finish()
  for _, endpoint in pairs(self.model.endpoints) do endpoint.wanted, endpoint.is_stopped = nil, nil end
  self:load()
  for _ = 1, ROUNDS do
    for name in pairs(self.model.endpoints) do self:enable(name) end
    for _ = 1, LOOKS do
      self.rig:run(LOOK_MS)
      if judge.open_count(self.path) == 0 then return end
    end
  end
  local running, held = self.rig:in_memory()
  self.model:wrong("%d deliveries do not end; %d attempts run, %d deliveries are in memory",
    judge.open_count(self.path), running, held)
end

function Run:play()
  self:begin()
  for _, step in ipairs(self.schedule.steps) do actions[step.op](self, step) end
  self:finish()
  self.model:judge_rates(self.rig:longest_ms())
  self.rig:close()
  judge.judge(self.model, self.path)
end

-- Returns what was wrong, a list of sentences; its field `history` says what was seen before.
return function(schedule)
  local folder = folders.folder()
  local run = setmetatable({ schedule = schedule, model = Model.new(schedule), urls = {},
    path = folder .. "/anzol.db" }, Run)
  local ok, problem = xpcall(run.play, debug.traceback, run)
  if not ok then run.model:wrong("%s", problem) end
  if run.rig then run.rig:close() end
  deliver.step(0)
  folders.remove(folder)
  run.model.broken.history = run.model.history
  return run.model.broken
end
