-- SPDX-License-Identifier: MIT
-- F32: more comes in than the stalled store can take: refused at once, nothing lost, and it flows
-- again.
local Campaign = require "support.campaign"
local Disk = require "support.disk"
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local REFUSED_MS = 10
local STALL_MS = 120000 -- until the spec ends it
-- base/limits.h: what the store thread has queued, and the group that it is syncing.
local QUEUE, GROUP = 8192, 1024

local function make_disk(server) return Disk.new(server.state_dir) end

describe("bodies beyond the server's memory for them", function()
  local campaign, disk

  before_each(function()
    campaign = Campaign.start { seed = 1, make_disk = make_disk,
      env = { ANZOL_LIMITS_INTAKE_BYTES = "1MiB" } }
    disk = campaign.server.options.disk
  end)
  after_each(function() campaign:close() end)

  it("are refused at once while the store stalls, and nothing is lost", function()
    disk:delay_syncs(STALL_MS)
    campaign:load { connections = 100, body_bytes_max = 131072, repeat_percent = 0,
      forge_percent = 0 }
    wait.until_true("refusals", 8000, function() return campaign.sender:counts().refused > 50 end)
    local stalled = campaign.sender:counts().acknowledged
    disk:delay_syncs(0)
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

describe("webhooks beyond the store's queue", function()
  local server, disk, lines

  before_each(function()
    lines = {}
    server = Server.new { workers = 1, scripts = { ["main.lua"] = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })
]] } }
    disk = make_disk(server)
    server.options.disk = disk
    server:restart()
  end)
  after_each(function()
    for _, line in ipairs(lines) do line:close() end
    server:close()
  end)

  -- One more webhook on a connection of its own; a client address has at most 1,500 of them.
  local function post(i)
    local line = http.open(server.port, 20, "127.0.0." .. 2 + i // 1500)
    lines[#lines + 1] = line
    line:send(http.format { path = "/in/open", body = tostring(i) })
    return line
  end

  it("are refused within 10 ms; those that were taken are stored when it goes on", function()
    disk:delay_syncs(STALL_MS)
    for i = 1, QUEUE + GROUP do post(i) end
    local times = {}
    for i = QUEUE + GROUP + 1, QUEUE + GROUP + 200 do
      local from = process.mono_ms()
      local answer = post(i):receive()
      times[#times + 1] = process.mono_ms() - from
      assert.equal(503, answer.status)
      assert.truthy(answer.headers["retry-after"])
      assert.equal("busy", json.decode(answer.body).code)
    end
    table.sort(times)
    local most = times[#times * 9 // 10]
    assert.is_true(most <= REFUSED_MS * wait.patience, "nine in ten 503s within ms: " .. most)
    disk:delay_syncs(0)
    local taken = 0
    for i = 1, QUEUE + GROUP do
      if lines[i]:receive().status == 200 then taken = taken + 1 end
    end
    assert.is_true(taken >= QUEUE, "taken: " .. taken)
    assert.equal(taken, server:event_count())
    assert.equal(200, post(1):receive().status)
  end)
end)
