-- SPDX-License-Identifier: MIT
-- Tokens of one application, on the real server: minted, listed, revoked; what they open and what
-- they do not.
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local resources = require "support.resources"

describe("a token", function()
  local server, call, app, other

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    app = call("POST", "/app", { name = "Acme", uid = "acme" })
    other = call("POST", "/app", { name = "Other", uid = "other" })
  end)
  lazy_teardown(function() server:close() end)

  local function mint(fields)
    local all = { application = "acme", ttlSeconds = 3600 }
    for key, value in pairs(fields or {}) do all[key] = value end
    local token, status = call("POST", "/token", all)
    assert.equal(201, status)
    return token
  end

  -- The same call with this token.
  local function with(token, method, path, body)
    return call(method, path, body, { Authorization = "Bearer " .. token.token })
  end

  local function status_with(...) return (select(2, with(...))) end

  it("is minted for one application, and its text told once", function()
    local token = mint { label = "billing" }
    assert.matches("^tok_%w+$", token.id)
    assert.matches("^anzol_[%w_-]+$", token.token)
    assert.equal(49, #token.token)
    assert.same({ app.id, "application", "billing", json.null },
      { token.application, token.scope, token.label, token.featureFlags or json.null })
    local page, _, text = call("GET", "/token")
    assert.equal(token.id, page.data[1].id)
    assert.is_nil(text:find(token.token, 1, true))
    assert.is_nil(page.data[1].token)
  end)

  it("lies nowhere in the store or the log", function()
    local token = mint()
    assert.equal(200, status_with(token, "GET", "/event-type"))
    assert.equal(200, status_with(mint { scope = "portal" }, "GET", "/app/acme"))
    for _, name in ipairs { "anzol.db", "anzol.db-wal" } do
      local file = assert(io.open(server.state_dir .. "/" .. name, "rb"))
      local bytes = file:read "a"
      file:close()
      assert.is_nil(bytes:find(token.token, 1, true))
      assert.is_nil(bytes:find(token.token:sub(7), 1, true))
    end
    assert.is_nil(server:log():find(token.token:sub(7), 1, true))
  end)

  it("opens its own application, and what is not there for another", function()
    local token = mint()
    local shown, status = with(token, "GET", "/app/acme")
    assert.same({ app.id, 200 }, { shown.id, status })
    assert.equal(200, status_with(token, "GET", "/app/" .. app.id))
    local _, unknown_status, unknown = with(token, "GET", "/app/nobody")
    for _, name in ipairs { "other", other.id } do
      local _, refused, text = with(token, "GET", "/app/" .. name)
      assert.equal(404, refused)
      assert.same({ unknown_status, unknown }, { refused, text })
    end
  end)

  it("is not enough where the admin token is asked for", function()
    local token = mint()
    for _, row in ipairs { { "GET", "/app" }, { "POST", "/app" }, { "PUT", "/app/acme" },
        { "DELETE", "/app/acme" }, { "GET", "/token" }, { "POST", "/token" }, { "POST", "/event-type" },
        { "GET", "/status" }, { "POST", "/script/reload" }, { "GET", "/event" } } do
      local answer, status = with(token, row[1], row[2], row[1] ~= "GET" and "{}" or nil)
      assert.same({ 403, "forbidden" }, { status, answer.code })
    end
  end)

  it("is refused from then on when it was revoked, or has ended", function()
    local token, short = mint(), mint { ttlSeconds = 1 }
    assert.equal(200, status_with(token, "GET", "/app/acme"))
    assert.equal(204, (select(2, call("DELETE", "/token/" .. token.id))))
    local answer, status = with(token, "GET", "/app/acme")
    assert.same({ 401, "token_wrong" }, { status, answer.code })
    assert.equal(404, (select(2, call("DELETE", "/token/" .. token.id))))
    assert.equal(404, (select(2, call("DELETE", "/token/x"))))
    require "support.wait".until_true("it has ended", 5000, function()
      return status_with(short, "GET", "/app/acme") == 401
    end)
  end)

  it("logs out with itself", function()
    local token = mint { scope = "portal" }
    assert.equal(204, status_with(token, "POST", "/auth/logout"))
    assert.equal(401, status_with(token, "POST", "/auth/logout"))
    assert.equal(403, (select(2, call("POST", "/auth/logout"))))
  end)

  it("survives a kill, and goes with its application", function()
    local token = mint()
    local gone = call("POST", "/app", { name = "Gone", uid = "gone" })
    local of_gone = mint { application = gone.id }
    assert.equal(200, status_with(of_gone, "GET", "/event-type"))
    server:kill()
    server:restart()
    assert.equal(200, status_with(token, "GET", "/app/acme"))
    assert.equal(204, (select(2, call("DELETE", "/app/gone"))))
    assert.equal(401, status_with(of_gone, "GET", "/event-type"))
  end)

  it("sees the event types that its flags let it see", function()
    for name, flag in pairs { open = false, beta = "beta", secret = "secret" } do
      call("POST", "/event-type", { name = "flag." .. name, description = "x",
        featureFlag = flag or nil })
    end
    local function seen(token, query)
      local names = {}
      local page = with(token, "GET", "/event-type" .. (query or ""))
      for i, row in ipairs(page.data) do names[i] = row.name end
      return table.concat(names, " "), page.done
    end
    local portal = mint { scope = "portal" }
    local beta = mint { scope = "portal", featureFlags = { "beta" } }
    assert.equal("flag.open", (seen(portal)))
    assert.equal("flag.beta flag.open", (seen(beta)))
    assert.equal("flag.beta flag.open flag.secret", (seen(mint())))
    -- What is behind the last one that it sees is not told by `done`.
    assert.same({ "flag.open", true }, { seen(beta, "?limit=1&iterator=flag.beta") })
    local _, status, text = with(portal, "GET", "/event-type/flag.beta")
    local _, unknown_status, unknown = with(portal, "GET", "/event-type/flag.never")
    assert.same({ unknown_status, unknown }, { status, text })
    assert.equal(404, status)
    assert.equal(200, status_with(beta, "GET", "/event-type/flag.beta"))
  end)

  it("cannot have an endpoint of types that it does not see", function()
    call("POST", "/event-type", { name = "hidden.type", description = "x", featureFlag = "hidden" })
    local portal, seeing = mint { scope = "portal" }, mint { scope = "portal", featureFlags = { "hidden" } }
    local function make(token, name)
      return with(token, "POST", "/app/acme/endpoint", { url = "https://example.com/", uid = "flagged",
        eventTypes = { name } })
    end
    local refused = make(portal, "hidden.type")
    local unknown, status = make(portal, "hidden.never")
    assert.equal(422, status)
    assert.equal((json.encode(unknown):gsub("hidden.never", "hidden.type")), json.encode(refused))
    assert.equal("flagged", (make(seeing, "hidden.type")).uid)
    -- What the endpoint has already stays, while something else is changed.
    assert.equal(200, status_with(portal, "PATCH", "/app/acme/endpoint/flagged", { description = "d" }))
    assert.equal(422, status_with(portal, "PATCH", "/app/acme/endpoint/flagged",
      { eventTypes = { "hidden.type", "hidden.type2" } }))
  end)

  it("is sent no example of a type that it does not see", function()
    call("POST", "/event-type", { name = "hidden.example", description = "x", featureFlag = "hidden",
      schemas = { ["1"] = { example = { a = 1 } } } })
    local portal, seeing = mint { scope = "portal" }, mint { scope = "portal", featureFlags = { "hidden" } }
    local endpoint = with(portal, "POST", "/app/acme/endpoint", { url = "https://example.com/", disabled = true })
    local function send(token, name)
      local _, status, text = with(token, "POST", "/app/acme/endpoint/" .. endpoint.id .. "/send-example",
        { eventType = name })
      return { status, text }
    end
    assert.same({ 404, send(portal, "hidden.never")[2] }, send(portal, "hidden.example"))
    assert.equal(200, send(seeing, "hidden.example")[1])
  end)

  it("is refused where a field of it is wrong", function()
    for place, fields in pairs {
      application = { application = "nobody" }, ttlSeconds = { ttlSeconds = 0 },
      scope = { scope = "admin" }, label = { label = ("x"):rep(101) },
      featureFlags = { featureFlags = { "a", "a" } },
    } do
      local all = { application = "acme", ttlSeconds = 60 }
      for key, value in pairs(fields) do all[key] = value end
      local answer, status = call("POST", "/token", all)
      assert.same({ 422, "body", place }, { status, answer.detail[1].loc[1], answer.detail[1].loc[2] })
    end
    assert.equal(422, (select(2, call("POST", "/token", { application = "acme",
      ttlSeconds = 31622401 }))))
    mint { ttlSeconds = 31622400, label = ("é"):rep(100) }
  end)

  it("has at most 500 flags", function()
    local flags = {}
    for i = 1, 500 do flags[i] = "flag-" .. i end
    assert.equal(500, #mint { featureFlags = flags }.featureFlags)
    flags[501] = "flag-501"
    local answer, status = call("POST", "/token", { application = "acme", ttlSeconds = 60,
      featureFlags = flags })
    assert.same({ 422, { "body", "featureFlags" } }, { status, answer.detail[1].loc })
  end)

  it("that is wrong keeps no others of its address out", function()
    local token = mint()
    local wrong = { token = "anzol_" .. ("A"):rep(43) }
    for _ = 1, 12 do assert.equal(401, status_with(wrong, "GET", "/app/acme")) end
    assert.equal(200, status_with(token, "GET", "/app/acme"))
    assert.equal(200, (select(2, call("GET", "/app"))))
    for _ = 1, 10 do status_with({ token = "guess" }, "GET", "/app/acme") end
    assert.equal(429, status_with({ token = "guess" }, "GET", "/app/acme"))
    assert.equal(200, status_with(token, "GET", "/app/acme"))
    server:stop()
    server:restart()
  end)

  it("is minted, listed and revoked from the shell", function()
    local made = cli.ask(server, { "token", "create", "--app", "acme", "--ttl", "1h", "--label", "cli" })
    assert.equal(0, made.code, made.errors)
    local text = made.output:match "^(anzol_%S+)\n$"
    assert.equal(200, status_with({ token = text }, "GET", "/app/acme"))
    local id = made.errors:match "tok_%w+"
    local list = cli.ask(server, { "token", "list" })
    assert.equal(0, list.code, list.errors)
    assert.matches(id .. "%s+" .. app.id .. "%s+application", list.output)
    assert.is_nil(list.output:find(text, 1, true))
    local rows = json.decode(cli.ask(server, { "token", "list", "-o", "json" }).output).data
    assert.same({ id, "cli" }, { rows[1].id, rows[1].label })
    local of = cli.ask(server, { "token", "list", "--app", "acme", "-o", "json" })
    for _, row in ipairs(json.decode(of.output).data) do assert.equal(app.id, row.application) end
    assert.equal(id, json.decode(of.output).data[1].id)
    assert.same({ 2, true }, (function(result)
      return { result.code, result.errors:find("no application", 1, true) ~= nil }
    end)(cli.ask(server, { "token", "list", "--app", "nobody" })))
    assert.matches("more: anzol token list", cli.ask(server, { "token", "list", "--limit", "1" }).errors)
    assert.equal(0, cli.ask(server, { "token", "revoke", id }).code)
    assert.equal(401, status_with({ token = text }, "GET", "/app/acme"))
    local again = cli.ask(server, { "token", "revoke", id })
    assert.same({ 1, true }, { again.code, again.errors:find(id, 1, true) ~= nil })
    local unknown = cli.ask(server, { "token", "create", "--app", "nobody", "--ttl", "1h" })
    assert.equal(2, unknown.code)
    assert.matches("application", unknown.errors)
    assert.equal(2, cli.ask(server, { "token", "create", "--app", "acme", "--ttl", "1" }).code)
    local socket = { "token", "list", "--socket", server.state_dir .. "/anzol.sock" }
    assert.equal(0, cli.run(socket, { cwd = server.dir }).code)
  end)
end)
