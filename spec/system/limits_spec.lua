-- SPDX-License-Identifier: MIT
-- A script that misbehaves is stopped; the others and the senders do not notice.
local Receiver = require "support.receiver"
local Server = require "support.server"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
anzol.source("bad", { verify = anzol.verify.none(),
  type = function(req) return "bad." .. req.headers["x-kind"] end })
anzol.endpoint("good", { url = "$URL/good", sign = false, allow_private = true })
anzol.on("github.push", function(event) event:send("good") end)
anzol.on("bad.loop", function() while true do end end)
anzol.on("bad.pcall", function()
  while true do pcall(function() while true do end end) end
end)
anzol.on("bad.coroutine", function()
  coroutine.wrap(function() while true do end end)()
end)
anzol.on("bad.memory", function()
  local hog = {}
  for i = 1, 1e9 do hog[i] = ("x"):rep(1000) .. i end
end)
anzol.on("bad.recursion", function()
  local function f() return 1 + f() end
  f()
end)
]]

local server, receiver, ledger

local function setup()
  receiver = Receiver.start()
  server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  ledger = server.dir .. "/ledger"
end

local function teardown()
  if server then server:close() end
  receiver:stop()
end

local function post(kind)
  local answer = server:post("/in/bad", "{}", { ["X-Kind"] = kind })
  assert.equal(200, answer.status)
  return json.decode(answer.body).id
end

describe("a handler over its limits", function()
  lazy_setup(setup)
  lazy_teardown(teardown)

  local function failure(id)
    local event = wait.until_true(id .. " has failed", 8000, function()
      local row = server:get("/api/v1/event/" .. id)
      return row.state == "retrying" and row
    end)
    return event.runs[1].error
  end

  local limits = { loop = "CPU", pcall = "CPU", coroutine = "CPU", memory = "memory",
    recursion = "limit" }
  for _, kind in ipairs { "loop", "pcall", "coroutine", "memory", "recursion" } do
    it(("by %s is stopped, and the error says where"):format(kind), function()
      local text = failure(post(kind))
      assert.truthy(text:lower():find(limits[kind]:lower(), 1, true), text)
      assert.matches("main%.lua:%d+", text)
    end)
  end

  it("leaves the process alone: the next hundred webhooks are handled", function()
    for i = 1, 8 do post(i % 2 == 0 and "memory" or "loop") end
    local before = receiver:total()
    local sender = process.sender { port = server.port, ledger = ledger, prefix = "next",
      secret = scripts.github_secret, connections = 4, post_count_max = 25 }
    receiver:await(before + 100, 15000)
    sender:stop()
    assert.is_nil((server:ended(0)))
  end)

  it("is one line in the log, without the body", function()
    assert.is_nil(files.read(server.log_path):find("\nstack traceback", 1, true))
  end)
end)

describe("endless loops", function()
  before_each(setup)
  after_each(teardown)

  -- Latencies of webhooks that come in at 4 connections meanwhile.
  local function measure(prefix, loops)
    local sender = process.sender { port = server.port, ledger = ledger, prefix = prefix,
      secret = scripts.github_secret, connections = 4, pause_us = 1000 }
    for _ = 1, loops do post "loop" end
    process.sleep_ms(800)
    local counts = sender:stop()
    assert.equal(0, counts.unexpected, counts.first_unexpected)
    return counts
  end

  it("do not make senders wait for more than a few turns", function()
    local calm = measure("calm", 0)
    local beside = measure("beside", 4)
    -- Without turns a loop holds its worker for its whole budget: 500 ms for each.
    assert.is_true(beside.acknowledged > 20 and beside.accepted_ms.p50 < 100 * wait.patience,
      ("%d answered, ms to a 200: p50 %.1f, beside loops %.1f"):format(beside.acknowledged,
        calm.accepted_ms.p50, beside.accepted_ms.p50))
  end)
end)
