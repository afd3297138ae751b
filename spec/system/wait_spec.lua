-- SPDX-License-Identifier: MIT
-- Handlers that wait for other services, and what a generation does before it serves, with the real
-- server and a real receiver.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local EXIT_CONFIG = 78

local script = [[
local http = anzol.http
anzol.source("open", { verify = function(req)
    if req.headers["x-kind"] ~= "asked" then return true end
    local res = assert(http.get("$URL/allowed", { allow_private = true, timeout = "1s" }))
    return res.body == "yes", "the service said " .. res.body
  end,
  type = function(req) return "open." .. req.headers["x-kind"] end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })

local function ask(path, options)
  options = options or {}
  options.allow_private = true
  return http.get("$URL" .. path, options)
end
local function say(event, res, err)
  event:send("out", { json = { status = res and res.status, body = res and res.body,
    error = err and tostring(err), code = err and err.code } })
end

anzol.on({ "open.asked", "open.enrich" }, function(event)
  local res = assert(ask("/users/" .. http.escape(event.data.user), {
    headers = { Accept = "application/json" }, auth = { bearer = "t" } }))
  event:send("out", { json = { user = assert(res:json()).name, of = event.id } })
end)
anzol.on("open.private", function(event) say(event, http.get "$URL/users/1") end)
anzol.on("open.slow", function(event) say(event, ask("/slow", { timeout = "100ms" })) end)
anzol.on("open.moved", function(event) say(event, ask("/moved", { redirects = 1 })) end)
anzol.on("open.reset", function(event) say(event, ask "/reset") end)
anzol.on("open.all", function(event)
  local bodies = {}
  local requests = {}
  for i = 1, 12 do requests[i] = { url = "$URL/n/" .. i, allow_private = true } end
  for i, pair in ipairs(http.all(requests)) do bodies[i] = assert(pair[1], pair[2]).body end
  local results = assert(anzol.all(
    function() return ask("/n/1").body end, function() anzol.sleep "10ms" return "slept" end))
  event:send("out", { json = { bodies = bodies, results = { results[1], results[2] } } })
end)
anzol.on("open.hung", { concurrency = 1000, deadline = "3s" }, function(event) ask("/hung", { timeout = "1h" }) end)
anzol.on("open.sleeps", { concurrency = 1000 }, function(event)
  anzol.sleep(event.data.s)
  event:send("out", { json = { n = event.data.n } })
end)
anzol.on("open.quick", function(event) event:send("out", { json = { quick = true } }) end)
]]

describe("a handler that waits", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    receiver:answer("/users/1", { body = '{"name":"Ada"}' })
    receiver:answer("/slow", { delay_ms = 2000 })
    receiver:answer("/hung", { delay_ms = 3600000 })
    receiver:answer("/reset", { reset = true })
    receiver:answer("/n/1", { body = "one", delay_ms = 20 })
    receiver:answer("/moved", { status = 302, headers = "Location: /users/1\r\n" })
    server = Server.start { scripts = scripts.with(receiver, (script:gsub('"1h"', '"10m"'))) }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function post(kind, body)
    local answer = server:post("/in/open", body or '{"user":"1"}', { ["X-Kind"] = kind })
    return answer.status == 200 and json.decode(answer.body).id or answer.status
  end

  -- The n next messages that come out.
  local function messages(n)
    local list = {}
    wait.until_true(n .. " messages", 10000, function()
      for _, request in ipairs(receiver:take()) do
        if request.path == "/out" then list[#list + 1] = json.decode(request.body) end
      end
      return #list >= n
    end)
    return list
  end

  local function said(kind)
    post(kind)
    return messages(1)[1]
  end

  it("asks another service and sends on what it got", function()
    local id = post "enrich"
    assert.same({ user = "Ada", of = id }, messages(1)[1])
  end)

  it("is kept from private addresses unless it may go there", function()
    local message = said "private"
    assert.equal("blocked_address", message.code)
    assert.matches("127.0.0.1 is refused: 127.0.0.0/8 is loopback; allow_private = true allows it",
      message.error, 1, true)
  end)

  it("gets an Error when no answer comes in time, or none at all", function()
    assert.equal("timeout: no answer from 127.0.0.1 within 100ms", said("slow").error)
    assert.equal("reset", said("reset").code)
  end)

  it("follows a redirect", function()
    assert.same({ status = 200, body = '{"name":"Ada"}' }, said "moved")
  end)

  it("waits for many at once", function()
    local message = said "all"
    assert.equal("one", message.bodies[1])
    assert.equal(12, #message.bodies)
    assert.same({ "one", "slept" }, message.results)
  end)

  it("may be a verify, which then decides", function()
    receiver:answer("/allowed", { body = "yes", delay_ms = 10 }, { body = "no" })
    assert.equal("string", type(post "asked"))
    assert.equal(1, #messages(1))
    assert.equal(401, post "asked")
  end)

  it("a thousand times lets others flow, and forgets none", function()
    local body = ('{"s":%s,"n":%%d}'):format(4 * wait.patience) -- longer than it takes to post them
    for i = 1, 1000 do post("sleeps", body:format(i)) end
    for _ = 1, 20 do post "quick" end
    for _, message in ipairs(messages(20)) do assert.is_true(message.quick) end
    local seen = {}
    for _, message in ipairs(messages(1000)) do seen[message.n] = true end
    for i = 1, 1000 do assert.is_true(seen[i], i .. " is missing") end
  end)

  it("for one that hangs holds nobody up, and ends at its deadline", function()
    local ids = {}
    for i = 1, 200 do ids[i] = post "hung" end
    assert.is_true(said("quick").quick)
    assert.same({ user = "Ada", of = post "enrich" }, messages(1)[1])
    wait.until_true("the deadline", 30000, function()
      local event = server:get("/api/v1/event/" .. ids[200])
      return event.runs[1] and (event.runs[1].error or ""):find("went over its time limit of 3000 ms", 1, true)
    end)
  end)
end)

describe("anzol.init", function()
  local server, receiver
  before_each(function() receiver = Receiver.start() end)
  after_each(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function texts(word, init)
    return scripts.with(receiver, ([[
      local got
      anzol.init(function()
        %s
        got = assert(anzol.http.get("$URL/init", { allow_private = true })).body
      end)
      anzol.source("open", { verify = anzol.verify.none() })
      anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
      anzol.on("open", function(event) event:send("out", { body = "%s " .. got }) end)
    ]]):format(init or "", word))
  end

  local function start(word, init)
    server = Server.new { scripts = texts(word, init) }
    server:launch()
  end

  local function reload(word, init)
    server:write_script("main.lua", texts(word, init)["main.lua"])
    return cli.ask(server, { "reload" })
  end

  -- What the handler of now says.
  local function word()
    local before = #receiver:take()
    assert.equal(0, before)
    assert.equal(200, server:post("/in/open", "{}").status)
    local body
    wait.until_true("the message", 5000, function()
      for _, request in ipairs(receiver:take()) do body = request.path == "/out" and request.body or body end
      return body
    end)
    return body
  end

  it("runs once in each worker before the server serves", function()
    receiver:answer("/init", { body = "ready", delay_ms = 100 })
    start("one")
    server:await()
    assert.equal(2, receiver:total())
    receiver:take()
    assert.equal("one ready", word())
  end)

  it("that fails keeps the server from starting", function()
    start("one", "error 'no keys'")
    local kind, code = server:ended(5000)
    assert.equal("exit", kind)
    assert.equal(EXIT_CONFIG, code)
    assert.matches("finding .-at=scripts/main.lua:%d+ phase=init message=\"no keys\"", server:log())
    assert.matches("reload refused  reason=\"[^\"]+\" serving_generation=0\n", server:log())
    assert.matches("cannot start .-scripts/main.lua:%d+: no keys", server:log())
  end)

  it("that fails or hangs refuses a reload whole: the old generation stays", function()
    receiver:answer("/init", { body = "a" })
    start("one")
    server:await()
    receiver:take()
    for _, init in ipairs { "error 'no keys'", "do return nil, 'no keys' end",
      "anzol.sleep '50ms' error 'no keys'" } do
      local result = reload("two", init)
      assert.equal(EXIT_CONFIG, result.code, result.output)
      assert.matches("scripts/main.lua:%d+.-no keys", result.output .. result.errors)
      receiver:take()
      assert.equal("one a", word())
    end
    receiver:answer("/init", { body = "b" })
    local result = reload("two")
    assert.equal(0, result.code, result.errors)
    receiver:take()
    assert.equal("two b", word())
  end)

  it("under way holds up neither requests nor the end of the server", function()
    receiver:answer("/init", { body = "a" })
    start("one")
    server:await()
    receiver:answer("/init", { body = "b", delay_ms = 60000 })
    server:write_script("main.lua", texts("two")["main.lua"])
    receiver:take()
    server:signal(1)
    wait.until_true("the new init asks", 5000, function()
      for _, request in ipairs(receiver:take()) do if request.path == "/init" then return true end end
    end)
    receiver:take()
    assert.equal("one a", word())
    local kind, code = server:stop()
    assert.equal("exit", kind)
    assert.equal(0, code)
  end)

  it("does not run in anzol check", function()
    start("one", "error 'it ran'")
    server:ended(5000)
    local result = cli.run({ "check", server.dir }, {})
    assert.equal(0, result.code, result.output .. result.errors)
  end)
end)
