-- SPDX-License-Identifier: MIT
-- F01: killed at random times under mixed load, during starts too: what was acknowledged is stored
-- and arrives, unchanged, as one message. The long form kills 500 times (ANZOL_LONG=1).
local Campaign = require "support.campaign"
local process = require "anzol_test.process"

local is_long = os.getenv "ANZOL_LONG" == "1"
local KILLS = tonumber(os.getenv "ANZOL_KILLS") or (is_long and 500 or 15)
local KILLS_PER_CHECK = is_long and 20 or 5
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

describe("kill -9 under load", function()
  local campaign

  before_each(function()
    math.randomseed(seed)
    campaign = Campaign.start { seed = seed }
  end)
  after_each(function() campaign:close() end)

  local function kill_once()
    process.sleep_ms(math.random(20, 350))
    campaign.server:kill()
    if math.random(5) == 1 then
      campaign.server:launch()
      process.sleep_ms(math.random(0, 60))
      campaign.server:kill()
    end
    campaign:restart()
    campaign:check_stored()
  end

  it(("loses nothing, %d times (seed %d)"):format(KILLS, seed), function()
    local acknowledged = 0
    for kill = 1, KILLS do
      if not campaign.sender then campaign:load { pause_us = 500 } end
      kill_once()
      if kill % KILLS_PER_CHECK == 0 or kill == KILLS then
        acknowledged = acknowledged + campaign:unload().acknowledged
        campaign:check_arrived()
        assert.equal("", campaign.judge:verdict())
        campaign.judge:forget()
      end
    end
    campaign:check_settled()
    assert.equal("", campaign.judge:verdict())
    assert.is_true(acknowledged > KILLS * 20, "acknowledged: " .. acknowledged)
    print(("\n    %d kills, %d acknowledged, 0 lost, %d repeated, slowest start %.0f ms, seed %d")
      :format(KILLS, acknowledged, campaign.judge.repeats, campaign.slowest_start_ms, seed))
  end)
end)
