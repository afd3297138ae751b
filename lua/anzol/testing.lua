-- SPDX-License-Identifier: MIT
-- anzol.testing: a project's scripts under test, in plain busted: no server, no network, no
-- waiting. The scripts run in a state of their own, as limited and closed as on the server; each
-- step is done by the server's own functions (anzol/core.so), and this keeps the clock and the
-- order of things.
local core = require "anzol.core"
local duration = require "anzol.testing.duration"
local failure = require "anzol.testing.failure"
local handling = require "anzol.testing.handling"
local http = require "anzol.testing.http"
local logs = require "anzol.testing.logs"
local metrics = require "anzol.testing.metrics"
local receiving = require "anzol.testing.receiving"
local registering = require "anzol.testing.registering"
local routines = require "anzol.testing.routines"
local sending = require "anzol.testing.sending"
local timeline = require "anzol.testing.timeline"
local values = require "anzol.testing.values"

local M = { null = core.json.null, array = core.json.array, object = core.json.object }

-- Every secret that a script asks for: "test-NAME". Called with a table, those in it are as given.
M.any_secret = setmetatable({}, {
  __index = function(_, name) return "test-" .. name end,
  __call = function(secrets, given)
    return setmetatable(given, getmetatable(secrets))
  end,
})

local DEFAULT_NOW = "2026-01-05T09:00:00Z" -- a Monday
local SECRET_PREFIX = "ANZOL_SECRET_"

-- ---- The world: what the parts of a test share ----

local World = {}
World.__index = World

-- The first failure of this call, raised when the call ends.
function World:fail(text)
  self.failed = self.failed or text
end

function World:add_dead_letter(letter)
  table.insert(self.dead_letters, letter)
end

function World:in_force()
  self.project:set_time(self.timeline.now_ms)
end

function World:encode(value)
  local text, why = self.project:encode(value)
  if not text then failure.raise("%s", why) end
  return text
end

function World:decode(text, what)
  local value, why = self.project:decode(text)
  if value == nil then failure.raise("%s: %s", what, why) end
  return value
end

local function finish_results(self)
  local results = self.project:finished()
  for _, result in ipairs(results) do result:on_finished() end
  return #results > 0
end

local function check_failure(self)
  local text = self.failed
  if not text then return end
  self.failed = nil
  failure.raise("%s", text)
end

-- One step of what is to do at this moment; false: there is nothing. What was pre-empted gets its
-- turn last, and what waits for this very time after all else.
local function step(self)
  if finish_results(self) or self.http:answer_all() then return true end
  local action = self.timeline:take_ready()
  if action then
    action()
    return true
  end
  local due_ms = self.project:next_timer()
  if due_ms and due_ms <= self.timeline.now_ms then
    self.project:run_timers()
    return true
  end
  return self.project:unfinished() > 0 and self.project:turn()
end

-- Does all that is to do at this moment.
local function work(self)
  while not self.failed and step(self) do end
  for _, line in ipairs(self.project:logs()) do
    table.insert(self.logs, logs.row(line, self))
  end
  check_failure(self)
end

-- When something is due next; nil: nothing is.
local function next_ms(self)
  local script_ms, own_ms = self.project:next_timer(), self.timeline:next_ms()
  return script_ms and own_ms and math.min(script_ms, own_ms) or script_ms or own_ms
end

local function leap(self, to_ms)
  self.timeline:leap(to_ms)
  self:in_force()
  work(self)
end

-- All that is to do now; while a job waits (or is_wanted says so), the clock moves on to what it
-- waits for. Polls may wait for ever: they count only if they are wanted.
function World:settle(is_wanted)
  local function waits()
    local in_routines = self.routines and self.routines.running or 0
    return is_wanted and is_wanted() or self.project:unfinished() > in_routines
  end
  self:in_force()
  work(self)
  while waits() and next_ms(self) do leap(self, next_ms(self)) end
end

-- All that is due until then, each thing at its own time.
function World:run_until(until_ms)
  self:in_force()
  work(self)
  local due_ms = next_ms(self)
  while due_ms and due_ms <= until_ms do
    leap(self, due_ms)
    due_ms = next_ms(self)
  end
  self.timeline.now_ms = until_ms
  self:in_force()
end

-- ---- Loading ----

local function is_file(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The nearest folder with an anzol.lua at or above the spec's file; else the current one.
local function find_dir()
  local file = failure.spec_file()
  local dir = file and (file:match "^(.*)/[^/]*$" or ".")
  while dir do
    if is_file(dir .. "/anzol.lua") then return dir end
    dir = dir:match "^(.*)/[^/]*$"
  end
  return "."
end

local function find_scripts(dir)
  local settings, why = core.settings(dir)
  if not settings then failure.raise("testing.new: %s", why) end
  if not settings.scripts then return nil end
  local globs = {}
  for glob in settings.scripts:gmatch "[^\n]+" do globs[#globs + 1] = glob end
  return globs
end

local function read_now(now)
  if math.type(now) == "integer" then return now end
  local ms = type(now) == "string" and core.parse_time(now)
  if not ms then
    failure.raise("testing.new: now is RFC 3339 (\"2026-03-02T08:00:00Z\") or Unix milliseconds, "
      .. "got %s", tostring(now))
  end
  return ms
end

-- Secrets by name, everything else from env; never the environment of the process.
local function variables(secrets, env)
  return function(name)
    if name:sub(1, #SECRET_PREFIX) == SECRET_PREFIX then
      return secrets[name:sub(#SECRET_PREFIX + 1)]
    end
    return env[name]
  end
end

local function describe(findings, text)
  local lines = {}
  for _, finding in ipairs(findings) do
    local where = ""
    if finding.file ~= "" then
      where = finding.line > 0 and ("%s:%d: "):format(finding.file, finding.line)
        or finding.file .. ": "
    end
    lines[#lines + 1] = where .. finding.message
      .. (finding.hint and (" (%s)"):format(finding.hint) or "")
  end
  return #lines > 0 and table.concat(lines, "\n") or text
end

local function load_project(world, options, dir, now_ms)
  local project, findings, text = core.load {
    dir = dir, scripts = options.scripts or find_scripts(dir), now_ms = now_ms,
    seed = options.seed or 1,
    variables = variables(options.secrets or {}, options.env or {}),
    rows = function(kind)
      return kind == "events" and world.handling:rows() or world.sending:rows()
    end,
  }
  if not project then
    failure.raise("the scripts do not load:\n%s", describe(findings, text))
  end
  return project
end

-- ---- The test ----

local Test = {}
-- What a test shows; dead letters that were looked at need not fail it.
local test_fields = {
  dead_letters = function(world)
    world.are_dead_letters_seen = true
    return world.dead_letters
  end,
  calls = function(world) return world.http.calls end,
  deliveries = function(world) return world.sending.deliveries end,
  kv = function(world) return values.view(world) end,
  events = function(world) return world.handling.events end,
  logs = function(world) return world.logs end,
  now_ms = function(world) return world.timeline.now_ms end,
}
local worlds = setmetatable({}, { __mode = "k" })

local function test_names()
  local names = {}
  for _, list in ipairs { test_fields, Test } do
    for name in pairs(list) do names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local test_meta = {
  __index = function(test, key)
    local field = test_fields[key]
    if field then return field(worlds[test]) end
    return Test[key] or type(key) == "string" and failure.unknown_name(key, test_names(), "a test")
      or nil
  end,
}

-- Runs one of the test's calls for the spec: it must still be open.
local function world_of(test)
  local world = worlds[test]
  if not world then failure.raise "this is no open test: testing.new { … } makes one" end
  return world
end

-- The same before anything happens: anzol.init comes first, once; what it calls is canned by then.
local function ready_world_of(test)
  local world = world_of(test)
  if world.is_ready then return world end
  world.is_ready = true
  local problem
  world.project:init { on_finished = function(result) problem = result.problem end }
  world:settle()
  if problem then failure.raise("anzol.init failed: %s", problem) end
  world.routines = routines.new(world)
  return world
end

-- Sends a request to a source as its sender would; all that follows from it now is done when it
-- returns { status, headers, body, json, event }.
function Test:receive(source, options)
  return receiving.receive(ready_world_of(self), source, options)
end

-- What applications do over the API: they register endpoints and publish messages.
function Test:register(fields)
  return registering.register(ready_world_of(self), fields)
end

function Test:publish(type, options)
  return registering.publish(ready_world_of(self), type, options)
end

-- Whether the request of a delivery's last attempt has a good signature of Standard Webhooks, by
-- the key of its endpoint or this one.
function Test:is_signed(delivery, key)
  local world = world_of(self)
  if type(delivery) ~= "table" or not delivery.request then
    failure.raise "t:is_signed takes a delivery that was attempted"
  end
  local endpoint = world.sending:registered(delivery.endpoint)
  key = key or endpoint and endpoint.key
  if type(key) ~= "string" then
    failure.raise("t:is_signed: say by which key: '%s' was not registered in the test",
      delivery.endpoint)
  end
  return registering.is_signed(world, delivery.request, key)
end

-- The next attempts at an endpoint get these answers, in turn.
function Test:answer(endpoint, ...)
  world_of(self).sending:answer(endpoint, ...)
end

-- Every attempt at an endpoint gets this answer, once those in turn are used up.
function Test:answer_always(endpoint, answer)
  world_of(self).sending:answer_always(endpoint, answer)
end

local function at_queue(self, call, ...)
  local world = ready_world_of(self)
  local result = world.sending[call](world.sending, ...)
  world:settle()
  return result
end

-- As the receiver of a queue: takes messages that are due, then ends their leases; how many were
-- ended. A lease that nobody ends does so when t:advance comes to its time.
function Test:take(endpoint, options) return at_queue(self, "take", endpoint, options) end
function Test:ack(endpoint, messages) return at_queue(self, "ack", endpoint, messages) end
function Test:nack(endpoint, messages, options)
  return at_queue(self, "nack", endpoint, messages, options)
end
function Test:extend(endpoint, messages, time)
  return at_queue(self, "extend", endpoint, messages, time)
end

local function change(self, endpoint, verb)
  local world = ready_world_of(self)
  world.sending:change(endpoint, verb)
  world:settle()
end

-- What `anzol endpoints pause | resume | disable | enable` does; all that follows from it now is
-- done.
function Test:pause(endpoint) change(self, endpoint, "pause") end
function Test:resume(endpoint) change(self, endpoint, "resume") end
function Test:disable(endpoint) change(self, endpoint, "disable") end
function Test:enable(endpoint) change(self, endpoint, "enable") end

-- What `anzol dead retry` and `anzol replay` do to one delivery or event, or its id; all that
-- follows from it now is done.
local function do_by_hand(self, verb, what)
  local world = ready_world_of(self)
  local id = type(what) == "table" and what.id or what
  if type(id) ~= "string" or not id:find "^%l+_%w+$" then
    failure.raise("t:%s takes a delivery, an event or an id of one, got %s", verb, tostring(what))
  end
  local doer = id:find "^evt_" and world.handling or world.sending
  local found = doer:find(id)
  if not found then failure.raise("t:%s: there is no %s", verb, id) end
  if not doer:do_by_hand { verb = verb, id = id } then
    failure.raise("t:%s: %s is %s", verb, id, found.state or world.handling.state_of(found))
  end
  world:settle()
end

function Test:retry(what) do_by_hand(self, "retry", what) end
function Test:replay(what) do_by_hand(self, "replay", what) end

-- Every call of anzol.http that matches the pattern gets this answer: "https://api.example/v1/*",
-- or with a method, "POST https://…"; * stands for anything, a query counts only if the pattern
-- has one. The pattern that was given last comes first.
function Test:http(pattern, answer)
  world_of(self).http:can(pattern, answer)
end

-- Moves the clock: all that falls due is done, each thing at its own time.
function Test:advance(time)
  local world = ready_world_of(self)
  world:run_until(world.timeline.now_ms + duration(time, "t:advance"))
end

-- Runs a poll now, whatever its time; how it ended { items, error?, why, wait_ms, next_ms }.
function Test:poll(name)
  return ready_world_of(self).routines:run_now(name, { poll = true }, "t:poll")
end

-- The same for what anzol.cron or anzol.every registered.
function Test:cron(name)
  return ready_world_of(self).routines:run_now(name, { cron = true, every = true }, "t:cron")
end

-- A message of a stream of anzol.sse { id?, type?, data | json }; how its run ended, as t:poll.
function Test:message(name, message)
  local world = ready_world_of(self)
  failure.check_options(message, { "data", "id", "json", "type" }, "t:message")
  local data = message.json ~= nil and world:encode(message.json) or message.data or ""
  return world.routines:message(name, { id = message.id or "", type = message.type or "message",
    data = data })
end

-- The commit of the next run is lost, as if the process ended before it: none of its effects are
-- there, and the event runs again.
function Test:crash_before_commit()
  local handling_of = world_of(self).handling
  handling_of.lost_commits = handling_of.lost_commits + 1
end

-- What a metric of the scripts stands at; nil: it was not counted. labels: all of its labels.
function Test:metric(name, labels)
  return metrics.read(world_of(self).project:metrics(), name, labels or {})
end

-- The last delivery to an endpoint.
function Test:delivery(endpoint)
  return world_of(self).sending:delivery(endpoint)
end

-- The endpoints of a list of deliveries, in its order.
function Test.endpoints_of(_, deliveries)
  local names = {}
  for i, delivery in ipairs(deliveries) do names[i] = delivery.endpoint end
  return names
end

-- Ends the test. Raises for canned answers that nobody asked for, and for runs that failed while
-- the spec looked neither at t.dead_letters nor at the event's error or runs.
function Test:close()
  local world = world_of(self)
  local lines = {}
  world.sending:add_unused(lines)
  world.http:add_unused(lines)
  if world.routines then world.routines:add_unseen_failures(lines) end
  if not world.are_dead_letters_seen then world.handling:add_unseen_failures(lines) end
  world.project:close()
  worlds[self] = nil
  if #lines > 0 then failure.raise("%s", table.concat(lines, "\n")) end
end

local option_names = { "dir", "env", "kv", "now", "scripts", "secrets", "seed" }

-- testing.new { scripts = { glob, … }?, secrets = { NAME = text }?, env = { NAME = text }?, now?,
-- seed?, dir? }
function M.new(options)
  options = options or {}
  failure.check_options(options, option_names, "testing.new")
  local dir = options.dir or find_dir()
  local now_ms = read_now(options.now or DEFAULT_NOW)
  local world = setmetatable({ dir = dir, timeline = timeline.new(now_ms), logs = {},
    dead_letters = {}, sources = {}, source_names = {}, applications = registering.applications() },
    World)
  world.project = load_project(world, options, dir, now_ms)
  for i, source in ipairs(world.project:sources()) do
    world.sources[source.name], world.source_names[i] = source, source.name
  end
  world.sending, world.handling = sending.new(world), handling.new(world)
  world.http = http.new(world)
  values.put(world, options.kv or {})
  local test = setmetatable({}, test_meta)
  worlds[test] = world
  return test
end

return M
