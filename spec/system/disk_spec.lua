-- SPDX-License-Identifier: MIT
-- F09, F12: the disk is full from the n-th write on; a sync fails.
local Campaign = require "support.campaign"
local Disk = require "support.disk"
local process = require "anzol_test.process"
local wait = require "support.wait"

local is_long = os.getenv "ANZOL_LONG" == "1"
local FULL_AT = is_long and 200 or 12 -- the disk fills at the 1st, 2nd, … write
local SYNC_FAILURES = is_long and 50 or 3
local EXIT_IO = 74
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

local function make_disk(server) return Disk.new(server.state_dir) end

describe("a full disk", function()
  local campaign, disk

  before_each(function()
    campaign = Campaign.start { seed = seed, make_disk = make_disk }
    disk = campaign.server.options.disk
  end)
  after_each(function() campaign:close() end)

  -- Refused while full; flows again within 5 s of free space, by the same process.
  local function fill_at(n)
    campaign:load { connections = 4 }
    process.sleep_ms(20)
    disk:fill_at(n)
    wait.until_true("refusals", 5000, function() return campaign.sender:counts().refused > 0 end)
    -- What was answered before still comes in; then the count stands still.
    local full
    wait.until_true("no more acknowledgements", 5000, function()
      full = campaign.sender:counts().acknowledged
      process.sleep_ms(50)
      return campaign.sender:counts().acknowledged == full
    end)
    assert.is_false(campaign.server:is_healthy())
    disk:free()
    wait.until_true("webhooks are taken again", 5000, function()
      return campaign.sender:counts().acknowledged > full
    end)
    campaign:unload()
    campaign:check_stored()
    assert.is_nil((campaign.server:ended(0)))
    assert.equal("", campaign.judge:verdict())
  end

  it(("at the n-th write, n = 1 to %d: 503, never a false 2xx; then it goes on"):format(FULL_AT),
    function()
      for n = 1, FULL_AT do fill_at(is_long and n or n * n) end
      campaign:check_arrived()
      campaign:check_settled()
      assert.equal("", campaign.judge:verdict())
      assert.is_true(disk:get "writes_failed" > 0)
    end)
end)

describe("a sync that fails", function()
  local campaign, disk

  before_each(function()
    math.randomseed(seed)
    campaign = Campaign.start { seed = seed, make_disk = make_disk }
    disk = campaign.server.options.disk
  end)
  after_each(function() campaign:close() end)

  it("ends the process with 74, nothing acknowledged is lost, the next start is consistent",
    function()
      for _ = 1, SYNC_FAILURES do
        campaign:load { connections = 4 }
        process.sleep_ms(50)
        disk:fail_sync_at(math.random(30))
        local kind, code = campaign.server:ended(5000)
        assert.same({ "exit", EXIT_IO }, { kind, code }, campaign.server:log())
        campaign:restart()
        campaign:check_stored()
        campaign:unload()
        campaign:check_arrived()
        assert.equal("", campaign.judge:verdict())
      end
      assert.equal(SYNC_FAILURES, disk:get "syncs_failed")
      assert.equal(0, disk:get "syncs_after_failure")
    end)
end)
