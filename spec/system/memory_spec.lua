-- SPDX-License-Identifier: MIT
-- F24: the n-th allocation of the process fails, and up to 20 behind it: whatever asked for it,
-- our code or a library. Nothing is lost, nothing crashes, no sender is told that its webhook is
-- bad. ANZOL_LONG=1 goes through every allocation of a webhook's way and of a reload.
local Campaign = require "support.campaign"
local Memory = require "support.memory"
local cli = require "support.cli"
local process = require "anzol_test.process"

local LONG = os.getenv "ANZOL_LONG" == "1"
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
local is_sanitized = os.getenv "ANZOL_SANITIZER"

describe("a lack of memory", function()
  local campaign, memory

  local function make_disk(server)
    memory = Memory.new(server.state_dir)
    return memory
  end

  lazy_setup(function()
    if is_sanitized then return end
    math.randomseed(seed)
    campaign = Campaign.start { seed = seed, make_disk = make_disk }
  end)
  lazy_teardown(function() if campaign then campaign:close() end end)

  local function check()
    memory:free()
    assert.is_nil(campaign.server:ended(0), campaign.server:log():sub(-2000))
  end

  local function check_end()
    assert.is_true(memory:get "failed" > (LONG and 3000 or 100), memory:get "failed")
    campaign:unload()
    campaign:check_stored()
    campaign:check_arrived()
    campaign:check_settled()
    assert.equal("", campaign.judge:verdict())
    assert.equal(1, campaign.starts)
  end

  it(("loses nothing and refuses with 503 under load (seed %d)"):format(seed), function()
    if is_sanitized then return pending "the sanitizers have an allocator of their own" end
    campaign:load { connections = 4 }
    for _ = 1, LONG and 3000 or 120 do
      memory:fail_at(math.random(1500), ({ 1, 3, 20 })[math.random(3)])
      process.sleep_ms(15)
      check()
    end
    check_end()
  end)

  it(("refuses a reload or takes it, whole (seed %d)"):format(seed), function()
    if is_sanitized then return pending "the sanitizers have an allocator of their own" end
    campaign:load { connections = 2 }
    for _ = 1, LONG and 2000 or 40 do
      memory:fail_at(math.random(20000), ({ 1, 3, 20 })[math.random(3)])
      local code = cli.ask(campaign.server, { "reload" }).code
      assert.is_true(code == 0 or code == 78 or code == 1 or code == 69 or code == 75, code)
      check()
    end
    check_end()
    assert.equal(0, cli.ask(campaign.server, { "reload" }).code)
  end)
end)
