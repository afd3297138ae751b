-- SPDX-License-Identifier: MIT
-- The CloudEvents HTTP webhook specification (1.0.2), as the sender of deliveries: each of its MUSTs
-- and SHOULDs for a sender, over real sockets. The numbers are its sections; which sentence is where
-- stands in handshake_spec.
local Applications = require "support.applications"
local Disk = require "support.disk"
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local resources = require "support.resources"
local send = require "anzol_test.send"
local wait = require "support.wait"

local LIMIT_MS = 15000
local DAY_S = 86400
local URL_BYTES = send.url_bytes_max
local PUBLIC = "https://hooks.example.com/anzol"

describe("a sender of CloudEvents", function()
  local rig, server, call, receiver, clock
  local count = 0
  local app, place, came

  lazy_setup(function()
    rig = Applications.start { with_clock = true,
      settings = 'return { public_url = "' .. PUBLIC .. '/", guard = { allow = { "127.0.0.0/8" } } }' }
    server, call, receiver, clock = rig.server, rig.call, rig.receiver, rig.server.clock
  end)
  lazy_teardown(function() rig:close() end)

  before_each(function()
    count = count + 1
    app = rig:application { metadata = { ownership = "handshake", origin = "emitter.example.com" } }
    place, came = "/hook-" .. count, {}
  end)

  local function make(more)
    local body = { url = receiver:url(place), uid = "e" }
    for name, value in pairs(more or {}) do body[name] = value end
    return rig:endpoint(app, body)
  end
  local function shown() return call("GET", app .. "/endpoint/e") end
  local function publish() return rig:publish(app) end
  -- Waits for so many requests at this place in all; gives them.
  local function await(path, n)
    local found
    wait.until_true(path, LIMIT_MS, function()
      for _, record in ipairs(receiver:take()) do came[#came + 1] = record end
      found = {}
      for _, record in ipairs(came) do
        if record.path == path then found[#found + 1] = record end
      end
      return #found >= n
    end)
    return found
  end
  -- Of a validation request: the path of its callback at this server.
  local function callback_of(record)
    local url = record.headers["webhook-request-callback"]
    assert.equal(PUBLIC, url:sub(1, #PUBLIC))
    return url:sub(#PUBLIC + 1)
  end
  local function grant(path, method, headers, body)
    return assert(http.request { port = server.port, method = method or "GET", path = path, headers = headers,
      body = body })
  end
  -- A receiver that answers as if it knew nothing of all this.
  local function plain() receiver:answer(place, { status = 405 }, { status = 204 }) end

  it("asks by OPTIONS at the exact target, with origin, callback and rate (4.1)", function()
    place = place .. "?a=b"
    plain()
    local endpoint = make { throttleRate = 2 }
    local asked = await(place, 1)[1]
    assert.same({ "OPTIONS", "emitter.example.com", "120", "" }, { asked.method,
      asked.headers["webhook-request-origin"], asked.headers["webhook-request-rate"], asked.body })
    assert.matches("^/grant/" .. endpoint.id .. "/" .. ("%x"):rep(48) .. "$", callback_of(asked))
  end)

  it("asks for no rate if it wants none in particular (4.1.4)", function()
    plain()
    make()
    assert.is_nil(await(place, 1)[1].headers["webhook-request-rate"])
  end)

  it("takes consent by the callback, at the rate that it asked for (4.1.3)", function()
    plain()
    make { throttleRate = 5 }
    local message = publish()
    local asked = await(place, 1)[1]
    assert.equal("unverified", shown().verification)
    local answer = grant(callback_of(asked))
    assert.same({ 200, "text/plain; charset=utf-8" }, { answer.status, answer.headers["content-type"] })
    assert.same({ "verified", 300 }, { shown().verification, shown().allowedRate })
    local sent = await(place, 2)[2]
    assert.same({ "POST", message.id, "emitter.example.com", "application/json", '{"a":1}' }, { sent.method, sent.id,
      sent.headers["webhook-request-origin"], sent.headers["content-type"], sent.body })
    assert.is_nil(sent.headers["webhook-request-callback"])
  end)

  it("takes the rate that the callback brings, or that there is no limit (4.1.3)", function()
    for value, rate in pairs { ["60"] = 60, ["*"] = false } do
      place = place .. "r"
      plain()
      make { throttleRate = 5, uid = "e" }
      local path = callback_of(await(place, 1)[1])
      assert.equal(200, grant(path, "POST", { ["WebHook-Allowed-Rate"] = value, ["Content-Type"] = "text/plain",
        ["WebHook-Allowed-Origin"] = rate and "EMITTER.example.com" or "*" }, "yes").status)
      assert.same({ "verified", rate or nil }, { shown().verification, shown().allowedRate })
      call("DELETE", app .. "/endpoint/e")
    end
  end)

  it("lets nobody guess a callback, and takes each once (4.1.3)", function()
    plain()
    local endpoint = make()
    local path = callback_of(await(place, 1)[1])
    local other = path:gsub("%x$", function(digit) return digit == "0" and "1" or "0" end)
    local nobody = endpoint.id:gsub(".$", function(letter) return letter == "A" and "B" or "A" end)
    local unknown = grant(other)
    for _, wrong in ipairs { path:gsub(endpoint.id, nobody), path .. "0", path:sub(1, -2), "/grant/",
      "/grant/" .. endpoint.id, "/grant/" .. endpoint.id .. "/", "/grant/x/" .. ("0"):rep(48),
      "/grant/" .. ("a"):rep(300) .. "/" .. ("0"):rep(48) } do
      local answer = grant(wrong)
      assert.same({ 404, unknown.body }, { answer.status, answer.body }, wrong)
    end
    for _, case in ipairs { { { ["WebHook-Allowed-Rate"] = "0" }, "bad_rate" },
      { { ["WebHook-Allowed-Rate"] = "1000000001" }, "bad_rate" },
      { { ["WebHook-Allowed-Origin"] = "other.example.com" }, "other_origin" } } do
      local answer = grant(path, "GET", case[1])
      assert.equal(400, answer.status)
      assert.matches(case[2], answer.body, 1, true)
    end
    local refused = grant(path, "DELETE")
    assert.same({ 405, "GET, POST" }, { refused.status, refused.headers.allow })
    assert.equal("unverified", shown().verification)
    assert.equal(200, grant(path).status)
    assert.same({ 404, unknown.body }, { grant(path, "GET", { ["WebHook-Allowed-Rate"] = "1" }).status, unknown.body })
    assert.is_nil(shown().allowedRate)
    assert.is_nil(server:log():find(path:match "%x+$", 1, true))
  end)

  it("takes a callback for the URL that it was made for, and for one that is still there", function()
    plain()
    make()
    local first = callback_of(await(place, 1)[1])
    call("PATCH", app .. "/endpoint/e", { description = "d" })
    assert.equal(first, callback_of(await(place, 2)[2]))
    local before = place
    place = place .. "b"
    plain()
    call("PATCH", app .. "/endpoint/e", { url = receiver:url(place) })
    local second = callback_of(await(place, 1)[1])
    assert.equal(404, grant(first).status)
    call("PATCH", app .. "/endpoint/e", { url = receiver:url(before) })
    assert.equal(404, grant(second).status)
    assert.equal(404, grant(first).status)
    local third = callback_of(await(before, 3)[3])
    call("DELETE", app .. "/endpoint/e")
    assert.equal(404, grant(third).status)
  end)

  it("takes a callback for a day, and again when it asks anew", function()
    plain()
    local endpoint = make()
    local path = callback_of(await(place, 1)[1])
    clock:sleep(DAY_S + 60)
    assert.equal(404, grant(path).status)
    assert.equal("unverified", shown().verification)
    assert.equal(200, select(2, call("POST", "/endpoint/" .. endpoint.id .. "/enable", {})))
    assert.equal(200, grant(path).status)
    assert.equal("verified", shown().verification)
  end)

  it("takes a callback after a crash, and keeps what it granted over another", function()
    plain()
    make()
    local message = publish()
    local path = callback_of(await(place, 1)[1])
    server:kill()
    server:restart()
    assert.equal(200, grant(path, "POST", { ["WebHook-Allowed-Rate"] = "600" }, "").status)
    server:kill()
    server:restart()
    assert.same({ "verified", 600 }, { shown().verification, shown().allowedRate })
    assert.equal(404, grant(path).status)
    wait.until_true("the message", LIMIT_MS, function()
      local all = await(place, 2)
      return all[#all].id == message.id
    end)
  end)

  it("takes both headers for consent, whatever the status, and nothing less (4.2)", function()
    local function answers(headers) return { status = 404, headers = headers } end
    receiver:answer(place, { status = 200 }, answers "WebHook-Allowed-Origin: other.example.com\r\n",
      answers "WebHook-Allowed-Rate: *\r\n", answers "WebHook-Allowed-Origin: *\r\n",
      answers "WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: 0\r\n",
      answers "WebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: *\r\n", { status = 204 })
    make { throttleRate = 10 }
    for n = 1, 5 do
      await(place, n)
      assert.equal("unverified", shown().verification)
      clock:sleep(400)
    end
    wait.until_true("it is verified", LIMIT_MS, function() return shown().verification == "verified" end)
    assert.is_nil(shown().allowedRate)
    assert.equal(6, #await(place, 6))
  end)

  it("delivers over TLS, or where guard.allow says that it need not (2.1)", function()
    local answer, status = call("POST", app .. "/endpoint", { url = "http://receiver.example/" })
    assert.equal(422, status)
    assert.same({ "body", "url" }, answer.detail[1].loc)
    assert.matches("https:// is wanted", answer.detail[1].msg, 1, true)
    assert.equal(422, (select(2, call("POST", app .. "/endpoint", { url = "http://8.8.8.8/" }))))
    assert.equal(201, (select(2, call("POST", app .. "/endpoint", { url = "https://receiver.example/" }))))
    plain()
    make()
  end)

  it("keeps a token in the URL out of caches, and sends one in the header (3)", function()
    place = place .. "?p=q&access_token=mF_9.B5f-4.1JqM"
    plain()
    make()
    assert.equal(204, (select(2, call("PATCH", app .. "/endpoint/e/headers",
      { headers = { Authorization = "Bearer mF_9" } }))))
    assert.equal(200, grant(callback_of(await(place, 1)[1])).status)
    publish()
    wait.until_true("the message", LIMIT_MS, function()
      local all = await(place, 1)
      local sent = all[#all]
      return sent.method == "POST" and sent.headers["cache-control"] == "no-store"
        and sent.headers.authorization == "Bearer mF_9"
    end)
  end)

  it("sends nothing more to who is gone, and nothing before who is busy says so (2.2)", function()
    receiver:answer(place, { status = 405 }, { status = 429, headers = "Retry-After: 3\r\n" }, { status = 410 })
    make()
    assert.equal(200, grant(callback_of(await(place, 1)[1])).status)
    publish()
    await(place, 2)
    publish()
    local all = await(place, 3)
    assert.is_true(all[3].at_ms - all[2].at_ms >= 2900)
    wait.until_true("it is disabled", LIMIT_MS, function() return shown().disabled end)
  end)
end)

describe("public_url", function()
  it("is an HTTPS URL without a query, one past its limit refused", function()
    for _, url in ipairs { "http://hooks.example.com", "https:///", "https://a b", "https://a.example/?q",
      "https://a/#f", "https://a.example/" .. ("a"):rep(URL_BYTES - 17) } do
      local server = Server.new { scripts = { ["main.lua"] = "" },
        settings = ("return { public_url = %q }"):format(url) }
      server:launch()
      assert.same({ "exit", 78 }, { server.child:wait(LIMIT_MS) })
      assert.matches(#url > URL_BYTES and "public_url: " or "; write https://HOST", server:log(), 1, true)
      server:close()
    end
  end)

  it("gives callbacks that are to come again while the disk is full, and count then", function()
    local receiver = Receiver.start()
    local server = Server.new { scripts = { ["main.lua"] = "" },
      settings = 'return { public_url = "' .. PUBLIC .. '", guard = { allow = { "127.0.0.0/8" } } }' }
    local disk = Disk.new(server.state_dir)
    server.options.disk = disk
    server:launch():await()
    finally(function()
      server:close()
      receiver:stop()
    end)
    local call = resources(server)
    receiver:answer("/e", { status = 405 })
    call("POST", "/app", { name = "A", uid = "a", metadata = { ownership = "handshake", origin = "a.example" } })
    assert.equal(201, (select(2, call("POST", "/app/a/endpoint", { url = receiver:url "/e", uid = "e" }))))
    receiver:await(1)
    local path = receiver:take()[1].headers["webhook-request-callback"]:sub(#PUBLIC + 1)
    disk:fill_at(1)
    local first = http.open(server.admin_port)
    first:send(http.format { method = "POST", path = "/api/v1/app", body = '{"name":"first"}',
      headers = { Authorization = "Bearer " .. server.token, ["Content-Type"] = "application/json" } })
    wait.until_true("the disk is known to be full", LIMIT_MS, function()
      return select(2, server:get "/healthz") == 503
    end)
    local answer = assert(http.request { port = server.port, method = "GET", path = path })
    assert.same({ 503, true }, { answer.status, tonumber(answer.headers["retry-after"]) ~= nil })
    disk:free()
    first:close()
    wait.until_true("it is granted", LIMIT_MS, function()
      return assert(http.request { port = server.port, method = "GET", path = path }).status == 200
    end)
    assert.equal("verified", call("GET", "/app/a/endpoint/e").verification)
  end)

  it("is not needed: then no callback is offered", function()
    local receiver = Receiver.start()
    local server = Server.start { scripts = { ["main.lua"] = "" },
      settings = 'return { guard = { allow = { "127.0.0.0/8" } } }' }
    local call = resources(server)
    call("POST", "/app", { name = "A", uid = "a", metadata = { ownership = "handshake", origin = "a.example" } })
    assert.equal(201, (select(2, call("POST", "/app/a/endpoint", { url = receiver:url "/e" }))))
    receiver:await(1)
    assert.is_nil(receiver:take()[1].headers["webhook-request-callback"])
    server:close()
    receiver:stop()
  end)
end)
