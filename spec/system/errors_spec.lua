-- SPDX-License-Identifier: MIT
-- Which operation of the protocol refuses with which status: one table, each of its pairs provoked, and no
-- others seen. What any of them may answer beside that is a process without memory, or with too many reads
-- under way (503).
local Applications = require "support.applications"
local Disk = require "support.disk"
local http = require "support.http"
local json = require "dkjson"
local protocol = require "support.protocol"
local routes = require "support.routes"
local wait = require "support.wait"

local KIB, TASKS, ENDPOINTS = 1024, 16, 20
local SYNC_MS = 2000 -- so long a commit takes on a disk that is slow
local BODY_KIB, MESSAGE_KIB = 64, 2112 -- the largest bodies

-- 400 it cannot be done as things are; 401 no token, or none that is good; 403 one that is not enough; 404
-- something that the path names is not there; 409 another has the name, or does the same now; 413 too large;
-- 415 a POST of no JSON; 422 a field or parameter is wrong; 429 too many wrong tokens, too many tasks; 503 the store is
-- full. In the order of their paths, below /api/v1.
local expected = [[
GET /app 401 403 422 429
POST /app 401 403 409 413 415 422 429 503
DELETE /app/{app_id} 401 403 404 429 503
GET /app/{app_id} 401 404 429
PATCH /app/{app_id} 401 403 404 409 413 422 429 503
PUT /app/{app_id} 401 403 409 413 422 429 503
GET /app/{app_id}/attempt/endpoint/{endpoint_id} 401 404 422 429
GET /app/{app_id}/attempt/msg/{msg_id} 401 404 422 429
GET /app/{app_id}/endpoint 401 404 422 429
POST /app/{app_id}/endpoint 400 401 404 409 413 415 422 429 503
DELETE /app/{app_id}/endpoint/{endpoint_id} 401 404 429 503
GET /app/{app_id}/endpoint/{endpoint_id} 401 404 429
PATCH /app/{app_id}/endpoint/{endpoint_id} 401 404 409 413 422 429 503
PUT /app/{app_id}/endpoint/{endpoint_id} 400 401 404 409 413 422 429 503
GET /app/{app_id}/endpoint/{endpoint_id}/headers 401 404 429
PATCH /app/{app_id}/endpoint/{endpoint_id}/headers 401 404 413 422 429 503
PUT /app/{app_id}/endpoint/{endpoint_id}/headers 401 404 413 422 429 503
GET /app/{app_id}/endpoint/{endpoint_id}/msg 401 404 422 429
POST /app/{app_id}/endpoint/{endpoint_id}/recover 401 404 409 413 415 422 429 503
GET /app/{app_id}/endpoint/{endpoint_id}/secret 401 404 429
POST /app/{app_id}/endpoint/{endpoint_id}/secret/rotate 400 401 404 413 415 422 429 503
POST /app/{app_id}/endpoint/{endpoint_id}/send-example 400 401 404 409 413 415 422 429 503
GET /app/{app_id}/endpoint/{endpoint_id}/stats 400 401 404 422 429
GET /app/{app_id}/msg 401 404 422 429
POST /app/{app_id}/msg 401 403 404 409 413 415 422 429 503
GET /app/{app_id}/msg/{msg_id} 401 404 422 429
GET /app/{app_id}/msg/{msg_id}/attempt/{attempt_id} 401 404 429
DELETE /app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content 401 403 404 429 503
DELETE /app/{app_id}/msg/{msg_id}/content 401 403 404 429 503
GET /app/{app_id}/msg/{msg_id}/endpoint 401 404 422 429
POST /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend 400 401 404 409 415 429 503
POST /auth/app-portal-access/{app_id} 401 403 404 409 413 415 422 429 503
POST /auth/logout 401 403 415 429 503
GET /event-type 401 422 429
POST /event-type 401 403 409 413 415 422 429 503
DELETE /event-type/{event_type_name} 401 403 404 422 429 503
GET /event-type/{event_type_name} 401 404 429
PATCH /event-type/{event_type_name} 401 403 404 413 422 429 503
PUT /event-type/{event_type_name} 401 403 413 422 429 503
GET /health 503
GET /health/ping 503
]]

local bodies = {
  ApplicationIn = '{"name":"x"}', ApplicationPatch = "{}", EndpointIn = '{"url":"https://example.com/"}',
  EndpointUpdate = '{"url":"https://example.com/"}', EndpointPatch = "{}", EndpointHeadersIn = '{"headers":{}}',
  EndpointHeadersPatchIn = '{"headers":{}}',
  EndpointSecretRotateIn = "{}", EventExampleIn = '{"eventType":"a.b"}', MessageIn = '{"eventType":"a.b","payload":{}}',
  AppPortalAccessIn = "{}", EventTypeIn = '{"name":"c.d","description":""}', EventTypeUpdate = '{"description":""}',
  EventTypePatch = "{}",
}
bodies.RecoverIn = ('{"since":"%s"}'):format(os.date("!%Y-%m-%dT%H:%M:%SZ"))

local by_name, seen = {}, {}
for _, operation in ipairs(protocol.operations) do by_name[protocol.name_of(operation)] = operation end

-- Notes what was refused, and holds its form: JSON of the protocol's two kinds.
local function note(operation, answer)
  if answer.status < 400 then return end
  local name = protocol.name_of(operation)
  seen[name] = seen[name] or {}
  seen[name][answer.status] = true
  local body = assert(json.decode(answer.body), name .. " " .. answer.body)
  assert.matches("^application/json", answer.headers["content-type"])
  if type(body.detail) == "table" then
    assert.equal(422, answer.status)
    for _, item in ipairs(body.detail) do
      assert.same({ "table", "string", "string" }, { type(item.loc), type(item.msg), type(item.type) })
    end
  else
    assert.same({ "string", "string" }, { type(body.code), type(body.detail) }, name)
  end
end

-- A server that is asked, with an application, an endpoint, a message and an attempt on it.
local function populate(rig)
  local schemas = { ["1"] = { example = { a = 1 } } }
  rig:want(201, "POST", "/event-type", { name = "a.b", description = "", schemas = schemas })
  rig:want(201, "POST", "/event-type", { name = "bare", description = "" })
  local path, app = rig:application()
  local endpoint = rig:endpoint(path, { uid = "ep" })
  local message = rig:publish(path, { eventId = "m", eventType = "a.b" })
  local attempt = wait.until_true("it is tried", 5000, function()
    return rig.call("GET", path .. "/attempt/msg/m").data[1]
  end)
  local values = { app_id = app.id, endpoint_id = endpoint.id, msg_id = message.id, attempt_id = attempt.id,
    event_type_name = "a.b" }
  local portal = rig:want(200, "POST", "/auth/app-portal-access/" .. app.id, "{}").token
  return path, values, portal
end

local function filled(path, values, other)
  return (path:gsub("{([%w_]+)}", function(name) return other and other[name] or values[name] end))
end

-- options: { other? (values of the path), body?, query?, token? (false: none), kind?, key? }
local function open(server, operation, values, options)
  local headers = { ["Content-Type"] = options.kind or "application/json", ["Idempotency-Key"] = options.key }
  if options.token ~= false then headers.Authorization = "Bearer " .. (options.token or server.token) end
  local body = options.body or bodies[operation.body]
  if not body and operation.method ~= "GET" then body = "" end
  local connection = http.open(server.admin_port)
  connection:send(http.format { method = operation.method, headers = headers, body = body,
    path = filled(operation.path, values, options.other) .. (options.query or "") })
  return connection
end

local function receive(operation, connection)
  local answer = assert(connection:receive())
  connection:close()
  note(operation, answer)
  return answer
end

describe("a refusal of the protocol", function()
  local rig, call, path, values, portal

  lazy_setup(function()
    rig = Applications.start { settings = ([[return { guard = { allow = { "127.0.0.0/8" } },
      limits = { application_endpoints = %d } }]]):format(ENDPOINTS) }
    call = rig.call
    path, values, portal = populate(rig)
  end)
  lazy_teardown(function() rig:close() end)

  local function ask(operation, options)
    return receive(operation, open(rig.server, operation, values, options or {})).status
  end
  local function each(visit)
    for _, operation in ipairs(protocol.operations) do
      if not operation.path:find "/health" then visit(operation) end
    end
  end
  local function of(name)
    local method, below = name:match "^(%S+) (%S+)$"
    return by_name[method .. " /api/v1" .. below]
  end

  it("is 401 without a token", function()
    each(function(operation) assert.equal(401, ask(operation, { token = false })) end)
  end)

  it("is 403 with a token that is not enough", function()
    local users = {}
    for _, route in ipairs(routes.of(rig.server)) do
      users[route.method .. " " .. route.path:gsub("{[^}]+}", "{}")] = route.user
    end
    each(function(operation)
      if users[operation.method .. " " .. operation.path:gsub("{[^}]+}", "{}")] ~= "portal" then
        assert.equal(403, ask(operation, { token = portal }))
      end
    end)
    assert.equal(403, ask(of "POST /auth/logout"))
  end)

  it("is 404 where what the path names is not there", function()
    local count = 0
    each(function(operation)
      for name in operation.path:gmatch "{([%w_]+)}" do
        count = count + 1
        local status = ask(operation, { other = { [name] = "none-" .. count } })
        local is_made = operation.method == "PUT" and operation.path:find("{" .. name .. "}$")
        assert.equal(is_made and 201 or 404, status, protocol.name_of(operation))
      end
    end)
  end)

  it("is 413, 415 or 422 for what a body is", function()
    each(function(operation)
      if operation.body then
        local size = operation.body == "MessageIn" and MESSAGE_KIB or BODY_KIB
        assert.equal(413, ask(operation, { body = ('{"x":"%s"}'):format(("x"):rep(size * KIB)) }))
        assert.equal(422, ask(operation, { body = "[]" }))
      end
      if operation.method == "POST" then
        assert.equal(415, ask(operation, { body = "{}", kind = "text/plain" }), protocol.name_of(operation))
      end
    end)
  end)

  it("is 422 for each parameter", function()
    each(function(operation)
      for _, name in ipairs(operation.parameters) do
        assert.equal(422, ask(operation, { query = "?" .. name .. "=" }), protocol.name_of(operation) .. name)
      end
    end)
  end)

  it("is 409 for what another has", function()
    rig:want(201, "POST", "/app", { name = "x", uid = "taken" })
    rig:endpoint(path, { uid = "taken" })
    for _, name in ipairs { "POST /app", "PUT /app/{app_id}", "PATCH /app/{app_id}" } do
      assert.equal(409, ask(of(name), { body = '{"name":"y","uid":"taken"}' }))
    end
    for _, name in ipairs { "POST /app/{app_id}/endpoint", "PUT /app/{app_id}/endpoint/{endpoint_id}",
        "PATCH /app/{app_id}/endpoint/{endpoint_id}" } do
      assert.equal(409, ask(of(name), { body = '{"url":"https://example.com/","uid":"taken"}' }))
    end
    assert.equal(409, ask(of "POST /event-type", { body = '{"name":"a.b","description":""}' }))
    assert.equal(409, ask(of "POST /app/{app_id}/msg", { body = '{"eventType":"a","eventId":"m","payload":{}}' }))
    -- The text of a token is told by the process that minted it, and its key is refused to what is wrong.
    local access = of "POST /auth/app-portal-access/{app_id}"
    assert.equal(200, ask(access, { key = "k" }))
    rig.server:stop()
    rig.server:restart()
    assert.equal(409, ask(access, { key = "k", body = "[]" }))
  end)

  it("is 400 for what cannot be done as things are", function()
    local rotate = of "POST /app/{app_id}/endpoint/{endpoint_id}/secret/rotate"
    for i = 1, 11 do assert.equal(i <= 10 and 204 or 400, ask(rotate)) end
    assert.equal(400, ask(of "POST /app/{app_id}/endpoint/{endpoint_id}/send-example",
      { body = '{"eventType":"bare"}' }))
    assert.equal(400, ask(of "GET /app/{app_id}/endpoint/{endpoint_id}/stats",
      { query = "?since=2024-01-01T00:00:00Z&until=2024-02-01T00:00:00Z" }))
    local forgotten = rig:publish(path).id
    rig:want(204, "DELETE", path .. "/msg/" .. forgotten .. "/content")
    assert.equal(400, ask(of "POST /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
      { other = { msg_id = forgotten } }))
  end)

  -- The other half is the operator's.
  it("is 400 for one endpoint more than an application may have", function()
    local place = path .. "/endpoint"
    for _ = #call("GET", place).data + 1, ENDPOINTS do
      rig:want(201, "POST", place, { url = "https://example.com/" })
    end
    assert.equal(400, ask(of "POST /app/{app_id}/endpoint"))
    assert.equal(400, ask(of "PUT /app/{app_id}/endpoint/{endpoint_id}", { other = { endpoint_id = "unknown" } }))
  end)

  it("is 429 when half as many tasks run as may", function()
    local recover = of "POST /app/{app_id}/endpoint/{endpoint_id}/recover"
    for _ = 1, 3 do rig:publish(path) end
    local function replay() rig:want(200, "POST", "/replay?source=api&rate=1/m", "{}") end
    for _ = 1, TASKS // 2 - 1 do replay() end
    assert.equal(202, ask(recover))
    replay()
    assert.equal(429, ask(recover))
    for _ = TASKS // 2 + 1, TASKS do replay() end
  end)

  it("is 429 for the eleventh wrong token of an address", function()
    for _ = 1, 10 do call("GET", "/app", nil, { Authorization = "Bearer guess" }) end
    each(function(operation) assert.equal(429, ask(operation, { token = "guess" })) end)
  end)
end)

describe("a refusal of the protocol, on a disk,", function()
  local rig, disk, values, portal

  before_each(function()
    rig = Applications.start()
    rig.server:stop()
    disk = Disk.new(rig.server.state_dir)
    rig.server.options.disk = disk
    rig.server:restart()
    local _
    _, values, portal = populate(rig)
  end)
  after_each(function() rig:close() end)

  it("is 503 for all that writes while that is full, at once", function()
    disk:fill_at(1)
    local first = open(rig.server, by_name["POST /api/v1/app"], values, {})
    wait.until_true("it is known", 5000, function() return select(2, rig.server:get "/healthz") == 503 end)
    for _, operation in ipairs(protocol.operations) do
      local is_written = operation.method ~= "GET"
      if is_written or operation.path:find "/health" then
        local token = operation.path:find "/logout" and portal or nil
        local answer = receive(operation, open(rig.server, operation, values, { token = token }))
        assert.equal(503, answer.status, protocol.name_of(operation))
      end
    end
    disk:free()
    assert.equal(201, assert(first:receive()).status)
    first:close()
  end)

  it("is 409 for a key whose first request is under way there", function()
    local firsts = {}
    local names = { "POST /api/v1/app/{app_id}/msg", "POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/recover",
      "POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example",
      "POST /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend" }
    local syncs = disk:get "syncs"
    disk:delay_syncs(SYNC_MS)
    for i, name in ipairs(names) do firsts[i] = open(rig.server, by_name[name], values, { key = "k" }) end
    wait.until_true("a sync", 5000, function() return disk:get "syncs" > syncs end)
    for _, name in ipairs(names) do
      local refused = receive(by_name[name], open(rig.server, by_name[name], values, { key = "k" }))
      assert.equal(409, refused.status, name)
    end
    disk:delay_syncs(0)
    for i, name in ipairs(names) do assert.is_true(receive(by_name[name], firsts[i]).status < 300) end
  end)
end)

describe("the refusals of the protocol", function()
  it("are those of the table", function()
    local lines = {}
    for i, operation in ipairs(protocol.operations) do
      local statuses = {}
      for status in pairs(seen[protocol.name_of(operation)] or {}) do statuses[#statuses + 1] = status end
      table.sort(statuses)
      lines[i] = protocol.name_of(operation):gsub(" /api/v1", " ") .. " " .. table.concat(statuses, " ") .. "\n"
    end
    assert.equal(expected, table.concat(lines))
  end)
end)
