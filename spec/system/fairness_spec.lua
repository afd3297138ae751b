-- SPDX-License-Identifier: MIT
-- What one application's receivers do, however many they are, delays no other application's messages: a
-- worker's places, attempts and memory for bodies are shared out among the applications.
local Receiver = require "support.receiver"
local Server = require "support.server"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"
local wait = require "support.wait"

local HANG_MS = 600000 -- longer than an attempt
local ENDPOINTS, MESSAGES = 1200, 3 -- more than a worker has attempts for, and places
local HEAVY_ENDPOINTS, HEAVY_MESSAGES, HEAVY_BYTES = 30, 5, 1000000 -- more than it holds

describe("beside an application whose receivers hang, another", function()
  local server, receiver, call, first

  before_each(function()
    first = nil
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = "" }, workers = 1,
      settings = 'return { guard = { allow = { "127.0.0.0/8" } }, limits = { application_endpoints = 2000 } }' }
    call = resources(server)
    for _, uid in ipairs { "hostile", "other" } do call("POST", "/app", { name = uid, uid = uid }) end
    receiver:answer("/hang", { delay_ms = HANG_MS })
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function register_hanging(count)
    local connection = http.open(server.admin_port)
    local request = http.format { path = "/api/v1/app/hostile/endpoint",
      body = json.encode { url = receiver:url "/hang" },
      headers = { Authorization = "Bearer " .. server.token, ["Content-Type"] = "application/json" } }
    for _ = 1, count do
      connection:send(request)
      local answer = connection:receive()
      assert.equal(201, answer.status, answer.body)
      first = first or json.decode(answer.body).id
    end
    connection:close()
  end

  local function publish(application, payload)
    local message, status, text = call("POST", "/app/" .. application .. "/msg", { eventType = "a", payload = payload })
    assert.equal(202, status, text)
    return message.id
  end

  -- Before any attempt at those that hang is over.
  local function await_other(id)
    wait.until_true("the message of the other", 10000, function()
      for _, record in ipairs(receiver:take()) do
        if record.id == id and record.path == "/other" then return true end
      end
    end)
    assert.same({}, call("GET", "/app/hostile/attempt/endpoint/" .. first).data)
  end

  it("is sent to at once, at an endpoint that is new too", function()
    register_hanging(ENDPOINTS)
    for _ = 1, MESSAGES do publish("hostile", { a = 1 }) end
    wait.until_true("they hang", 10000, function() return receiver:total() >= 400 end)
    call("POST", "/app/other/endpoint", { url = receiver:url "/other" })
    await_other(publish("other", { a = 1 }))
  end)

  it("is sent to at once, whatever the bodies weigh that the first one holds", function()
    call("POST", "/app/other/endpoint", { url = receiver:url "/other" })
    publish("other", { a = 1 })
    wait.until_true("the first message", 10000, function() return receiver:total() >= 1 end)
    register_hanging(HEAVY_ENDPOINTS)
    for _ = 1, HEAVY_MESSAGES do publish("hostile", { a = ("x"):rep(HEAVY_BYTES) }) end
    for _ = 1, 3 do await_other(publish("other", { a = 1 })) end
  end)
end)

describe("endpoints that are made and deleted all day", function()
  local WARM_UP, ROUNDS, GROWTH_KIB = 300, 1200, 2048 -- each left 4 KiB behind

  it("leave nothing in memory, what was under way to them neither", function()
    if os.getenv "ANZOL_SANITIZER" then return pending "the sanitizers have an allocator of their own" end
    local server = Server.start { scripts = { ["main.lua"] = "" }, workers = 1,
      settings = 'return { guard = { allow = { "127.0.0.0/8" } } }' }
    local receiver = Receiver.start()
    receiver:answer("/hang", { delay_ms = HANG_MS })
    resources(server)("POST", "/app", { name = "a", uid = "a" })
    local connection = http.open(server.admin_port)
    local headers = { Authorization = "Bearer " .. server.token, ["Content-Type"] = "application/json" }
    local function ask(method, path, body)
      connection:send(http.format { method = method, path = "/api/v1/app/a" .. path, body = body, headers = headers })
      local answer = connection:receive()
      return answer.body ~= "" and json.decode(answer.body), answer.status
    end
    local function turn(count)
      for i = 1, count do
        local endpoint = ask("POST", "/endpoint", json.encode { url = receiver:url "/hang" })
        if i % 100 == 0 then ask("POST", "/msg", json.encode { eventType = "a", payload = { a = 1 } }) end
        assert.equal(204, select(2, ask("DELETE", "/endpoint/" .. endpoint.id)))
      end
    end
    local function resident_kib()
      return tonumber(files.read(("/proc/%d/status"):format(server.child:pid())):match "VmRSS:%s*(%d+)")
    end
    turn(WARM_UP)
    local before = resident_kib()
    turn(ROUNDS)
    local growth = resident_kib() - before
    assert.is_true(growth < GROWTH_KIB, growth .. " KiB more")
    connection:close()
    server:close()
    receiver:stop()
  end)
end)
