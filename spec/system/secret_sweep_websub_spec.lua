-- SPDX-License-Identifier: MIT
-- A hub of WebSub and a subscriber of it, each a server with a key: what one gave the other in confidence is
-- nowhere in clear, before the key is changed and after; then the old key opens nothing; and all that time
-- they understand each other, over a kill as well.
local Receiver = require "support.receiver"
local Server = require "support.server"
local Sweep = require "support.sweep"
local cli = require "support.cli"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local wait = require "support.wait"

local WITHIN_MS = 20000
local key_a, key_b = ("a1"):rep(32), ("b2"):rep(32)

local HUB = [[
local anzol = require "anzol"
local hub = anzol.hub("hub", { public_url = "https://hub.example/in/hub", topics = { "$URL/*" }, allow_private = true })
anzol.endpoint("tell", { url = "$URL/tell", sign = false, allow_private = true })
anzol.endpoint("hold", { url = "$URL/hold", sign = false, allow_private = true,
  retry = anzol.backoff.constant { base = "1h", attempts = 3 } })
anzol.on("hub.hub.requested", { name = "tell" }, function(event) event:send "tell" event:send "hold" end)
anzol.source("in", { verify = anzol.verify.none(), type = "in" })
anzol.on("in", function(event)
  hub:publish(event, "$URL/topic", { body = event.body, content_type = "text/plain" })
end)
anzol.source("login", { verify = anzol.verify.none(), type = "login", seal_body = true })
local tokens = anzol.kv("tokens", { sealed = true })
anzol.on("login", function(event)
  tokens:set("me", { token = event.data.token })
  assert(tokens:get("me").token == event.data.token and tokens:list()[1])
  event.log.info("kept", { bytes = #event.body })
end)
anzol.on("login", { name = "fails" }, function(event) local t = tokens:get "me"; error("no", 0) end)
]]
local SUBSCRIBER = [[
local anzol = require "anzol"
anzol.websub("news", { topic = "$URL/topic", public_url = "http://127.0.0.1:$PORT/in/news", allow_private = true })
anzol.on("news", function(event) event.log.info("news", { bytes = #event.body }) end)
]]

describe("what a hub and its subscriber confide to each other", function()
  local sweep = Sweep.new()
  local receiver, hub, subscriber

  local function new(script)
    local server = Server.new { scripts = { ["main.lua"] = script }, workers = 1,
      args = { "--log-level", "debug" } }
    server.key_path = server.dir .. "/key"
    files.write(server.key_path, key_a .. "\n")
    server.options.env = { ANZOL_SECRETS_KEY_FILE = server.key_path }
    return server:launch():await()
  end

  local function escape(text)
    return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
  end
  local function unescape(text)
    return (text:gsub("+", " "):gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
  end

  -- What the hub was asked for, as it told the receiver: forms, whole.
  local told = {}
  local function await_form(mark)
    return wait.until_true("the hub tells of " .. mark, WITHIN_MS, function()
      for _, record in ipairs(receiver:take()) do
        if record.path == "/tell" then told[#told + 1] = unescape(record.body) end
      end
      for _, form in ipairs(told) do if form:find(mark, 1, true) then return form end end
    end)
  end

  local published = 0
  local function publish()
    published = published + 1
    local body = "content " .. published
    assert.equal(200, hub:post("/in/in", body).status)
    wait.until_true(body .. " arrives", WITHIN_MS, function()
      for _, event in ipairs(subscriber:list "/api/v1/event?type=news") do
        if subscriber:get("/api/v1/event/" .. event.id).body == body then return true end
      end
    end)
  end

  local function begin()
    receiver = Receiver.start()
    receiver:answer("/hold", { status = 500 })
    local url = receiver:url ""
    hub = new((HUB:gsub("%$URL", url)))
    local links = 'Link: <http://127.0.0.1:%d/in/hub>; rel="hub"\r\nLink: <%s/topic>; rel="self"\r\n'
    receiver:answer("/topic", { headers = links:format(hub.port, url) })
    subscriber = new 'local anzol = require "anzol" anzol.source("a", { verify = anzol.verify.none() })'
    subscriber:write_script("main.lua", (SUBSCRIBER:gsub("%$URL", url):gsub("%$PORT", subscriber.port)))
    local reloaded = cli.ask(subscriber, { "reload" })
    assert.equal(0, reloaded.code, reloaded.errors)
    local form = await_form "/in/news"
    sweep.words.CALLBACK_SECRET = form:match "hub%.secret=(%x+)"
    sweep.words.CALLBACK_TOKEN = form:match "token=(%x+)"
    assert.equal(64, #sweep.words.CALLBACK_SECRET)
    assert.equal(32, #sweep.words.CALLBACK_TOKEN)
    wait.until_true("the subscription is granted", WITHIN_MS, function()
      return #subscriber:list "/api/v1/event?type=websub.subscribed" > 0
    end)
  end

  -- One whose callback does not echo: its request is stored all the same.
  local function ask_in_vain()
    local body = ("hub.mode=subscribe&hub.topic=%s&hub.callback=%s&hub.secret=%s"):format(
      escape(receiver:url "/topic"), escape(receiver:url("/cb?key=" .. sweep:secret "CALLBACK_URL")),
      sweep:secret "HUB_SECRET")
    local answer = http.request { port = hub.port, path = "/in/hub", body = body,
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } }
    assert.equal(202, answer.status)
    await_form(sweep.words.HUB_SECRET)
    -- Refused, with a secret in it.
    assert.equal(400, http.request({ port = hub.port, path = "/in/hub", body = body .. ("x"):rep(200),
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } }).status)
  end

  local function log_in()
    local body = json.encode { token = sweep:secret "TOKEN" }
    assert.equal(200, hub:post("/in/login", body).status)
    wait.until_true("the login was handled, and failed", WITHIN_MS, function()
      local event = hub:list("/api/v1/event?type=login")[1]
      return event and event.state == "retrying"
    end)
  end

  local function look_everywhere()
    for _, server in ipairs { hub, subscriber } do
      assert.is_true(sweep:answers(server, { name = { "hub", "in", "login", "news", "tell", "hold" } }) > 20)
      sweep:commands(server)
      sweep:files(server)
    end
    assert.same({}, sweep.told)
  end

  local function rotate(server)
    local before, unsealed = Sweep.key(server)
    assert.equal(0, unsealed)
    assert.is_true(Sweep.sealed_by(server, before) > 0)
    files.write(server.key_path, key_b .. "\n" .. key_a .. "\n")
    local result = cli.ask(server, { "secrets", "rotate" })
    sweep:look("anzol secrets rotate", result.output .. result.errors)
    assert.equal(0, result.code, result.errors)
    local after, others = Sweep.key(server)
    assert.are_not.equal(before, after)
    assert.equal(0, others)
    assert.equal(0, Sweep.sealed_by(server, before))
    assert.is_true(Sweep.sealed_by(server, after) > 0)
  end

  it("is nowhere in clear, and nothing of it opens with a key that was changed", function()
    begin()
    finally(function()
      receiver:stop()
      hub:close()
      subscriber:close()
    end)
    ask_in_vain()
    log_in()
    publish()
    look_everywhere()
    rotate(hub)
    rotate(subscriber)
    publish()
    look_everywhere()
    for _, server in ipairs { hub, subscriber } do
      server:kill()
      files.write(server.key_path, key_b .. "\n")
      server:restart()
    end
    publish()
    local shown = cli.ask(hub, { "events", "show", hub:list("/api/v1/event?type=login")[1].id }).output
    assert.matches("body, 52 bytes, sealed: it is not shown", shown, 1, true)
    assert.matches('"token"', hub:get("/api/v1/event/" .. hub:list("/api/v1/event?type=login")[1].id
      .. "/request?secrets=true").body)
    for _, server in ipairs { hub, subscriber } do
      assert.same({ "exit", 0 }, { server:stop() })
      sweep:files(server)
    end
    assert.same({}, sweep.told)
  end)
end)
