-- SPDX-License-Identifier: MIT
-- What one event and one delivery show of what is still to come: steps, batch, order, priority.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return req.headers["x-type"] end })
anzol.endpoint("ordered", { url = "$URL/ordered", sign = false, allow_private = true,
  order_by = function(message) return message.json.key end })
anzol.on("order", function(event)
  event:send("ordered", { json = { key = "tom\0\xff" } }, { priority = 7 })
  event:send("ordered", { json = { key = "ana" } })
end)
anzol.on("stepped", function(event)
  event:step("charge", function() return "ch_1", { n = 2 } end)
  error "later"
end)
anzol.on("batched", { batch = { wait = "1h" } }, function() end)
]]

describe("what is shown", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function post(kind)
    return json.decode(server:post("/in/open", "{}", { ["X-Type"] = kind }).body).id
  end

  -- The event once its first run shows what is wanted.
  local function await_run(id, wanted)
    return wait.until_true("the run shows it", 5000, function()
      local event = server:get("/api/v1/event/" .. id)
      local run = event.runs[1]
      return run and wanted(run) and run
    end)
  end

  local function show(what, id)
    local result = cli.ask(server, { what, "show", id })
    assert.equal(0, result.code, result.errors)
    return result.output
  end

  it("of a delivery: its order key and its priority", function()
    post "order"
    local rows = wait.until_true("both are there", 5000, function()
      local list = server:list "/api/v1/delivery"
      return #list == 2 and list
    end)
    table.sort(rows, function(a, b) return a.priority > b.priority end)
    assert.same({ 7, 0, "ana" }, { rows[1].priority, rows[2].priority, rows[2].orderKey })
    assert.matches("^tom", rows[1].orderKey)
    assert.matches("order key +tom", show("deliveries", rows[1].id))
    assert.matches("priority +7\n", show("deliveries", rows[1].id))
    assert.is_nil(show("deliveries", rows[2].id):find("priority", 1, true))
  end)

  it("of a run: the steps that it has committed", function()
    local id = post "stepped"
    local run = await_run(id, function(run) return run.state == "retrying" end)
    assert.same({ { name = "charge", results = { "ch_1", { n = 2 } } } }, run.steps)
    assert.matches('  step charge: ["ch_1",{"n":2}]\n', show("events", id), 1, true)
  end)

  it("of a run: when its batch closes", function()
    local id = post "batched"
    local run = await_run(id, function(run) return run.batchClosesAt ~= json.null end)
    assert.matches("^%d+%-%d+%-%d+T", run.batchClosesAt)
    assert.matches("in a batch that closes at " .. run.batchClosesAt, show("events", id), 1, true)
  end)
end)
