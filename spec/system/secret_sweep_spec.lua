-- SPDX-License-Identifier: MIT
-- Secrets in every place that takes any, through good and bad days of a server that logs all it can; then
-- logs, the API, the command line, the figures and every file of the store are searched for them.
local Receiver = require "support.receiver"
local Server = require "support.server"
local Sweep = require "support.sweep"
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local lfs = require "lfs"
local resources = require "support.resources"
local scripts = require "support.scripts"
local wait = require "support.wait"

local WITHIN_MS = 20000

local SCRIPT = [[
local s = anzol.secret
local POLL, HTTP, SIGN, HEADER = s "POLL", s "HTTP", s "SIGN", s "HEADER"
anzol.source("hub", { provider = anzol.provider.github { secret = s "SOURCE" } })
anzol.source("bearer", { verify = anzol.verify.bearer { secret = s "BEARER", query = true } })
anzol.source("basic", { verify = anzol.verify.basic { secret = s "BASIC" } })
anzol.source("token", { verify = anzol.verify.token { header = "X-Api-Key", secret = s "TOKEN" } })
local retry = anzol.backoff.constant { base = "50ms", attempts = 2 }
local function endpoint(name, options)
  options.retry, options.allow_private, options.sign = retry, true, options.sign or false
  options.url = options.url or "$URL/" .. name
  anzol.endpoint(name, options)
end
endpoint("signed", { sign = anzol.sign.standard { secret = s "SIGN" } })
endpoint("header", { headers = { ["X-Private"] = s "HEADER" } })
endpoint("authorized", { auth = { bearer = s "AUTH" } })
endpoint("basic_auth", { auth = { basic = { "user", s "PASSWORD" } } })
endpoint("url", { url = s "URL" })
endpoint("broken_url", { url = s "BROKEN_URL" })
endpoint("proxied", { proxy = s "PROXY" })
endpoint("oauth", { auth = { oauth2 = { token_url = "$URL/tokens", client_id = "me",
  client_secret = s "CLIENT" } } })
endpoint("no_oauth", { auth = { oauth2 = { token_url = s "TOKEN_URL", client_id = "me",
  client_secret = s "CLIENT" } } })
anzol.endpoint("queue", { kind = "long_poll", path = "/queue",
  auth = anzol.verify.bearer { secret = s "QUEUE" } })
anzol.poll("items", { interval = "1h" }, function(poll)
  local res, err = poll:get("$URL/items", { auth = { bearer = POLL }, allow_private = true })
  if not res then return nil, err end
  error("no item for " .. tostring(POLL))
end)
anzol.on("**", function(event)
  for _, name in ipairs { "signed", "header", "authorized", "basic_auth", "url", "broken_url", "proxied",
    "oauth", "no_oauth", "queue" } do event:send(name) end
end)
anzol.on("**", { name = "fails" }, function(event)
  local res, err = anzol.http.get("$URL/http", { headers = { Authorization = HTTP }, allow_private = true })
  event.log.info("seen", { secret = SIGN, all = { HEADER } })
  error("wrong: " .. tostring(HTTP) .. tostring(res or err))
end)
]]

describe("a secret", function()
  local server, receiver, call, sweep, words
  local taken -- of the receiver
  local function secret(place) return sweep:secret(place) end

  local function begin()
    sweep = Sweep.new()
    words = sweep.words
    taken = {}
    receiver = Receiver.start()
    local port = receiver.port
    local gone = Receiver.start() -- its port refuses
    gone:stop()
    receiver:answer("/tokens", { body = json.encode { access_token = secret "ACCESS",
      token_type = "Bearer", expires_in = 3600 }, headers = "Content-Type: application/json\r\n" })
    receiver:answer("/header", { status = 500 })
    local given = {}
    for _, name in ipairs { "SOURCE", "BEARER", "BASIC", "TOKEN", "HEADER", "AUTH", "PASSWORD", "CLIENT",
      "QUEUE", "POLL", "HTTP" } do given[name] = secret(name) end
    given.BASIC = "user:" .. words.BASIC
    given.SIGN = "whsec_" .. secret "SIGN"
    given.URL = ("http://127.0.0.1:%d/hooks/%s?key=%s"):format(port, secret "URL", secret "URL_QUERY")
    given.BROKEN_URL = ("http://127.0.0.1:%d/%s"):format(gone.port, secret "BROKEN_URL")
    given.PROXY = ("http://user:%s@127.0.0.1:%d"):format(secret "PROXY", gone.port)
    given.TOKEN_URL = ("http://127.0.0.1:%d/%s"):format(gone.port, secret "TOKEN_URL")
    words.ADMIN = Server.token
    server = Server.new { scripts = scripts.with(receiver, SCRIPT), secrets = given, workers = 1,
      settings = 'return { public_url = "https://hooks.example", guard = { allow = { "127.0.0.0/8" } } }',
      args = { "--log-level", "debug" } }
    server.key_path = server.dir .. "/key"
    words.SECRETS_KEY = secret("SECRETS_KEY"):sub(1, 32)
    files.write(server.key_path, Sweep.hex(words.SECRETS_KEY) .. "\n")
    server.options.env = { ANZOL_SECRETS_KEY_FILE = server.key_path }
    server:launch():await()
    call = resources(server)
  end

  local function receive()
    local post = function(path, headers)
      assert.equal(200, server:post(path, '{"n":1}', headers).status, path)
    end
    post("/in/bearer", { Authorization = "Bearer " .. words.BEARER })
    post("/in/bearer?access_token=" .. words.BEARER)
    post("/in/token", { ["X-Api-Key"] = words.TOKEN })
    for _, path in ipairs { "/in/bearer?access_token=" .. words.BEARER .. "x", "/in/basic", "/in/hub",
      "/queue" } do
      assert.is_true(server:post(path, "{}", { Authorization = "Bearer " .. words.TOKEN }).status >= 400)
    end
  end

  local function register()
    call("POST", "/app", { name = "Acme", uid = "acme" })
    call("POST", "/event-type", { name = "made", description = "d" })
    local made, status = call("POST", "/app/acme/endpoint", { url = receiver:url "/registered", uid = "e",
      secret = "whsec_" .. secret "REGISTERED" })
    assert.equal(201, status, json.encode(made))
    for _, change in ipairs {
      { "PUT", "/headers", { headers = { Authorization = "Bearer " .. secret "REGISTERED_AUTH",
        ["X-Session-Id"] = secret "REGISTERED_SESSION", ["X-Shown"] = "shown" } } },
      { "PATCH", "/headers", { headers = { ["X-Auth"] = secret "REGISTERED_X_AUTH" } } },
      { "POST", "/secret/rotate", { key = "whsec_" .. secret "ROTATED" } },
    } do
      local _, code, text = call(change[1], "/app/acme/endpoint/e" .. change[2], change[3])
      assert.equal(204, code, text)
    end
    receiver:answer("/registered", { status = 200 })
    assert.equal(202, (select(2, call("POST", "/app/acme/msg", { eventType = "made", eventId = "m",
      payload = { a = 1 } }))))
    local minted = cli.ask(server, { "token", "create", "--app", "acme", "--ttl", "1h" })
    assert.equal(0, minted.code, minted.errors)
    words.MINTED = assert(minted.output:match "(anzol_%S+)")
    local portal = call("POST", "/auth/app-portal-access/acme", { featureFlags = {} })
    words.PORTAL = assert(portal.token)
    -- Refused, each with a secret in it.
    call("POST", "/app/acme/endpoint", { url = "https://u:" .. words.REGISTERED .. "@example.com/" })
    call("POST", "/app/acme/endpoint", { url = "https://example.com/", secret = words.REGISTERED .. "!" })
    call("PUT", "/app/acme/endpoint/e/headers", { headers = { ["X-Auth"] = words.REGISTERED_X_AUTH .. "\n" } })
    call("POST", "/app/acme/endpoint/e/secret/rotate", { key = words.ROTATED .. "?" })
    call("POST", "/secrets/rotate", { key = words.REGISTERED })
    call("GET", "/event", nil, { Authorization = "Bearer " .. words.REGISTERED })
  end

  -- The key of a callback: who has it consents for a receiver.
  local function shake_hands()
    receiver:answer("/handshake", { status = 405 })
    call("POST", "/app", { name = "Shakes", uid = "shakes", metadata = { ownership = "handshake",
      origin = "hooks.example" } })
    assert.equal(201, (select(2, call("POST", "/app/shakes/endpoint", { url = receiver:url "/handshake" }))))
    local path = wait.until_true("it is asked", WITHIN_MS, function()
      for _, record in ipairs(receiver:take()) do
        taken[#taken + 1] = record
        if record.path == "/handshake" then
          return record.headers["webhook-request-callback"]:match "^https://hooks.example(/.+)$"
        end
      end
      return nil
    end)
    words.GRANT = path:match "%x+$"
    for _, wrong in ipairs { path .. "0", (path:gsub("ep_", "ep")) } do
      assert.equal(404, server:post(wrong, "{}").status)
    end
    assert.equal(400, server:post(path, "{}", { ["WebHook-Allowed-Rate"] = "none" }).status)
  end

  local function await_end()
    wait.until_true("all that fails has failed", WITHIN_MS, function()
      local open = 0
      for _, row in ipairs(server:list "/api/v1/delivery") do
        if row.endpoint ~= "queue" and (row.state == "pending" or row.state == "retrying") then
          open = open + 1
        end
      end
      local retrying = #server:get("/api/v1/event?state=retrying").data
      return open == 0 and retrying >= 3 and receiver:total() > 10
    end)
  end

  local function look_everywhere()
    local seen = sweep:answers(server, { app = { "acme" }, endpoint = { "e" }, msg = { "m" },
      name = { "hub", "bearer", "signed" } })
    assert.is_true(seen > 60, "answers seen: " .. seen)
    sweep:commands(server, { "api GET /api/v1/app/acme/endpoint", "api GET /api/v1/app/acme/endpoint/e/headers",
      "token list --app acme" })
    sweep:look("a wrong command", cli.run({ "status", "--socket", "/no/such", "--token", words.ADMIN },
      { cwd = server.dir }).errors)
    sweep:files(server)
    assert.same({}, sweep.told)
  end

  local function rotate()
    local before = Sweep.key(server)
    assert.is_true(Sweep.sealed_by(server, before) > 0)
    local next_key = secret("NEXT_KEY"):sub(1, 32)
    words.NEXT_KEY = next_key
    files.write(server.key_path, Sweep.hex(next_key) .. "\n" .. Sweep.hex(words.SECRETS_KEY) .. "\n")
    local result = cli.ask(server, { "-v", "secrets", "rotate" })
    sweep:look("anzol secrets rotate", result.output .. result.errors)
    assert.equal(0, result.code, result.errors)
    assert.equal(0, (select(2, Sweep.key(server))))
    assert.equal(0, Sweep.sealed_by(server, before))
    files.write(server.key_path, Sweep.hex(next_key) .. "\n")
  end

  it("is in no log, answer, output, figure or file of the store", function()
    begin()
    finally(function()
      receiver:stop()
      server:close()
    end)
    receive()
    register()
    shake_hands()
    assert.equal(0, cli.ask(server, { "polls", "run", "items" }).code)
    await_end()
    look_everywhere()
    rotate()
    look_everywhere()
    assert.same({ "exit", 0 }, { server:stop() })
    sweep:files(server)
    assert.same({}, sweep.told)
    -- It was there to be found: the receiver got what is meant for it.
    local got = {}
    for _, record in ipairs(receiver:take()) do taken[#taken + 1] = record end
    for _, record in ipairs(taken) do got[#got + 1] = record.head end
    local seen = table.concat(sweep:leaks(table.concat(got)), " ")
    for _, place in ipairs { "ACCESS", "AUTH", "CLIENT", "GRANT", "HEADER", "HTTP", "POLL", "REGISTERED_AUTH",
      "REGISTERED_SESSION", "REGISTERED_X_AUTH", "URL", "URL_QUERY" } do
      assert.matches("%f[%w_]" .. place .. "%f[^%w_]", seen)
    end
    server:restart() -- with the new key alone
    assert.equal("whsec_" .. words.ROTATED, call("GET", "/app/acme/endpoint/e/secret").key)
  end)

  it("is not left in a core dump: there is none, and nobody may look into the process", function()
    begin()
    finally(function()
      receiver:stop()
      server:close()
    end)
    local pid = server:log():match "pid=(%d+)"
    -- Of a process that may be dumped its files belong to its user, of others to root.
    local uid = lfs.attributes("/proc/" .. pid .. "/environ", "uid")
    assert.equal(0, uid)
    if lfs.attributes("/proc/self", "uid") ~= 0 then
      assert.is_nil((io.open("/proc/" .. pid .. "/environ")))
    end
  end)
end)
