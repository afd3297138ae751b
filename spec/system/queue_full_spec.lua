-- SPDX-License-Identifier: MIT
-- F32: more comes in than the stalled store can take: refused at once, nothing lost, and it flows
-- again.
local Campaign = require "support.campaign"
local Disk = require "support.disk"
local wait = require "support.wait"

local REFUSED_MS = 10

describe("a stalled store", function()
  local campaign, disk

  before_each(function()
    campaign = Campaign.start {
      seed = 1, make_disk = function(server) return Disk.new(server.state_dir) end,
      env = { ANZOL_LIMITS_INTAKE_BYTES = "256KiB" },
    }
    disk = campaign.server.options.disk
  end)
  after_each(function() campaign:close() end)

  it("makes the server refuse at once what does not fit, and lose nothing", function()
    disk:delay_syncs(1500)
    campaign:load { connections = 100, body_bytes_max = 32768, repeat_percent = 0,
      forge_percent = 0 }
    wait.until_true("refusals", 8000, function() return campaign.sender:counts().refused > 50 end)
    disk:delay_syncs(0)
    local stalled = campaign.sender:counts().acknowledged
    wait.until_true("webhooks are taken again", 8000, function()
      return campaign.sender:counts().acknowledged > stalled + 300
    end)
    local counts = campaign:unload()
    assert.is_true(counts.refused_ms.p50 <= REFUSED_MS * wait.patience,
      "ms to a 503: " .. counts.refused_ms.p50)
    campaign:check_stored()
    campaign:check_arrived()
    assert.equal("", campaign.judge:verdict())
  end)
end)
