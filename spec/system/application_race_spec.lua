-- SPDX-License-Identifier: MIT
-- Applications that many make and change at once, and a server that is killed meanwhile.
local Disk = require "support.disk"
local Server = require "support.server"
local crowd = require "support.crowd"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"
local wait = require "support.wait"

local ROUNDS = 10

describe("an application that many change at once", function()
  local server, call

  before_each(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
  end)
  after_each(function() server:close() end)

  it("gets every change, or its sender is told that it did not", function()
    call("POST", "/app", { name = "start", uid = "busy" })
    for round = 1, ROUNDS do
      local answers = crowd.ask_all(server, function(i)
        return { method = "PATCH", path = "/app/busy",
          body = i % 2 == 0 and { throttleRate = round } or { name = "round " .. round } }
      end)
      local is_changed = { false, false }
      for i, answer in ipairs(answers) do
        assert.is_true(answer.status == 200 or answer.status == 409, answer.body)
        if answer.status == 200 then is_changed[i % 2 + 1] = true end
      end
      local app = call("GET", "/app/busy")
      assert.same({ true, true }, is_changed)
      assert.same({ "round " .. round, round }, { app.name, app.throttleRate })
    end
  end)

  it("is made once for one uid", function()
    local counts = {}
    for _, answer in ipairs(crowd.ask_all(server, function(i)
      return { path = i % 2 == 0 and "/app" or "/app?get_if_exists=true", body = { name = "n", uid = "one" } }
    end)) do counts[answer.status] = (counts[answer.status] or 0) + 1 end
    assert.equal(1, counts[201])
    assert.equal(crowd.SENDERS, counts[201] + (counts[200] or 0) + (counts[409] or 0))
    assert.equal(2, #call("GET", "/app").data) -- with "default"
  end)

  it("is made once for one key, whenever the server is killed", function()
    local ids = {}
    for key = 1, 20 do
      local connection = http.open(server.admin_port)
      crowd.send(server, connection, { path = "/app", body = { name = "app " .. key }, key = "key " .. key })
      if key % 7 == 0 then -- before the answer is read, whether it is made or not
        server:kill()
        server:restart()
      else
        ids[key] = json.decode(assert(connection:receive()).body).id
      end
      connection:close()
    end
    for key = 1, 20 do
      local app, status = call("POST", "/app", { name = "app " .. key },
        { ["Idempotency-Key"] = "key " .. key })
      assert.equal(201, status)
      assert.equal(ids[key] or app.id, app.id)
    end
    assert.equal(21, #call("GET", "/app").data) -- with "default"
  end)
end)

describe("an application on a full disk", function()
  it("is refused while the disk is full, and nothing that was taken is lost", function()
    local server = Server.new { scripts = { ["main.lua"] = "" } }
    local disk = Disk.new(server.state_dir)
    server.options.disk = disk
    server:launch():await()
    finally(function() server:close() end)
    local call = resources(server)
    assert.equal(201, (select(2, call("POST", "/app", { name = "before", uid = "before" }))))
    disk:fill_at(1)
    -- It is at the store when that finds out.
    local first = http.open(server.admin_port)
    first:send(http.format { method = "POST", path = "/api/v1/app", body = '{"name":"first"}',
      headers = { Authorization = "Bearer " .. server.token, ["Content-Type"] = "application/json" } })
    wait.until_true("the disk is known to be full", 5000, function()
      return select(2, server:get "/healthz") == 503
    end)
    for _, request in ipairs { { "POST", "/app", { name = "second" } },
      { "PATCH", "/app/before", { name = "second" } }, { "DELETE", "/app/before" } } do
      local answer, status = call(table.unpack(request))
      assert.same({ 503, "store_full" }, { status, answer.code })
    end
    disk:free()
    assert.equal(201, assert(first:receive()).status)
    first:close()
    local names = {}
    for i, app in ipairs(call("GET", "/app?order=descending").data) do names[i] = app.uid or app.name end
    assert.same({ "first", "before", "default" }, names)
  end)
end)
