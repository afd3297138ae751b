-- SPDX-License-Identifier: MIT
-- Receivers of a queue and the server are killed at random times while messages come in: every message
-- is acknowledged once, what was not acknowledged is given again when its lease is over and not before,
-- nothing is lost, and the messages of a key come in their order. The long form has 1,000 receivers
-- (ANZOL_LONG=1).
local Server = require "support.server"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local is_long = os.getenv "ANZOL_LONG" == "1"
local CLIENTS, CONNECTIONS = 4, is_long and 250 or 5
local MESSAGES, KEYS = is_long and 20000 or 400, is_long and 400 or 40
local KILLS = tonumber(os.getenv "ANZOL_KILLS") or (is_long and 60 or 6)
local DRAIN_MS = is_long and 600000 or 60000
local LEASE_MS = 1000
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

local script = [[
local anzol = require "anzol"
anzol.source("in", { verify = anzol.verify.none(), type = "job",
  idempotency_key = function(req) return tostring(req.json.n) end })
anzol.endpoint("jobs", { kind = "long_poll", path = "/queue/jobs", lease = "1s", batch = 4,
  auth = anzol.verify.bearer { secret = anzol.secret "QUEUE" },
  retry = anzol.backoff.constant { base = "10ms", attempts = 1000 },
  order_by = function(message) return message.json.key end })
-- In stored order too: after a kill an event may be handled behind a later one.
anzol.on("job", { order_by = function(event) return event.data.key end }, function(event)
  event:send("jobs", { json = event.data })
end)
]]

describe("receivers and server that are killed", function()
  local server, clients, dir, starts

  before_each(function()
    math.randomseed(seed)
    dir, clients, starts = files.temp_dir(), {}, 0
    server = Server.start { scripts = { ["main.lua"] = script }, secrets = { QUEUE = "q" } }
  end)
  after_each(function()
    for i = 1, CLIENTS do clients[i]:kill(9) end
    server:close()
    files.remove(dir)
  end)

  local function start_client(i)
    starts = starts + 1
    clients[i] = process.spawn {
      argv = { "/usr/bin/lua5.4", "spec/support/queue_client.lua", tostring(server.port), "/queue/jobs",
        "q", dir .. "/log" .. i, tostring(CONNECTIONS), tostring(seed + starts) },
      env = { LUA_PATH = package.path, LUA_CPATH = package.cpath },
      errors = dir .. "/errors" .. i }
  end

  local function kill_client(i)
    clients[i]:kill(9)
    clients[i]:wait(5000)
    start_client(i)
  end

  -- Again until it is acknowledged: the key of the source makes one event of all.
  local function send(n)
    local body = json.encode { n = n, key = "k" .. n % KEYS }
    wait.until_true("message " .. n, 20000, function()
      local ok, answer = pcall(server.post, server, "/in/in", body)
      return ok and answer and answer.status == 200
    end)
  end

  local function kill_one()
    if math.random(2) == 1 then return kill_client(math.random(CLIENTS)) end
    server:kill()
    server:launch()
  end

  -- Of each message, by number: when it was given and until when (by attempt), what was said of it.
  local function read_logs()
    local messages = {}
    for n = 1, MESSAGES do messages[n] = { given = {}, until_ms = {}, acked_ms = {}, done = {} } end
    for i = 1, CLIENTS do
      local errors = files.read(dir .. "/errors" .. i)
      assert(errors == "", errors)
      for line in files.read(dir .. "/log" .. i):gmatch "(.-)\n" do
        local at_ms, what, n, id, until_ms = line:match "^(%d+) (%S+) (%d+) (%S+) ?(%d*)$"
        assert(id, line)
        local message, attempt = messages[tonumber(n)], tonumber(id:match "%.(%d+)$")
        if what == "given" then
          assert(not message.given[attempt], "given twice in one lease: " .. line)
          message.given[attempt] = tonumber(at_ms)
          message.until_ms[attempt] = tonumber(until_ms)
        elseif what == "ack" then
          -- The first time: it may count though its answer was lost, and it was said again.
          message.acked_ms[attempt] = message.acked_ms[attempt] or tonumber(at_ms)
        elseif what == "ack-done" then
          table.insert(message.done, attempt)
        elseif what:find "^nack" or what:find "^extend" then
          message["is_" .. what:match "^%a+" .. attempt] = true
        end
      end
    end
    return messages
  end

  local function least(times)
    local first = math.huge
    for _, at_ms in pairs(times) do first = math.min(first, at_ms) end
    return first
  end

  local function check(n, message, before)
    assert(next(message.acked_ms), n .. " was never acknowledged")
    assert(#message.done <= 1, n .. " was acknowledged twice")
    local done = message.done[1] or math.huge
    for attempt, until_ms in pairs(message.until_ms) do
      assert(attempt <= done, ("%d was given again after its acknowledgement"):format(n))
      local earlier_ms = message.until_ms[attempt - 1]
      local is_ended = message["is_nack" .. attempt - 1]
      assert(not earlier_ms or is_ended or until_ms - LEASE_MS >= earlier_ms,
        ("%d was given again %d ms before its lease was over"):format(n,
          (earlier_ms or 0) - (until_ms - LEASE_MS)))
    end
    assert(not before or least(message.given) >= least(before.acked_ms),
      n .. " was given before the one before it was acknowledged")
  end

  it(("lose nothing, %d times, %d receivers (seed %d)"):format(KILLS, CLIENTS * CONNECTIONS, seed), function()
    for i = 1, CLIENTS do start_client(i) end
    for n = 1, MESSAGES do
      send(n)
      if n % (MESSAGES // KILLS) == 0 then kill_one() end
    end
    wait.until_true("all are acknowledged", DRAIN_MS, function()
      local ok, answer = pcall(server.get, server, "/api/v1/queue")
      local queue = ok and answer.data and answer.data[1]
      return queue and queue.waiting == 0 and queue.leased == 0
    end)
    local states = {}
    for _, row in ipairs(server:list "/api/v1/delivery") do
      states[row.state] = (states[row.state] or 0) + 1
    end
    assert.same({ succeeded = MESSAGES }, states)
    for i = 1, CLIENTS do
      clients[i]:kill(9)
      clients[i]:wait(5000)
    end
    local messages, repeated = read_logs(), 0
    for n, message in ipairs(messages) do
      check(n, message, messages[n - KEYS])
      if message.given[2] then repeated = repeated + 1 end
    end
    assert(repeated > 0, "none was given again: nothing was put to the test")
  end)
end)
