-- SPDX-License-Identifier: MIT
-- Secrets in every place that takes any, through good and bad days of a server that logs all it can; then
-- logs, the API, the command line, the figures and every file of the store are searched for them.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local lfs = require "lfs"
local resources = require "support.resources"
local scripts = require "support.scripts"
local wait = require "support.wait"

local WITHIN_MS = 20000

-- One word for each place, which stands nowhere else.
local words = {}
local function secret(place)
  local letters = {}
  for i = 1, 40 do letters[i] = ("abcdefghijklmnopqrstuvwxyz0123456789"):sub(math.random(36))
    :sub(1, 1) end
  words[place] = table.concat(letters)
  return words[place]
end

local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
-- Of whole groups of three bytes: what stands there wherever the secret began.
local function base64(text)
  local out = {}
  for a, b, c in text:gmatch "(.)(.)(.)" do
    local n = a:byte() << 16 | b:byte() << 8 | c:byte()
    for shift = 18, 0, -6 do
      local at = (n >> shift & 63) + 1
      out[#out + 1] = alphabet:sub(at, at)
    end
  end
  return table.concat(out)
end

-- The places whose secret stands in the text, in any spelling.
local function leaks(text)
  local found = {}
  for place, word in pairs(words) do
    for _, spelling in ipairs { word, word:upper(), hex(word), hex(word):upper(), base64(word),
      base64(word:sub(2)), base64(word:sub(3)) } do
      if text:find(spelling, 1, true) then
        found[#found + 1] = place
        break
      end
    end
  end
  table.sort(found)
  return found
end

local SCRIPT = [[
local s = anzol.secret
anzol.source("hub", { provider = anzol.provider.github { secret = s "SOURCE" } })
anzol.source("bearer", { verify = anzol.verify.bearer { secret = s "BEARER", query = true } })
anzol.source("basic", { verify = anzol.verify.basic { secret = s "BASIC" } })
anzol.source("token", { verify = anzol.verify.token { header = "X-Api-Key", secret = s "TOKEN" },
  hide_headers = { "x-api-key" } })
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
  local res, err = poll:get("$URL/items", { auth = { bearer = s "POLL" } })
  if not res then return nil, err end
  error("no item for " .. tostring(s "POLL"))
end)
anzol.on("**", function(event)
  for _, name in ipairs { "signed", "header", "authorized", "basic_auth", "url", "broken_url", "proxied",
    "oauth", "no_oauth", "queue" } do event:send(name) end
end)
anzol.on("**", { name = "fails" }, function(event)
  event.log.info("seen", { secret = s "SIGN", all = { s "HEADER" } })
  local res, err = anzol.http.get("$URL/http", { headers = { Authorization = s "HTTP" } })
  error("wrong: " .. tostring(s "HTTP") .. tostring(res or err))
end)
]]

describe("a secret", function()
  local server, receiver, call

  local function begin()
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
    local key = secret "SECRETS_KEY"
    words.ADMIN = Server.token
    server = Server.new { scripts = scripts.with(receiver, SCRIPT), secrets = given, workers = 1,
      env = { ANZOL_SECRETS_KEY = hex(key):sub(1, 64) },
      args = { "--log-level", "debug" } }
    words.SECRETS_KEY = key:sub(1, 32)
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
    local made, status = call("POST", "/app/acme/endpoint", { url = "https://example.com/", uid = "e",
      disabled = true, secret = "whsec_" .. secret "REGISTERED" })
    assert.equal(201, status, json.encode(made))
    local minted = cli.ask(server, { "token", "create", "--app", "acme", "--ttl", "1h" })
    assert.equal(0, minted.code, minted.errors)
    words.MINTED = minted.output:match "(anzol_%S+)" or minted.output:match "(%S+)%s*$"
    -- Refused, each with a secret in it.
    call("POST", "/app/acme/endpoint", { url = "https://u:" .. words.REGISTERED .. "@example.com/" })
    call("POST", "/app/acme/endpoint", { url = "https://example.com/", secret = words.REGISTERED .. "!" })
    call("POST", "/secrets/rotate", { key = words.REGISTERED })
    call("GET", "/event", nil, { Authorization = "Bearer " .. words.REGISTERED })
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

  -- Every GET of the API, with every id that there is.
  local function each_answer(look)
    local ids = { app = { "acme" }, endpoint = { "e" }, name = { "hub", "bearer", "signed" }, id = {} }
    for _, list in ipairs { "event", "delivery", "attempt" } do
      for _, row in ipairs(server:list("/api/v1/" .. list)) do
        ids[list] = ids[list] or {}
        table.insert(ids[list], row.id)
      end
    end
    local seen = 0
    for path, methods in pairs((server:get "/api/v1/openapi.json").paths) do
      if methods.get and not path:find "/secret$" and not path:find "/stream$" then
        local name = path:match "{(%w+)}$" or path:match "{(%w+)}/[^{]*$"
        local kind = path:match "/api/v1/([%w-]+)/{id}"
        local plain = path:gsub("{app}", "acme")
        for _, id in ipairs(name and (ids[kind] or ids[name]) or { "" }) do
          local _, status, body = call("GET", (plain:gsub("{%w+}", id):gsub("^/api/v1", "")))
          seen = seen + (status == 200 and 1 or 0)
          look(path .. " " .. id, body)
        end
      end
    end
    assert.is_true(seen > 60, "answers seen: " .. seen)
  end

  local function each_command(look)
    local event = server:get("/api/v1/event?limit=1").data[1].id
    local delivery = server:get("/api/v1/delivery?limit=1&state=dead").data[1].id
    for _, command in ipairs { "status", "health", "events list", "events show " .. event, "deliveries list",
      "deliveries show " .. delivery, "attempts list", "dead list", "dead show " .. delivery,
      "endpoints list", "queues", "polls", "crons", "tasks list", "secrets status", "token list",
      "replay --since 1h --dry-run", "api GET /api/v1/app/acme/endpoint", "check", "reload",
      "secrets rotate" } do
      local arguments = { "-v" }
      for word in command:gmatch "%S+" do arguments[#arguments + 1] = word end
      local result = cli.ask(server, arguments)
      look("anzol " .. command, result.output .. result.errors)
    end
  end

  it("is in no log, answer, output, figure or file of the store", function()
    begin()
    finally(function()
      receiver:stop()
      server:close()
    end)
    receive()
    register()
    await_end()
    local told = {}
    local function look(where, text)
      for _, place in ipairs(leaks(text or "")) do told[#told + 1] = where .. ": " .. place end
    end
    each_answer(look)
    each_command(look)
    look("a wrong command", cli.run({ "status", "--socket", "/no/such", "--token", words.ADMIN },
      { cwd = server.dir }).errors)
    assert.same({ "exit", 0 }, { server:stop() })
    look("the log", server:log())
    for name in lfs.dir(server.state_dir) do
      local path = server.state_dir .. "/" .. name
      if lfs.attributes(path, "mode") == "file" then look("the file " .. name, files.read(path)) end
    end
    assert.same({}, told)
    -- It was there to be found: the receiver got what is meant for it.
    local got = {}
    for _, record in ipairs(receiver:take()) do got[#got + 1] = record.head end
    assert.is_true(#leaks(table.concat(got)) >= 6)
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
