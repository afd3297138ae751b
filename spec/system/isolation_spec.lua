-- SPDX-License-Identifier: MIT
-- Two applications and tokens of one of them: every operation of the route table is tried across. What
-- the other one has is for a token what is not there, byte for byte.
--
-- Time tells as little: with a token its own application is read, whatever application the path names, and
-- the name is held against that (api/application.c), so what another has and what nobody has take the same
-- way; below the own application everything is found by keys that begin with the application, or its owner is
-- looked at before its row is read. That is not asserted here, for noise is larger.
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"
local routes = require "support.routes"
local wait = require "support.wait"

-- Every text that is the other's has this in it, but ids.
local MARK = "others-own"
local UNKNOWN = { app = { "nobody", "app_00000000001" }, id = { "nobody", "app_00000000001" },
  endpoint = { "nothing", "ep_00000000001" }, msg = { "nothing", "msg_000000000zz" },
  attempt = { "atmpt_00000000001", "atmpt_00000000001" } }
local settings = [[return { guard = { allow = { "127.0.0.0/8" } } }]]

describe("what another application has", function()
  local server, receiver, call, all, other, mine, tokens

  local function has(method, path)
    for _, route in ipairs(all) do
      if route.method == method and route.path == "/api/v1" .. path then return true end
    end
  end

  -- An application with an endpoint, a message and an attempt: the ids and the own names of each, by
  -- the names of paths.
  local function populate(name)
    local app = call("POST", "/app", { name = name, uid = name .. "-app", metadata = { note = name } })
    local place = "/app/" .. app.id
    local made = { app = { app.id, app.uid }, id = { app.id, app.uid } }
    if has("POST", "/app/{app}/endpoint") then
      local endpoint = call("POST", place .. "/endpoint", { url = receiver:url("/" .. name),
        uid = name .. "-endpoint", description = name, metadata = { note = name } })
      made.endpoint = { endpoint.id, endpoint.uid }
    end
    local message = call("POST", place .. "/msg", { eventType = "a.b", eventId = name .. "-message",
      payload = { note = name } })
    made.msg = { message.id, message.eventId }
    if has("GET", "/app/{app}/attempt/msg/{msg}") then
      wait.until_true("an attempt is told", 10000, function()
        local page = call("GET", place .. "/attempt/msg/" .. message.id)
        local attempt = page.data[1]
        made.attempt = attempt and { attempt.id, attempt.id }
        return attempt ~= nil
      end)
    end
    return made
  end

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = "" }, settings = settings }
    call = resources(server)
    all = routes.of(server)
    mine, other = populate "my-own", populate(MARK)
    tokens = {}
    for _, scope in ipairs { "application", "portal" } do
      tokens[scope] = call("POST", "/token", { application = mine.app[1], ttlSeconds = 3600,
        scope = scope }).token
    end
  end)
  lazy_teardown(function()
    server:close()
  end)

  -- Status and body as a text; instants, and ids that were made by the call, as x.
  local function ask(token, route, values, query)
    local body = route.body and json.encode(routes.example(route.body, { url = "https://example.com/",
      eventTypes = { "a.b" }, since = "2026-01-01T00:00:00Z" }))
    if not body and route.method ~= "GET" then body = "" end
    local answer = assert(http.request { port = server.admin_port, method = route.method,
      path = routes.fill(route.path, values) .. (query or ""), body = body,
      headers = { Authorization = "Bearer " .. token, ["Content-Type"] = "application/json" } })
    local text = answer.body:gsub("%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z", "x")
    return answer.status, text
  end

  local function masked(text) return (text:gsub("%f[%a](%a+_)%w%w%w%w%w%w%w%w%w%w%w%f[%W]", "%1x")) end

  local function name_of(route) return route.method .. " " .. route.path end

  -- The value of each name of a path: its id (1) or the own name (2) of the thing that made has.
  local function values_of(route, made, which)
    local values = {}
    for _, name in ipairs(route.parameters) do values[name] = (made[name] or UNKNOWN[name] or {})[which] end
    return values
  end

  local function is_of_application(route)
    return route.user ~= "admin" and route.path:find "^/api/v1/app/{" ~= nil
  end

  it("is asked for by routes that are known: each has a user, and a token has some", function()
    local count = 0
    for _, route in ipairs(all) do
      if is_of_application(route) then count = count + 1 end
      assert.is_truthy(route.user or route.path:find "health" or route.path:find "openapi", name_of(route))
    end
    assert.is_true(count >= 3)
  end)

  -- What customers may do themselves, and what the application's own service may. All else is the admin's.
  local portal = {
    ["/app/{id}"] = "GET", ["/app/{app}/endpoint"] = "GET POST",
    ["/app/{app}/endpoint/{endpoint}"] = "GET PUT PATCH DELETE",
    ["/app/{app}/endpoint/{endpoint}/headers"] = "GET PUT PATCH",
    ["/app/{app}/endpoint/{endpoint}/secret"] = "GET",
    ["/app/{app}/endpoint/{endpoint}/secret/rotate"] = "POST",
    ["/app/{app}/endpoint/{endpoint}/msg"] = "GET", ["/app/{app}/endpoint/{endpoint}/stats"] = "GET",
    ["/app/{app}/endpoint/{endpoint}/recover"] = "POST",
    ["/app/{app}/endpoint/{endpoint}/send-example"] = "POST",
    ["/app/{app}/msg"] = "GET", ["/app/{app}/msg/{msg}"] = "GET",
    ["/app/{app}/poller/{endpoint}"] = "GET",
    ["/app/{app}/msg/{msg}/endpoint"] = "GET", ["/app/{app}/msg/{msg}/attempt/{attempt}"] = "GET",
    ["/app/{app}/msg/{msg}/endpoint/{endpoint}/resend"] = "POST",
    ["/app/{app}/attempt/endpoint/{endpoint}"] = "GET", ["/app/{app}/attempt/msg/{msg}"] = "GET",
    ["/event-type"] = "GET", ["/event-type/{id}"] = "GET", ["/auth/logout"] = "POST",
  }
  local application = {
    ["/app/{app}/msg"] = "POST", ["/app/{app}/msg/{msg}/content"] = "DELETE",
    ["/app/{app}/msg/{msg}/attempt/{attempt}/content"] = "DELETE",
  }

  it("is behind routes that are open to no more than they are meant for", function()
    for _, route in ipairs(all) do
      local path = route.path:gsub("^/api/v1", "")
      local function is_in(map) return (map[path] or ""):find(route.method, 1, true) ~= nil end
      if route.user == "portal" then assert.is_true(is_in(portal), name_of(route)) end
      if route.user == "application" then
        assert.is_true(is_in(portal) or is_in(application), name_of(route))
      end
    end
  end)

  it("is refused as the admin's alone, whatever the path names", function()
    for _, route in ipairs(all) do
      if route.user == "admin" then
        local ids = { { other, 1 }, { UNKNOWN, 1 } }
        local seen = {}
        for i, row in ipairs(ids) do
          local values = setmetatable(values_of(route, row[1], row[2]), { __index = function() return "x" end })
          local status, text = ask(tokens.application, route, values)
          assert.equal(403, status, name_of(route))
          seen[i] = text
        end
        assert.equal(seen[1], seen[2], name_of(route))
      end
    end
  end)

  it("is not there under its application", function()
    for _, route in ipairs(all) do
      if is_of_application(route) then
        local token = tokens[route.user]
        for which = 1, 2 do
          local unknown = values_of(route, other, which)
          unknown[route.parameters[1]] = UNKNOWN.app[which]
          local wanted_status, wanted = ask(token, route, unknown)
          local others, default = values_of(route, other, which), values_of(route, other, which)
          default[route.parameters[1]] = "default" -- what the scripts declare is the admin's
          for _, values in ipairs { others, default } do
            local status, text = ask(token, route, values)
            assert.equal(404, status, name_of(route))
            assert.same({ wanted_status, wanted }, { status, text }, name_of(route))
          end
        end
      end
    end
  end)

  it("is not there under the own application", function()
    for _, route in ipairs(all) do
      if is_of_application(route) and #route.parameters > 1 then
        for which = 1, 2 do
          local values, unknown = values_of(route, other, which), values_of(route, UNKNOWN, which)
          values[route.parameters[1]] = mine.app[1]
          unknown[route.parameters[1]] = mine.app[1]
          local wanted_status, wanted = ask(tokens[route.user], route, unknown)
          local status, text = ask(tokens[route.user], route, values)
          assert.same({ wanted_status, masked(wanted) }, { status, masked(text) }, name_of(route))
        end
      end
    end
  end)

  -- Each one of several things is the other's, the rest is the own.
  it("is not there beside what is the own", function()
    for _, route in ipairs(all) do
      if is_of_application(route) then
        for i = 2, #route.parameters do
          local name = route.parameters[i]
          local values, unknown = values_of(route, mine, 1), values_of(route, mine, 1)
          values[name], unknown[name] = other[name][1], UNKNOWN[name][2]
          local wanted_status, wanted = ask(tokens[route.user], route, unknown)
          local status, text = ask(tokens[route.user], route, values)
          assert.same({ wanted_status, masked(wanted) }, { status, masked(text) }, name_of(route))
        end
      end
    end
  end)

  local function shows_other(text)
    if text:find(MARK, 1, true) then return true end
    for _, names in pairs(other) do
      if text:find(names[1], 1, true) then return true end
    end
    return false
  end

  it("is on no page of the own lists, whatever a parameter names", function()
    local lists = 0
    for _, route in ipairs(all) do
      if route.user and route.user ~= "admin" and route.method == "GET" then
        for _, parameter in ipairs(route.query) do
          lists = lists + (parameter == "iterator" and 1 or 0)
          for _, names in pairs(other) do
            for _, value in ipairs { names[1], "-" .. names[1], names[2] } do
              local status, text = ask(tokens[route.user], route, values_of(route, mine, 1),
                ("?%s=%s"):format(parameter, value))
              assert.is_true(status == 422 or status == 200 or status == 404,
                name_of(route) .. " " .. parameter)
              assert.is_false(shows_other(text), name_of(route) .. " " .. text)
            end
          end
        end
        local _, text = ask(tokens[route.user], route, values_of(route, mine, 1))
        assert.is_false(shows_other(text), name_of(route))
      end
    end
    assert.is_true(lists >= 1)
  end)

  -- Between the head and the body of a request others come, with a path of the same length; and with none
  -- of a token are they read.
  it("is not what a request comes to that began before another's", function()
    local body = json.encode { eventType = "a.b", payload = { meant = "for one" } }
    local function path_of(made) return "/api/v1/app/" .. made.app[1] .. "/msg" end
    for _, row in ipairs { { server.token, other, mine }, { tokens.application, mine, other } } do
      local token, meant, passing = table.unpack(row)
      local connection = http.open(server.admin_port)
      local whole = http.format { path = path_of(meant), body = body, headers = { Expect = "100-continue",
        Authorization = "Bearer " .. token, ["Content-Type"] = "application/json" } }
      connection:send(whole:sub(1, -1 - #body))
      assert.equal("HTTP/1.1 100 Continue", connection.line:receive "*l")
      connection.line:receive "*l"
      assert.equal(401, http.request({ port = server.admin_port, path = path_of(passing), body = body }).status)
      connection:send(body)
      local answer = connection:receive()
      connection:close()
      assert.equal(202, answer.status, answer.body)
      local message = "/" .. json.decode(answer.body).id
      assert.equal(200, select(2, call("GET", "/app/" .. meant.app[1] .. "/msg" .. message)))
      assert.equal(404, select(2, call("GET", "/app/" .. passing.app[1] .. "/msg" .. message)))
    end
  end)

  it("is as it was, after all of that", function()
    local kept = 0
    for _, route in ipairs(all) do
      if is_of_application(route) and route.method == "GET" then
        local status, text = ask(server.token, route, values_of(route, other, 1))
        assert.equal(200, status, name_of(route))
        kept = kept + (shows_other(text) and 1 or 0)
      end
    end
    assert.is_true(kept >= 2)
    local _, text = ask(server.token, { method = "GET", path = "/api/v1/app/{id}" }, { id = other.id[1] })
    assert.is_truthy(text:find('"name":"' .. MARK .. '"', 1, true))
  end)
end)
