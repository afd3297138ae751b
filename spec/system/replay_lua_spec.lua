-- SPDX-License-Identifier: MIT
-- anzol.replay and anzol.recover in handlers: what they ask for commits with the run and is done.
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local EXIT_AS_KILLED = 137

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return req.headers["x-type"] or "thing" end })
anzol.endpoint("one", { url = "$URL/one", sign = false, allow_private = true,
  retry = anzol.backoff.constant { base = "10ms", attempts = 1 } })
anzol.on("thing", function(event) event:send "one" end)
anzol.on("again", function(event) anzol.replay(event.data.id) end)
anzol.on("replay", function(event) anzol.replay(event.data) end)
anzol.on("recover", function(event)
  for _ = 1, event.data.times do anzol.recover("one", { since = "1h" }) end
end)
]]

describe("once more, by handlers", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function post(kind, data)
    local answer = server:post("/in/open", json.encode(data or { n = 1 }), { ["X-Type"] = kind })
    return json.decode(answer.body).id
  end

  local function await_deliveries(state, count)
    return wait.until_true(("%d deliveries %s"):format(count, state), 10000, function()
      local rows = server:list("/api/v1/delivery?state=" .. state)
      return #rows == count and rows
    end)
  end

  local function await_tasks(count)
    return wait.until_true(("%d tasks done"):format(count), 20000, function()
      local rows = server:list "/api/v1/task?state=done"
      return #rows == count and rows
    end)
  end

  it("an event by id: its handler runs again with the same message id", function()
    local id = post "thing"
    await_deliveries("succeeded", 1)
    post("again", { id = id })
    local rows = await_deliveries("succeeded", 2)
    assert.equal(rows[1].messageId, rows[2].messageId)
    assert.equal(0, #server:list "/api/v1/task")
    post("again", { id = "evt_00000000001" })
    wait.until_true("it is left alone", 5000, function()
      return #server:list "/api/v1/event?type=again&state=handled" == 2
    end)
  end)

  it("what filters choose, as a task", function()
    for _ = 1, 3 do post "thing" end
    await_deliveries("succeeded", 3)
    post("replay", { type = "thing", since = "1h", rate = "100/s" })
    await_deliveries("succeeded", 6)
    local task = await_tasks(1)[1]
    assert.same({ "replay", "event", "thing", 3, 360000 }, { task.verb, task.kind, task.type,
      task.done, task.ratePerHour })
    post("replay", { endpoint = "one", state = "succeeded" })
    await_deliveries("succeeded", 12)
  end)

  it("an endpoint; tasks over those that may run at a time wait for their turn", function()
    receiver:answer("/one", { status = 500 })
    for _ = 1, 3 do post "thing" end
    await_deliveries("dead", 3)
    receiver:answer("/one", { status = 200 })
    post("recover", { times = 16 })
    post("recover", { times = 4 })
    local done = 0
    for _, task in ipairs(await_tasks(20)) do done = done + task.done end
    assert.equal(3, done)
    await_deliveries("succeeded", 3)
  end)

  it("is there after a kill if the run is, and else comes with its next try", function()
    for _ = 1, 5 do post "thing" end
    await_deliveries("succeeded", 5)
    for round, point in ipairs { "outbox_commit", "after_sync", "before_wake" } do
      server:stop()
      server:launch { ANZOL_CRASH_AT = point .. (point == "outbox_commit" and ":1" or ":2") }
      server:await()
      pcall(post, "replay", { type = "thing", since = "1h" })
      local how, code = server:ended(5000)
      assert.same({ "exit", EXIT_AS_KILLED }, { how, code }, point)
      server:restart()
      assert.equal(5, await_tasks(round)[1].done, point)
      await_deliveries("succeeded", 5 + 5 * round)
    end
  end)
end)
