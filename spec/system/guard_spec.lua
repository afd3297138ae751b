-- SPDX-License-Identifier: MIT
-- The address guard of a whole server: the operator's rules, and the way back into itself.
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "to." .. req.headers["x-to"] end })
local function endpoint(name, url, allow_private)
  anzol.endpoint(name, { url = url, sign = false, allow_private = allow_private,
    retry = anzol.backoff.constant { base = "50ms", attempts = 1 } })
  anzol.on("to." .. name, function(event) event:send(name) end)
end
endpoint("receiver", "$URL/receiver", true)
endpoint("shut", "$URL/shut", false)
endpoint("intake", "http://localhost:$INTAKE/in/open", true)
endpoint("admin", "http://127.0.0.1:$ADMIN/api/v1/endpoint", true)
anzol.on("to.ask", function(event)
  local answer, problem = anzol.http.get("http://127.0.0.1:$ADMIN/healthz", { allow_private = true })
  event:send("receiver", { body = problem and tostring(problem) or "status " .. answer.status })
end)
]]

describe("the address guard", function()
  local server, receiver
  before_each(function() receiver = Receiver.start() end)
  after_each(function()
    if server then server:close() end
    receiver:stop()
    server = nil
  end)

  local function start(settings)
    local intake, admin = process.free_port(), process.free_port()
    local text = script:gsub("%$INTAKE", intake):gsub("%$ADMIN", admin)
    server = Server.new { scripts = scripts.with(receiver, text), settings = settings }
    server.port, server.admin_port = intake, admin
    server:launch():await()
  end

  local function attempt_of(to)
    local answer = server:post("/in/open", "{}", { ["X-To"] = to })
    assert.equal(200, answer.status)
    local event = json.decode(answer.body).id
    return wait.until_true("an attempt to " .. to, 5000, function()
      local row = server:get("/api/v1/delivery?event=" .. event).data[1]
      if not row or (row.state ~= "dead" and row.state ~= "succeeded") then return nil end
      return server:get("/api/v1/delivery/" .. row.id).attempts[1]
    end)
  end

  it("lets nothing come back into the server itself, whatever its name", function()
    start()
    for _, to in ipairs { "intake", "admin" } do
      local attempt = attempt_of(to)
      assert.equal("blocked_address", attempt.error, to)
      assert.matches("Anzol itself listens there", attempt.detail, 1, true)
      assert.matches("event:emit", attempt.detail, 1, true)
    end
    attempt_of "ask"
    assert.matches("Anzol itself listens there", receiver:take()[1].body, 1, true)
    assert.equal(3, #server:list "/api/v1/event")
  end)

  it("lets it where guard.allow of anzol.lua says so", function()
    start [[return { guard = { allow = { "127.0.0.0/8" } } }]]
    assert.equal(200, attempt_of("shut").status)
    assert.equal(401, attempt_of("admin").status)
    attempt_of "ask"
    assert.equal("status 200", receiver:take()[2].body)
  end)

  it("calls nobody whom guard.deny has, though allow_private and guard.allow would", function()
    start [[return { guard = { allow = { "127.0.0.0/8" }, deny = { "127.0.0.1/32" } } }]]
    local attempt = attempt_of "receiver"
    assert.equal("blocked_address", attempt.error)
    assert.matches("guard.deny", attempt.detail, 1, true)
    assert.equal(0, #receiver:take())
  end)
end)
