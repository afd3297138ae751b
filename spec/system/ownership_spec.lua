-- SPDX-License-Identifier: MIT
-- Applications whose endpoints have to prove that they want webhooks: with the real server, and a receiver
-- that brings the challenge back or does not.
local Applications = require "support.applications"
local cli = require "support.cli"
local json = require "dkjson"
local sign = require "support.sign"
local wait = require "support.wait"

local DAY_S = 86400
local proves = { echoes_member = "challenge" }

describe("an endpoint that has to prove that it wants webhooks", function()
  local rig, server, call, receiver, clock
  local path, came

  lazy_setup(function()
    rig = Applications.start { with_clock = true }
    server, call, receiver, clock = rig.server, rig.call, rig.receiver, rig.server.clock
  end)
  lazy_teardown(function() rig:close() end)

  before_each(function()
    path = rig:application { metadata = { ownership = "challenge" } }
    came = {}
  end)

  local function make(place)
    return rig:endpoint(path, { url = receiver:url(place), uid = "e" })
  end
  local function publish() return rig:publish(path) end
  local function verification() return call("GET", path .. "/endpoint/e").verification end
  local function take()
    for _, record in ipairs(receiver:take()) do came[#came + 1] = record end
  end
  local function await(place, count)
    local found
    wait.until_true(place, 15000, function()
      take()
      found = {}
      for _, record in ipairs(came) do
        if record.path == place then found[#found + 1] = record end
      end
      return #found >= count
    end)
    return found
  end
  local function await_verified()
    wait.until_true("it is verified", 15000, function() return verification() == "verified" end)
  end

  it("gets a signed challenge first, and what waited once it brought that back", function()
    receiver:answer("/late", { status = 200, body = "no" }, proves)
    assert.equal("unverified", make("/late").verification)
    local message = publish()
    local key = call("GET", path .. "/endpoint/e/secret").key
    local first = await("/late", 1)[1]
    local body = json.decode(first.body)
    assert.same({ "POST", "endpoint.challenge", "application/json" },
      { first.method, body.type, first.headers["content-type"] })
    assert.equal(sign.standard(key, first.id, first.headers["webhook-timestamp"], first.body),
      first.headers["webhook-signature"])
    wait.until_true("the answer was judged", 5000, function()
      return server:log():find "does not bring the challenge back" ~= nil
    end)
    assert.equal("unverified", verification())
    clock:sleep(10)
    local all = await("/late", 3)
    assert.not_equal(body.challenge, json.decode(all[2].body).challenge)
    assert.same({ "endpoint.challenge", message.id, '{"a":1}' },
      { json.decode(all[2].body).type, all[3].id, all[3].body })
    assert.equal("verified", verification())
  end)

  it("proves nothing by sending back whatever it gets", function()
    receiver:answer("/mirror", { echoes = true })
    make "/mirror"
    await("/mirror", 1)
    clock:sleep(10)
    await("/mirror", 2)
    assert.equal("unverified", verification())
  end)

  it("is shown as unverified, with what its answer lacked", function()
    receiver:answer("/missing", { status = 404 })
    local endpoint = make "/missing"
    local function shown()
      for _, row in ipairs(call("GET", "/endpoint").data) do
        if row.name == endpoint.id then return row.state, row.reason end
      end
    end
    wait.until_true("the answer was judged", 15000, function()
      return select(2, shown()) == "its answer to the challenge is not of status 2xx"
    end)
    assert.equal("unverified", (shown()))
    assert.matches(endpoint.id .. " +%S+ +unverified +0 .*not of status 2xx", cli.ask(server, { "endpoints" }).output)
    assert.equal("paused", call("POST", "/endpoint/" .. endpoint.id .. "/pause", {}).state)
    assert.equal("paused", (shown()))
    assert.equal("unverified", call("POST", "/endpoint/" .. endpoint.id .. "/resume", {}).state)
  end)

  it("is asked for a day after its last change, and again when it changes", function()
    receiver:answer("/day", { status = 404 })
    local endpoint = make "/day"
    await("/day", 1)
    clock:sleep(DAY_S - 600)
    await("/day", 2)
    clock:sleep(700)
    local function over()
      for _, row in ipairs(call("GET", "/endpoint").data) do
        if row.name == endpoint.id then
          return (row.reason or ""):find "change or enable it to be asked again" ~= nil, row.state
        end
      end
    end
    wait.until_true("its day is over", 15000, over)
    assert.equal("unverified", select(2, over()))
    local function is_logged() return server:log():find(endpoint.id .. ' reason="no proof', 1, true) ~= nil end
    wait.until_true("the end is logged", 15000, is_logged)
    take()
    local before = #await("/day", 2)
    clock:sleep(3600)
    server:kill()
    server:restart()
    wait.until_true("the end is logged", 15000, is_logged)
    assert.is_true(over())
    take()
    assert.equal(before, #await("/day", before))
    assert.equal(0, cli.ask(server, { "endpoints", "enable", endpoint.id }).code)
    await("/day", before + 1)
    assert.same({ false, "unverified" }, { over() })
    receiver:answer("/day", proves)
    assert.equal("unverified", call("PATCH", path .. "/endpoint/e", { url = receiver:url "/day" }).verification)
    await_verified()
    assert.same({ false, "enabled" }, { over() })
  end)

  it("is asked no more when it says 410, and not before it wants to be when it says so", function()
    receiver:answer("/left", { status = 410 })
    receiver:answer("/busy", { status = 429, headers = "Retry-After: 3600\r\n" })
    receiver:answer("/marks", { status = 404 })
    local left = make "/left"
    for _, uid in ipairs { "busy", "marks" } do
      call("POST", path .. "/endpoint", { url = receiver:url("/" .. uid), uid = uid })
    end
    -- Whoever is asked at once is asked by then: the mark is asked again in a later turn.
    for n = 1, 4 do
      await("/marks", n)
      clock:sleep(400)
    end
    assert.same({ 1, 1 }, { #await("/left", 1), #await("/busy", 1) })
    clock:sleep(3600)
    await("/busy", 2)
    assert.matches(left.id .. " +%S+ +unverified .* it answered 410: change or enable it",
      cli.ask(server, { "endpoints" }).output)
    assert.equal(200, select(2, call("POST", "/endpoint/" .. left.id .. "/enable", {})))
    await("/left", 2)
  end)

  it("has to prove it again when its URL changes, not when anything else does", function()
    receiver:answer("/one", proves)
    receiver:answer("/two", { status = 404 })
    make "/one"
    await_verified()
    assert.equal("verified", call("PATCH", path .. "/endpoint/e", { description = "d" }).verification)
    assert.equal("verified", call("PATCH", path .. "/endpoint/e", { verification = "unverified" }).verification)
    assert.equal("unverified", call("PATCH", path .. "/endpoint/e", { url = receiver:url "/two" }).verification)
    -- Neither saying so nor disabling and enabling it is a proof.
    assert.equal("unverified", call("PATCH", path .. "/endpoint/e", { verification = "verified", disabled = true })
      .verification)
    assert.equal("unverified", call("PATCH", path .. "/endpoint/e", { disabled = false }).verification)
    assert.equal("unverified",
      call("PUT", path .. "/endpoint/e", { url = receiver:url "/two", uid = "e", verification = "verified" })
      .verification)
    local message = publish()
    await("/two", 1)
    assert.equal("unverified", call("PATCH", path .. "/endpoint/e", { url = receiver:url "/one" }).verification)
    await_verified()
    wait.until_true("the message", 15000, function()
      local all = await("/one", 1)
      return all[#all].id == message.id
    end)
    for _, record in ipairs(await("/two", 1)) do
      assert.equal("endpoint.challenge", json.decode(record.body).type)
    end
  end)

  it("is asked anew after a crash before its answer, and stays verified after one behind it", function()
    receiver:answer("/slow", { delay_ms = 20000, echoes_member = "challenge" }, proves)
    make "/slow"
    local message = publish()
    local lost = await("/slow", 1)[1]
    server:kill()
    server:restart()
    await_verified()
    local all = await("/slow", 3)
    assert.equal("endpoint.challenge", json.decode(all[2].body).type)
    assert.not_equal(lost.body, all[2].body)
    assert.equal(message.id, all[3].id)
    server:kill()
    server:restart()
    assert.equal("verified", verification())
    message = publish()
    wait.until_true("the message", 15000, function()
      all = await("/slow", 4)
      return all[#all].id == message.id
    end)
  end)

  it("holds up neither the end of the server nor its own", function()
    receiver:answer("/hang", { delay_ms = 20000 })
    make "/hang"
    await("/hang", 1)
    assert.same({ "exit", 0 }, { server:stop() })
    server:restart()
    await("/hang", 2)
    local _, status = call("DELETE", path .. "/endpoint/e")
    assert.equal(204, status)
  end)

  it("consents to a handshake, and is sent to at the rate that it grants", function()
    local _, status = call("PATCH", path, { metadata = { ownership = "handshake", origin = "hooks.example.com" } })
    assert.equal(200, status)
    receiver:answer("/shaken", { headers = "WebHook-Allowed-Origin: other.example.com\r\n" },
      { status = 405, headers = "WebHook-Allowed-Origin: HOOKS.example.com\r\nWebHook-Allowed-Rate: 60\r\n" }, {})
    local endpoint = call("POST", path .. "/endpoint", { url = receiver:url "/shaken", uid = "e", throttleRate = 5 })
    assert.same({ "unverified", "hooks.example.com" }, { endpoint.verification, endpoint.origin })
    for _ = 1, 3 do publish() end
    await("/shaken", 1)
    clock:sleep(10)
    local all = await("/shaken", 5)
    for i = 1, 2 do
      assert.same({ "OPTIONS", "hooks.example.com", "300" }, { all[i].method,
        all[i].headers["webhook-request-origin"], all[i].headers["webhook-request-rate"] })
    end
    for i = 3, 5 do
      assert.same({ "POST", "hooks.example.com" }, { all[i].method, all[i].headers["webhook-request-origin"] })
    end
    assert.is_true(all[5].at_ms - all[3].at_ms > 1500) -- one a second
    endpoint = call("PATCH", path .. "/endpoint/e", { description = "d" })
    assert.same({ "verified", "hooks.example.com", 60 },
      { endpoint.verification, endpoint.origin, endpoint.allowedRate })
    local answer
    answer, status = call("PATCH", path, { metadata = { ownership = "handshake" } })
    assert.equal(422, status)
    assert.matches("DNS name", answer.detail[1].msg)
  end)

  it("is one of an application that says so", function()
    local _, status = call("POST", "/app", { name = "A", uid = "free", metadata = { ownership = "none" } })
    assert.equal(201, status)
    local endpoint = call("POST", "/app/free/endpoint", { url = receiver:url "/free" })
    assert.is_nil(endpoint.verification)
    local answer
    answer, status = call("PATCH", "/app/free", { metadata = { ownership = "maybe" } })
    assert.equal(422, status)
    assert.matches('"challenge", "handshake" or "none"', answer.detail[1].msg)
    _, status = call("POST", "/app/brought/msg", { eventType = "a", payload = {},
      application = { name = "B", uid = "brought", metadata = { ownership = "maybe" } } })
    assert.equal(422, status)
  end)
end)
