-- SPDX-License-Identifier: MIT
-- POST /api/v1/auth/app-portal-access/{app}: tokens for the customers of an application.
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local resources = require "support.resources"

describe("access to a portal", function()
  local server, call, app

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    app = call("POST", "/app", { name = "Acme", uid = "acme" })
  end)
  lazy_teardown(function() server:close() end)

  local function open(name, body, headers)
    return call("POST", "/auth/app-portal-access/" .. name, body or "{}", headers)
  end
  local function shown(token, name)
    return call("GET", "/app/" .. name, nil, { Authorization = "Bearer " .. token })
  end

  it("is a token of the application for seven days, and where to go with it", function()
    local access, status = open "acme"
    assert.equal(200, status)
    assert.matches("^http://127%.0%.0%.1/portal/#app=" .. app.id .. "&token=", access.url)
    assert.is_truthy(access.url:find(access.token, 1, true))
    assert.equal(app.id, (shown(access.token, "acme")).id)
    local row = call("GET", "/token").data[1]
    assert.same({ "portal", app.id, {} }, { row.scope, row.application, row.featureFlags })
    local function day(instant) return os.time { year = instant:sub(1, 4), month = instant:sub(6, 7),
      day = instant:sub(9, 10) } // 86400 end
    assert.equal(7, day(row.expiresAt) - day(row.createdAt))
  end)

  it("is good for as long as it says", function()
    local function second(instant)
      local day, hour, minute, rest = instant:match "%-(%d+)T(%d+):(%d+):(%d+)"
      return ((tonumber(day) * 24 + hour) * 60 + minute) * 60 + rest
    end
    assert.equal(200, (select(2, open("acme", { expiry = 60 }))))
    local row = call("GET", "/token").data[1]
    -- A month may end between the two.
    assert.is_true(second(row.expiresAt) - second(row.createdAt) == 60 or second(row.expiresAt) < 86400 * 2)
    assert.equal(200, (select(2, open("acme", { expiry = 604800 }))))
    assert.equal(200, (select(2, open("acme", { expiry = json.null }))))
    for _, expiry in ipairs { 0, 604801, 1.5, "1" } do
      local answer, status = open("acme", { expiry = expiry })
      assert.same({ 422, { "body", "expiry" } }, { status, answer.detail[1].loc })
    end
  end)

  it("is refused where it is to do less than all", function()
    for name, value in pairs { readOnly = true, capabilities = { "ViewBase" } } do
      local answer, status = open("acme", { [name] = value })
      assert.same({ 422, { "body", name } }, { status, answer.detail[1].loc })
    end
    assert.equal(200, (select(2, open("acme", '{"readOnly":false,"capabilities":[]}'))))
  end)

  it("is found at the listener by who asks through the socket", function()
    local answer = cli.run({ "api", "POST", "auth/app-portal-access/acme", "--data", "{}" },
      { cwd = server.dir, env = { ANZOL_SOCKET = server.state_dir .. "/anzol.sock" } })
    local access = json.decode(answer.output)
    assert.matches(("http://127.0.0.1:%d/portal/#app="):format(server.admin_port), access.url, 1, true)
  end)

  it("sees the event types of its flags", function()
    call("POST", "/event-type", { name = "beta.type", description = "x", featureFlag = "beta" })
    local bearer = function(token) return { Authorization = "Bearer " .. token } end
    local with = open("acme", { featureFlags = { "beta" } }).token
    assert.equal(200, (select(2, call("GET", "/event-type/beta.type", nil, bearer(with)))))
    local without = open("acme").token
    assert.equal(404, (select(2, call("GET", "/event-type/beta.type", nil, bearer(without)))))
  end)

  it("may not hand itself on", function()
    local token = open("acme").token
    local _, status = open("acme", nil, { Authorization = "Bearer " .. token })
    assert.equal(403, status)
  end)

  it("makes the application that it brings, if that is the path's", function()
    assert.equal(404, (select(2, open "new")))
    assert.equal(404, (select(2, open("new", { application = json.null }))))
    for _, uid in ipairs { "another", false } do
      local answer, status = open("new", { application = { name = "New", uid = uid or nil } })
      assert.same({ 422, { "body", "application", "uid" } }, { status, answer.detail[1].loc })
    end
    local answer, status = open("new", { application = { uid = "new" } })
    assert.same({ 422, { "body", "application", "name" } }, { status, answer.detail[1].loc })
    assert.equal(404, (select(2, call("GET", "/app/new"))))
    local token = open("new", { application = { name = "New", uid = "new" } }).token
    assert.equal("New", (shown(token, "new")).name)
    -- One that is there is left as it is, whatever is brought.
    assert.equal(200, (select(2, open("new", { application = { name = 5 } }))))
    assert.equal("New", (call("GET", "/app/new")).name)
  end)

  it("is the same for who repeats the request, and another for another path", function()
    local key = { ["idempotency-key"] = "once" }
    local first = open("acme", nil, key).token
    assert.equal(first, open("acme", nil, key).token)
    assert.not_equal(first, open("acme", nil, { ["idempotency-key"] = "twice" }).token)
    call("POST", "/app", { name = "Other", uid = "other" })
    assert.not_equal(first, open("other", nil, key).token)
    -- One that has ended does not come to life again.
    assert.equal(204, (select(2, call("POST", "/auth/logout", nil, { Authorization = "Bearer " .. first }))))
    assert.equal(first, open("acme", nil, key).token)
    assert.equal(401, (select(2, shown(first, "acme"))))
  end)

  it("is refused where its fields are wrong", function()
    for _, body in ipairs { { featureFlags = "x" }, { featureFlags = { "" } },
        { featureFlags = { "a", "a" } }, { featureFlags = { "a b" } }, { featureFlags = { 1 } } } do
      local answer, status = open("acme", body)
      assert.same({ 422, { "body", "featureFlags" } }, { status, answer.detail[1].loc })
    end
    assert.equal(422, (select(2, open("acme", "[]"))))
  end)

  it("is made once for an application that many bring at once", function()
    local http = require "support.http"
    local body = json.encode { application = { name = "Many", uid = "many" } }
    local connections = {}
    for i = 1, 8 do
      connections[i] = http.open(server.admin_port)
      connections[i]:send(("POST /api/v1/auth/app-portal-access/many HTTP/1.1\r\nHost: localhost\r\n"
        .. "Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s")
        :format(server.token, #body, body))
    end
    for i = 1, 8 do
      assert.equal(200, connections[i]:receive().status)
      connections[i]:close()
    end
    local count = 0
    for _, row in ipairs(call("GET", "/app?limit=250").data) do
      if row.uid == "many" then count = count + 1 end
    end
    assert.equal(1, count)
  end)
end)
