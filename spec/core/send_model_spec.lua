-- SPDX-License-Identifier: MIT
-- Windows and claims against a store that fails and shuffles at random: every delivery ends as the
-- receiver had it, none is lost, none is sent again without a reason, all room comes back.
local rigs = require "core.send_rig"

local ENDPOINTS, LONG = 6, os.getenv "ANZOL_LONG" == "1"

-- What a server does with the n-th request of a body.
local function behave(plan)
  return function(request, server)
    server.seen = server.seen or {}
    local count = (server.seen[request.body] or 0) + 1
    server.seen[request.body] = count
    local verdict = plan[request.body]
    if verdict == "fail" or (verdict == "late" and count < 3) then return rigs.answer(500) end
    if verdict == "lost" and count == 1 then return { "", close = true } end
    return rigs.ok()
  end
end

local function endpoints(rig, server, state)
  local list = {}
  for i = 1, ENDPOINTS do
    list[i] = { name = "e" .. i, id = i, url = server.url, attempts = 5, retry_ms = 5,
      concurrency = i, state = i == state.index and state.name or nil,
      rate = i == ENDPOINTS and 2000 or nil }
  end
  rig:endpoints(list)
end

local verdicts = { "ok", "ok", "ok", "ok", "late", "lost", "fail" }

-- Commits `count` messages in bursts, with pauses, reloads and restarts between.
local function drive(rig, server, plan, count, options)
  local number = 0
  while number < count do
    local burst = math.random(1, 200)
    local name = "e" .. math.random(ENDPOINTS)
    for _ = 1, math.min(burst, count - number) do
      number = number + 1
      local body = "m" .. number
      plan[body] = verdicts[math.random(#verdicts)]
      rig:commit({ body = body, delay_ms = math.random(10) == 1 and math.random(30) or 0 }, name)
    end
    rig:wait(nil, math.random(0, 10))
    local dice = math.random(10)
    if dice == 1 then
      endpoints(rig, server, { index = math.random(ENDPOINTS),
        name = math.random(2) == 1 and "paused" or "disabled" })
    elseif dice == 2 then
      endpoints(rig, server, {})
    elseif dice == 3 and options.restarts then
      rig.rig:restart(math.random(0, 1) * 20)
      endpoints(rig, server, {})
      rig.rig:start()
    end
  end
  endpoints(rig, server, {})
end

local function run(seed, options)
  math.randomseed(seed)
  local plan, count = {}, LONG and 20000 or 1500
  rigs.with(function(rig)
    local server = rig:server(behave(plan))
    endpoints(rig, server, {})
    rig:wait(nil, 20)
    local room = rig.rig:counts().room
    rig.rig:faults(options.faults)
    drive(rig, server, plan, count, options)
    rig:wait(function() return rig.rig:open_count() == 0 end, LONG and 120000 or 15000)
    rig.rig:faults {}
    local rows = rig:settle(10000)
    rig:wait(function() return rig.rig:counts().is_store_quiet end, 1000)
    assert.equal(count, #rows)
    for _, row in ipairs(rows) do
      assert.is_true(row.state == "succeeded" or row.state == "dead")
      assert.equal(row.attempt_count, #row.attempts)
      for i, attempt in ipairs(row.attempts) do assert.equal(i, attempt.number) end
    end
    local requests = 0
    for body, verdict in pairs(plan) do
      local seen = server.seen[body] or 0
      requests = requests + seen
      assert.is_true(seen >= 1, body .. " never came")
      local wanted = ({ ok = 1, late = 3, fail = 5, lost = 2 })[verdict]
      if not options.may_repeat then
        -- "lost": a kept connection may have had its silent second try.
        assert.is_true(seen == wanted or verdict == "lost" and seen <= 3,
          body .. " (" .. verdict .. ") came " .. seen .. " times")
      end
    end
    local counts = rig.rig:counts()
    assert.equal(0, counts.held)
    assert.equal(0, counts.credits_out)
    if not options.may_repeat then assert.equal(0, counts.settle_repeats) end
    -- A claim that failed comes again a second later; then the gates are open.
    rig:wait(function()
      counts = rig.rig:counts()
      for i = 1, ENDPOINTS do if counts.room[i] ~= room[i] then return false end end
      return true
    end, 4000)
    assert.same(room, counts.room)
  end, { seed = seed })()
end

local cases = {
  { "in random turns", { faults = { shuffle = true } } },
  { "with readers that fail", { faults = { shuffle = true, read_io = 0.05, read_busy = 0.3 } } },
  { "with credits short", { faults = { shuffle = true, credit_busy = 0.5 } } },
  { "over restarts", { faults = { shuffle = true }, restarts = true, may_repeat = true } },
  { "with outcomes not taken", { faults = { shuffle = true, settle_io = 0.02 },
    may_repeat = true } },
  { "with outcomes taken that say they were not", { may_repeat = true,
    faults = { shuffle = true, settle_lies = 0.02 } } },
  { "with everything at once", { restarts = true, may_repeat = true,
    faults = { shuffle = true, settle_io = 0.01, settle_lies = 0.01, read_io = 0.02,
      read_busy = 0.1, credit_busy = 0.1 } } },
}

describe("every delivery ends, once", function()
  local first = tonumber(os.getenv "ANZOL_SEED") or os.time()
  for _, case in ipairs(cases) do
    for i = 1, LONG and 5 or 1 do
      local seed = first + i
      it(("%s (seed %d)"):format(case[1], seed), function() run(seed, case[2]) end)
    end
  end
end)
