-- SPDX-License-Identifier: MIT
-- F02: the process ends as by kill -9 at each named point of the path. Test builds only
-- (core/base/crash.h). The long form passes each point 20 times (ANZOL_LONG=1).
local Campaign = require "support.campaign"

local points = { "accepted", "verified", "queued", "in_group", "after_write", "after_sync",
  "before_wake", "before_answer", "handler_start", "outbox_commit", "before_send", "sent",
  "answer_read", "outcome_written" }
local ROUNDS = os.getenv "ANZOL_LONG" == "1" and 20 or 1
local CRASH_MS = 10000
local EXIT_AS_KILLED = 137
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

describe("a crash", function()
  local campaign

  lazy_setup(function()
    math.randomseed(seed)
    campaign = Campaign.start { seed = seed }
  end)
  lazy_teardown(function() if campaign then campaign:close() end end)

  local function crash_at(point)
    campaign.server:stop()
    campaign.server:launch { ANZOL_CRASH_AT = ("%s:%d"):format(point, math.random(40)) }
    campaign:load { connections = 4 }
    local kind, code = campaign.server:ended(CRASH_MS)
    assert.same({ "exit", EXIT_AS_KILLED }, { kind, code },
      "the point was not passed\n" .. campaign.server:log())
    campaign:restart()
    campaign:check_stored()
    campaign:unload()
    campaign:check_arrived()
    assert.equal("", campaign.judge:verdict())
    campaign.judge:forget()
  end

  local function check_end()
    campaign:check_settled()
    assert.equal("", campaign.judge:verdict())
  end

  for _, point in ipairs(points) do
    it(("at '%s' loses and doubles nothing, %d times (seed %d)"):format(point, ROUNDS, seed),
      function()
        for _ = 1, ROUNDS do crash_at(point) end
        check_end()
      end)
  end
end)
