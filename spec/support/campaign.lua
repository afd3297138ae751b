-- SPDX-License-Identifier: MIT
-- A crash campaign: the mixed project under load from the sender, killed and started again and
-- again, judged after each start.
local Judge = require "support.judge"
local Receiver = require "support.receiver"
local Server = require "support.server"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local Campaign = {}
Campaign.__index = Campaign

local ARRIVE_MS = 30000

-- options{ seed, env?, workers?, disk?, sender? (more options of it) }
function Campaign.start(options)
  local receiver = Receiver.start()
  local server = Server.new {
    scripts = scripts.mixed(receiver), secrets = scripts.secrets, port = process.free_port(),
    workers = options.workers, env = options.env,
  }
  if options.make_disk then server.options.disk = options.make_disk(server) end
  local campaign = setmetatable({
    receiver = receiver, server = server, ledger = server.dir .. "/ledger", seed = options.seed,
    starts = 0, slowest_start_ms = 0,
    judge = Judge.new { expected = scripts.mixed_paths, forwarded = scripts.mixed_forwarded },
  }, Campaign)
  local ok, why = pcall(campaign.restart, campaign, options.env)
  if not ok then
    campaign:close()
    error(why, 2)
  end
  return campaign
end

-- Starts the server, again; measures how long until it serves.
function Campaign:restart(env)
  local from = process.mono_ms()
  self.server:restart(env)
  self.starts = self.starts + 1
  self.slowest_start_ms = math.max(self.slowest_start_ms, process.mono_ms() - from)
end

-- Begins to post; options go to the sender.
function Campaign:load(options)
  self.loads = (self.loads or 0) + 1
  local all = {
    port = self.server.port, ledger = self.ledger, secret = scripts.github_secret,
    connections = 6, seed = self.seed + self.loads, prefix = "k" .. self.loads,
    repeat_percent = 8, forge_percent = 4, body_bytes_max = 8192,
  }
  for name, value in pairs(options or {}) do all[name] = value end
  self.sender = process.sender(all)
end

-- Ends the load; complains of answers that must not be.
function Campaign:unload()
  local counts = self.sender:stop()
  self.sender = nil
  if counts.unexpected > 0 then
    self.judge:complain("%d unexpected answers, the first: %s", counts.unexpected,
      counts.first_unexpected)
  end
  return counts
end

-- What was acknowledged until now must be stored.
function Campaign:check_stored()
  self.judge:read_ledger(self.ledger)
  self.judge:check_stored(self.server)
end

-- Everything acknowledged must arrive; call without load.
function Campaign:check_arrived()
  local judge = self.judge
  judge:read_ledger(self.ledger)
  local ok = pcall(wait.until_true, "all arrived", ARRIVE_MS, function()
    judge:read_records(self.receiver:take())
    return judge:open_count() == 0
  end)
  if not ok then
    judge:complain("%d acknowledged webhooks did not arrive everywhere", judge:open_count())
    local key = next(judge.open)
    judge:complain("such as key %s, event %s", key, judge.acknowledged[key].id)
    judge:check_open(self.server)
  end
end

-- Stored ⊆ delivered, acknowledged or not: nothing is left to do, nothing was given up.
function Campaign:check_settled()
  local function is_empty(path) return #self.server:list(path) == 0 end
  for _, path in ipairs { "/api/v1/event?state=pending", "/api/v1/event?state=retrying",
    "/api/v1/delivery?state=pending", "/api/v1/delivery?state=retrying" } do
    local ok = pcall(wait.until_true, path, ARRIVE_MS, function() return is_empty(path) end)
    if not ok then self.judge:complain("still there: %s", path) end
  end
  for _, path in ipairs { "/api/v1/event?state=dead", "/api/v1/delivery?state=dead" } do
    if not is_empty(path) then self.judge:complain("given up: %s", path) end
  end
end

function Campaign:close()
  if self.sender then self.sender:stop() end
  self.receiver:stop()
  self.server:close()
end

return Campaign
