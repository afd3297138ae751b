-- SPDX-License-Identifier: MIT
-- What happens in one run, made from its seed before it begins: endpoints, and a list of steps, each
-- a table { op = ... }. So it can be printed, run again, and shrunk.
local M = {}

local KEYS = { "a", "b" }
local ANSWERS = { "ok", "500", "429", "reset", "close", "hang", "410" }
local WEIGHTS = { 60, 18, 6, 5, 5, 3, 2 }

local function chance(probability) return math.random() < probability end

local function pick(list, weights)
  local sum = 0
  for _, weight in ipairs(weights) do sum = sum + weight end
  local dice = math.random(sum)
  for i, weight in ipairs(weights) do
    dice = dice - weight
    if dice <= 0 then return list[i] end
  end
end

local function endpoint(i)
  local rate = chance(0.3) and math.random(100, 400) or nil
  return {
    name = "e" .. i, attempts = math.random(4), retry_ms = chance(0.2) and 30 or math.random(8), timeout_ms = 40,
    concurrency = math.random(4), blocks_on_dead = chance(0.3),
    rate = rate, burst = rate and math.random(5),
    failures = chance(0.2) and 3 or 0, cooldown_ms = 15,
  }
end

-- What a reload may change.
local function changes()
  local rate = chance(0.4) and math.random(100, 400) or false
  return { concurrency = math.random(4), blocks_on_dead = chance(0.3), timeout_ms = math.random(30, 60),
    rate = rate, burst = rate and math.random(5) or false }
end

local function answers()
  local list = {}
  for i = 1, math.random(4) do
    list[i] = { pick(ANSWERS, WEIGHTS), chance(0.3) and math.random(6) or 0 }
  end
  return list
end

-- One of those before, rather a late one.
local function body_before(schedule)
  local count = #schedule.bodies
  return { body = "m" .. math.max(1, count - math.random(0, math.random(0, count))) }
end

local makers = {
  commit = function(schedule, name)
    local count = #schedule.bodies + 1
    local body = "m" .. count
    schedule.bodies[count] = body
    return { body = body, endpoint = name, key = chance(0.7) and KEYS[math.random(#KEYS)] or nil,
      priority = chance(0.2) and math.random(-1, 1) or nil,
      delay_ms = chance(0.1) and math.random(15) or nil,
      expires_in_ms = chance(0.1) and math.random(5, 60) or nil, answers = answers() }
  end,
  wait = function() return { ms = math.random(0, 8) } end,
  cancel = body_before,
  retry = body_before,
  drop = body_before,
  pause = function(_, name) return { endpoint = name } end,
  resume = function(_, name) return { endpoint = name } end,
  remove = function(_, name) return { endpoint = name } end,
  restore = function(_, name) return { endpoint = name } end,
  reload = function(_, name) return { endpoint = name, changes = changes() } end,
  kill = function() return { how = ({ "io", "lie", false })[math.random(3)] } end,
  clock = function() return { ms = chance(0.5) and math.random(-40, -1) or math.random(1, 500) } end,
}
local OPS = { "commit", "wait", "cancel", "retry", "drop", "pause", "resume", "remove", "restore", "reload",
  "kill", "clock" }
local OP_WEIGHTS = { 60, 30, 5, 5, 2, 4, 5, 2, 3, 4, 4, 3 }

-- The same for the same seed.
function M.make(seed)
  math.randomseed(seed)
  local schedule = { seed = seed, endpoints = {}, steps = {}, bodies = {} }
  for i = 1, math.random(3) do schedule.endpoints[i] = endpoint(i) end
  for i = 1, math.random(20, 90) do
    local op = pick(OPS, OP_WEIGHTS)
    local step = makers[op](schedule, schedule.endpoints[math.random(#schedule.endpoints)].name)
    step.op = op
    schedule.steps[i] = step
  end
  return schedule
end

local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for _, item in ipairs(value) do parts[#parts + 1] = show(item) end
  local names = {}
  for name in pairs(value) do if type(name) == "string" and name ~= "op" then names[#names + 1] = name end end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. "=" .. show(value[name]) end
  return "{" .. table.concat(parts, " ") .. "}"
end

-- For people: a line for each endpoint and step.
function M.list(schedule)
  local lines = {}
  for _, spec in ipairs(schedule.endpoints) do lines[#lines + 1] = "endpoint " .. show(spec) end
  for i, step in ipairs(schedule.steps) do lines[#lines + 1] = ("%3d %s %s"):format(i, step.op, show(step)) end
  return table.concat(lines, "\n")
end

-- A smaller schedule that still fails, by leaving steps out: first many at once, then single ones.
-- fails(schedule) runs one, and says what was wrong. Ends after `seconds`.
function M.shrink(schedule, problems, fails, seconds)
  local deadline = os.time() + seconds
  local size = #schedule.steps // 2
  while size >= 1 do
    local at = 1
    while at <= #schedule.steps and os.time() < deadline do
      local fewer = { seed = schedule.seed, endpoints = schedule.endpoints, steps = {} }
      for i, step in ipairs(schedule.steps) do
        if i < at or i >= at + size then fewer.steps[#fewer.steps + 1] = step end
      end
      local again = fails(fewer)
      if again then schedule, problems = fewer, again else at = at + size end
    end
    size = size // 2
  end
  return schedule, problems
end

return M
