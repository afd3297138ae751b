-- SPDX-License-Identifier: MIT
-- Operational webhooks of the real server: what becomes of endpoints and attempts reaches the
-- operator's application, signed as any message is.
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"
local wait = require "support.wait"

local LIMIT_MS = 10000
local HOUR_S = 3600
local settings = [[return { operational_application = "ops", guard = { allow = { "127.0.0.0/8" } } }]]

describe("operational webhooks", function()
  local server, call, receiver, clock, got

  setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = "" }, settings = settings, with_clock = true }
    clock = server.clock
    call = resources(server)
    assert.equal(201, (select(2, call("POST", "/app/ops/endpoint", { url = receiver:url "/ops" }))))
    assert.equal(201, (select(2, call("POST", "/app", { name = "Acme", uid = "acme" }))))
  end)
  teardown(function()
    server:close()
    receiver:stop()
  end)
  before_each(function() got = {} end)

  -- Waits for one of this type; gives its data. Others are kept for later.
  local function await(kind)
    return wait.until_true(kind, LIMIT_MS, function()
      for _, request in ipairs(receiver:take()) do
        if request.path == "/ops" then got[#got + 1] = json.decode(request.body) end
      end
      for i, body in ipairs(got) do
        if body.type == kind then return table.remove(got, i).data end
      end
      return nil
    end)
  end

  local function make(body)
    local endpoint, status, text = call("POST", "/app/acme/endpoint", body)
    assert.equal(201, status, text)
    return endpoint
  end

  it("make the operator's application, and again when it is deleted", function()
    local app = call("GET", "/app/ops")
    assert.equal("Operational webhooks", app.name)
    assert.equal(409, (select(2, call("POST", "/app", { name = "x", uid = "ops" }))))
  end)

  it("tell of endpoints that are made, changed and deleted", function()
    local endpoint = make { url = receiver:url "/a", uid = "mine" }
    local app = call("GET", "/app/acme")
    local named = { appId = app.id, appUid = "acme", endpointId = endpoint.id, endpointUid = "mine" }
    assert.same(named, await "endpoint.created")
    call("PATCH", "/app/acme/endpoint/mine", { description = "changed" })
    assert.same(named, await "endpoint.updated")
    assert.equal(204, (select(2, call("DELETE", "/app/acme/endpoint/mine"))))
    assert.same(named, await "endpoint.deleted")
    local bare = make { url = receiver:url "/a" }
    assert.same({ appId = app.id, appUid = "acme", endpointId = bare.id }, await "endpoint.created")
    call("DELETE", "/app/acme/endpoint/" .. bare.id)
    await "endpoint.deleted"
  end)

  it("do not tell of the operator's own endpoints", function()
    local own = call("POST", "/app/ops/endpoint", { url = receiver:url "/elsewhere", disabled = true })
    local other = make { url = receiver:url "/a" }
    assert.equal(other.id, await("endpoint.created").endpointId)
    assert.is_true(own.id ~= other.id)
    call("DELETE", "/app/ops/endpoint/" .. own.id)
    call("DELETE", "/app/acme/endpoint/" .. other.id)
    assert.equal(other.id, await("endpoint.deleted").endpointId)
  end)

  it("tell of a receiver that wants no more: its last attempt, and that it is disabled", function()
    receiver:answer("/gone", { status = 410 })
    local endpoint = make { url = receiver:url "/gone", uid = "gone" }
    local message = call("POST", "/app/acme/msg", { eventType = "a", eventId = "m-1", payload = { id = 1 } })
    local last = await "message.attempt.exhausted"
    local app = call("GET", "/app/acme")
    assert.same({ appId = app.id, appUid = "acme", endpointId = endpoint.id, msgId = message.id,
      msgEventId = "m-1", lastAttempt = { id = last.lastAttempt.id, responseStatusCode = 410,
        timestamp = last.lastAttempt.timestamp } }, last)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT.*Z$", last.lastAttempt.timestamp)
    local stored, status = call("GET", "/attempt/" .. last.lastAttempt.id)
    assert.same({ 200, 410 }, { status, stored.status })
    local disabled = await "endpoint.disabled"
    assert.same({ appId = app.id, appUid = "acme", endpointId = endpoint.id, endpointUid = "gone",
      failSince = disabled.failSince }, disabled)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT.*Z$", disabled.failSince)
    call("DELETE", "/app/acme/endpoint/" .. endpoint.id)
  end)

  it("tell when the fourth attempt fails while more follow, and when one behind it succeeds", function()
    local bad = { status = 500 }
    receiver:answer("/shaky", bad, bad, bad, bad, { status = 204 })
    local endpoint = make { url = receiver:url "/shaky" }
    local message = call("POST", "/app/acme/msg", { eventType = "a", payload = { id = 1 } })
    local failing
    wait.until_true("it is failing", LIMIT_MS, function()
      clock:sleep(HOUR_S)
      for _, request in ipairs(receiver:take()) do
        if request.path == "/ops" then got[#got + 1] = json.decode(request.body) end
      end
      for _, body in ipairs(got) do
        if body.type == "message.attempt.failing" then failing = body.data end
      end
      return failing
    end)
    local function told(last, status)
      return { appId = endpoint.appId, appUid = "acme", endpointId = endpoint.id, msgId = message.id,
        lastAttempt = { id = last.id, responseStatusCode = status, timestamp = last.timestamp } }
    end
    endpoint.appId = call("GET", "/app/acme").id
    assert.same(told(failing.lastAttempt, 500), failing)
    assert.equal(4, (call("GET", "/attempt/" .. failing.lastAttempt.id)).number)
    clock:sleep(4 * HOUR_S)
    local recovered = await "message.attempt.recovered"
    assert.same(told(recovered.lastAttempt, 204), recovered)
    call("DELETE", "/app/acme/endpoint/" .. endpoint.id)
    await "endpoint.deleted"
  end)

  it("tell the uid that the application has by then", function()
    receiver:answer("/gone", { status = 410 })
    local app = call("POST", "/app", { name = "Renamed" })
    local path = "/app/" .. app.id
    local function exhausted()
      call("POST", path .. "/msg", { eventType = "a", payload = { id = 1 } })
      return await("message.attempt.exhausted").appUid
    end
    got = {}
    call("POST", path .. "/endpoint", { url = receiver:url "/gone" })
    assert.is_nil(await("endpoint.created").appUid)
    assert.is_nil(exhausted())
    call("PATCH", path, { uid = "renamed" })
    local other = call("POST", path .. "/endpoint", { url = receiver:url "/gone", uid = "o" })
    assert.equal("renamed", await("endpoint.created").appUid)
    assert.equal("renamed", exhausted())
    call("POST", "/app/brought/msg", { eventType = "a", payload = { id = 1 },
      application = { name = "B", uid = "brought" } })
    call("POST", "/app/brought/endpoint", { url = receiver:url "/gone" })
    assert.equal("brought", await("endpoint.created").appUid)
    call("POST", "/app/brought/msg", { eventType = "a", payload = { id = 1 } })
    assert.equal("brought", await("message.attempt.exhausted").appUid)
    assert.truthy(other)
  end)

  it("tell of an endpoint that proved itself as of any change", function()
    receiver:answer("/proves", { echoes_member = "challenge" })
    call("POST", "/app", { name = "P", uid = "proves", metadata = { ownership = "challenge" } })
    local endpoint = call("POST", "/app/proves/endpoint", { url = receiver:url "/proves", uid = "p" })
    local app = call("GET", "/app/proves")
    local named = { appId = app.id, appUid = "proves", endpointId = endpoint.id, endpointUid = "p" }
    assert.same(named, await "endpoint.created")
    assert.same(named, await "endpoint.updated")
    assert.equal("verified", call("GET", "/app/proves/endpoint/p").verification)
  end)

  -- How often each endpoint's end was told, once `count` of them were.
  local function await_deleted(count)
    local told = {}
    local seen = 0
    while seen < count do
      local data = await "endpoint.deleted"
      told[#told + 1] = ("%s %s %s"):format(data.appUid, data.endpointId, data.endpointUid)
      seen = seen + 1
    end
    table.sort(told)
    return told
  end

  it("tell of each endpoint that goes with its application, once, also when the server dies behind it", function()
    for n, point in ipairs { false, "registered:1" } do
      local uid = "leaves-" .. n
      call("POST", "/app", { name = "L", uid = uid })
      local expected = {}
      for i = 1, 3 do
        local one = call("POST", "/app/" .. uid .. "/endpoint", { url = receiver:url "/none", uid = "e" .. i })
        expected[i] = ("%s %s e%d"):format(uid, one.id, i)
        await "endpoint.created"
      end
      table.sort(expected)
      if point then
        server:stop()
        server:restart { ANZOL_CRASH_AT = point }
        pcall(call, "DELETE", "/app/" .. uid)
        assert.same({ "exit", 137 }, { server:ended(LIMIT_MS) })
        server:restart()
        assert.equal(404, (select(2, call("GET", "/app/" .. uid))))
      else
        assert.equal(204, (select(2, call("DELETE", "/app/" .. uid))))
      end
      assert.same(expected, await_deleted(3))
      assert.same({}, got)
    end
    -- What comes now comes behind what would have been told twice.
    local last = make { url = receiver:url "/a" }
    assert.equal(last.id, await("endpoint.created").endpointId)
    for _, body in ipairs(got) do assert.not_equal("endpoint.deleted", body.type) end
  end)
end)

describe("operational_application", function()
  it("is found again by the next start, and refused if it cannot be a uid", function()
    local server = Server.start { scripts = { ["main.lua"] = "" }, settings = settings }
    local call = resources(server)
    local app = call("GET", "/app/ops")
    server:stop()
    server:restart()
    assert.equal(app.id, (call("GET", "/app/ops")).id)
    call("DELETE", "/app/ops")
    local again = wait.until_true("it is made anew", LIMIT_MS, function()
      local found, status = call("GET", "/app/ops")
      return status == 200 and found
    end)
    assert.is_true(again.id ~= app.id)
    server:close()
    local bad = Server.new { scripts = { ["main.lua"] = "" },
      settings = [[return { operational_application = "no uid" }]] }
    bad:launch()
    assert.same({ "exit", 78 }, { bad.child:wait(LIMIT_MS) })
    assert.matches("operational_application", bad:log(), 1, true)
    bad:close()
  end)
end)
