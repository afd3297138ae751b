-- SPDX-License-Identifier: MIT
-- Messages that are published by many at once, and by clients of a server that is killed meanwhile:
-- every idempotency key leads to one message.
local Applications = require "support.applications"
local Server = require "support.server"
local crowd = require "support.crowd"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"
local wait = require "support.wait"

local KEYS = os.getenv "ANZOL_LONG" == "1" and 2000 or 60
local KILLED_AT = os.getenv "ANZOL_LONG" == "1" and 50 or 12 -- keys between two kills
local POINTS = { "queued", "in_group", "after_write", "after_sync", "before_wake", "published" }

describe("a message that is published by many at once", function()
  local server, call

  before_each(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    call("POST", "/app", { name = "Acme", uid = "acme" })
  end)
  after_each(function() server:close() end)

  local function request(body, key) return { path = "/app/acme/msg", body = body, key = key } end

  local function published()
    local count, iterator = 0, nil
    repeat
      local page = call("GET", "/event?limit=250&source=api" .. (iterator and "&iterator=" .. iterator or ""))
      count, iterator = count + #page.data, page.iterator
    until page.done
    return count
  end

  it("is made once for one key; who asks while the first is under way is told so", function()
    for round = 1, 10 do
      local ids = {}
      for _, answer in ipairs(crowd.ask_all(server, function(i)
        return request({ eventType = "a", payload = { i = i } }, "key " .. round)
      end)) do
        assert.is_true(answer.status == 202 or answer.status == 409, answer.body)
        if answer.status == 202 then ids[json.decode(answer.body).id] = true end
      end
      assert.is_nil(next(ids, next(ids)))
      assert.equal(round, published())
    end
  end)

  it("is made once for one eventId, and its application once", function()
    local counts = {}
    for _, answer in ipairs(crowd.ask_all(server, function(i)
      return { path = "/app/fresh/msg", body = { eventType = "a", eventId = "one", payload = { i = i },
        application = { name = "n", uid = "fresh" } } }
    end)) do counts[answer.status] = (counts[answer.status] or 0) + 1 end
    assert.same({ [202] = 1, [409] = crowd.SENDERS - 1 }, counts)
    assert.equal(1, published())
  end)

  it("is made once for one key, wherever the server dies", function()
    for i, point in ipairs(POINTS) do
      server:stop()
      server:restart { ANZOL_CRASH_AT = point .. ":1" }
      local connection = http.open(server.admin_port)
      crowd.send(server, connection, request({ eventType = "a", payload = { i = i } }, point))
      assert.same({ "exit", 137 }, { server:ended(10000) }, point)
      connection:close()
      server:restart()
      local id
      for _ = 1, 2 do
        local message, status = call("POST", "/app/acme/msg", { eventType = "a", payload = { i = i } },
          { ["Idempotency-Key"] = point })
        assert.equal(202, status)
        assert.equal(id or message.id, message.id)
        id = message.id
      end
      assert.equal(i, published())
    end
  end)

  it("is made once for one key, whenever the server is killed", function()
    local ids, lost = {}, {}
    local connections = {}
    local function close_all()
      for i, connection in pairs(connections) do connection:close() connections[i] = nil end
    end
    for key = 1, KEYS do
      local i = key % crowd.SENDERS + 1
      connections[i] = connections[i] or http.open(server.admin_port)
      crowd.send(server, connections[i], request({ eventType = "a", payload = { key = key } }, "key " .. key))
      if key % KILLED_AT == 0 then -- before answers are read, whether they are made or not
        server:kill()
        close_all()
        server:restart()
      elseif key % KILLED_AT < KILLED_AT - crowd.SENDERS then
        ids[key] = json.decode(assert(connections[i]:receive()).body).id
      end
      if not ids[key] then lost[#lost + 1] = key end
    end
    close_all()
    for _ = 1, 2 do
      for key = 1, KEYS do
        local message, status = call("POST", "/app/acme/msg", { eventType = "a", payload = { key = key } },
          { ["Idempotency-Key"] = "key " .. key })
        assert.equal(202, status)
        assert.equal(ids[key] or message.id, message.id)
        assert.equal(key, message.payload.key)
        ids[key] = message.id
      end
    end
    assert.is_true(#lost > 0)
    assert.equal(KEYS, published())
  end)
end)

describe("a message that goes to endpoints", function()
  local POINTS_ON = { "published", "outbox_commit", "after_write", "after_sync", "before_send", "sent",
    "outcome_written" }

  it("reaches all of them, wherever the server dies on its way", function()
    local rig = Applications.start()
    finally(function() rig:close() end)
    local server, call = rig.server, rig.call
    local path = rig:application()
    for i = 1, 3 do
      rig:endpoint(path, { url = rig.receiver:url("/" .. i) })
    end
    for _, point in ipairs(POINTS_ON) do
      server:stop()
      server:restart { ANZOL_CRASH_AT = point .. ":1" }
      local connection = http.open(server.admin_port)
      crowd.send(server, connection, { path = path .. "/msg", key = point,
        body = { eventType = "a", payload = { a = 1 } } })
      assert.same({ "exit", 137 }, { server:ended(10000) }, point)
      connection:close()
      server:restart()
      local message = rig:publish(path, { eventType = "b", payload = { b = 1 } }, { ["Idempotency-Key"] = point })
      local came = {}
      wait.until_true("all three have it: " .. point, 10000, function()
        for _, record in ipairs(rig.receiver:take()) do
          if record.id == message.id then came[record.path] = record.body end
        end
        return came["/1"] and came["/2"] and came["/3"]
      end)
      wait.until_true("it is told: " .. point, 10000, function()
        local rows = call("GET", path .. "/msg/" .. message.id .. "/endpoint").data
        local count = 0
        for _, row in ipairs(rows) do count = count + (row.status == 0 and 1 or 0) end
        return #rows == 3 and count == 3
      end)
    end
  end)
end)
