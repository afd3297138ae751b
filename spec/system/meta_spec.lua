-- SPDX-License-Identifier: MIT
-- What the server tells scripts of itself: meta events, durable like any others.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "to." .. (req.headers["x-to"] or error "no receiver") end })
anzol.source("closed", { verify = function() return false, "no key fits" end, type = "closed" })
local once = anzol.backoff.constant { base = "10ms", attempts = 1 }
for _, name in ipairs { "dead", "gone", "late", "loop" } do
  anzol.endpoint(name, { url = "$URL/" .. name, sign = false, allow_private = true, retry = once,
    concurrency = 1 })
  anzol.on("to." .. name, function(event)
    event:send(name)
    if name == "late" then event:send(name, nil, { expires = "50ms" }) end
  end)
end
anzol.endpoint("chained", { url = "$URL/chained", sign = false, allow_private = true, tell_success = true })
anzol.on("to.chained", function(event) event:send "chained" end)
anzol.endpoint("told", { url = "$URL/told", sign = false, allow_private = true })
anzol.on({ "anzol.**" }, { name = "tell" }, function(event)
  assert(event.source == "anzol")
  event:send("told", { json = { type = event.type, data = event.data, parent = event.parent_id } })
  if event.data.endpoint == "loop" then event:send "loop" end
end)
]]

describe("a meta event", function()
  local server, receiver, told

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script) }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)
  before_each(function() told = {} end)

  -- Waits for the next of this type that fits.
  local function await(type, fits)
    return wait.until_true("told of " .. type, 10000, function()
      for _, record in ipairs(receiver:take()) do
        if record.path == "/told" then told[#told + 1] = json.decode(record.body) end
      end
      for _, news in ipairs(told) do
        if news.type == type and (not fits or fits(news.data)) then return news end
      end
    end)
  end

  local function post(to)
    local answer = server:post("/in/open", '{"n":1}', { ["X-To"] = to })
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  it("tells of a delivery that is dead, with the event it was about as its parent", function()
    receiver:answer("/dead", { status = 500 })
    local id = post "dead"
    local news = await("anzol.delivery.dead", function(data) return data.endpoint == "dead" end)
    local delivery = server:get("/api/v1/delivery?event=" .. id).data[1]
    assert.same({ endpoint = "dead", event_id = id, delivery_id = delivery.id,
      message_id = delivery.messageId, type = "to.dead", attempts = 1,
      status = 500, reason = "no attempts left after 1" }, news.data)
    assert.equal(id, news.parent)
  end)

  it("tells of a success with the answer, of an endpoint that asks for it", function()
    receiver:answer("/chained", { status = 202, headers = "X-A: 1\r\nx-a: 2\r\nSet-Cookie: s\r\n"
      .. "Content-Type: application/json\r\n", body = '{"id": 7}' })
    local id = post "chained"
    local news = await("anzol.delivery.succeeded")
    assert.equal(id, news.parent)
    local data = news.data
    assert.same({ "chained", 202, 1, '{"id": 7}', 7, "1, 2", false },
      { data.endpoint, data.status, data.attempts, data.body, data.json.id, data.headers["x-a"],
        data.is_cut })
    assert.is_nil(data.headers["set-cookie"])
    local delivery = server:get("/api/v1/delivery?event=" .. id).data[1]
    assert.same({ delivery.id, delivery.messageId, id }, { data.delivery_id, data.message_id, data.event_id })
  end)

  it("tells of one that died without an attempt", function()
    receiver:answer("/late", { delay_ms = 300 })
    post "late"
    local news = await("anzol.delivery.dead", function(data) return data.endpoint == "late" end)
    assert.same({ 0, "expired before it was delivered" }, { news.data.attempts, news.data.reason })
    assert.is_nil(news.data.status)
    assert.is_nil(news.data.error)
  end)

  it("tells of an endpoint that was disabled", function()
    receiver:answer("/gone", { status = 410 })
    local id = post "gone"
    local news = await "anzol.endpoint.disabled"
    assert.same({ endpoint = "gone", reason = "the receiver answered 410 Gone", status = 410 },
      news.data)
    assert.equal(id, news.parent)
    await("anzol.delivery.dead", function(data) return data.endpoint == "gone" end)
  end)

  it("tells of requests that are not genuine, once a minute for a source, with their number", function()
    for _ = 1, 5 do assert.equal(401, server:post("/in/closed", "a secret body", {}).status) end
    local news = await "anzol.source.unverified"
    assert.same({ source = "closed", reason = "no key fits", remote_ip = "127.0.0.1", count = 1 },
      news.data)
    local all = server:get("/api/v1/event?type=anzol.source.unverified").data
    assert.equal(1, #all)
    assert.is_nil(server:get("/api/v1/event/" .. all[1].id).body:find("a secret body", 1, true))
  end)

  it("tells of a reload that was refused, to the scripts that go on", function()
    server:write_script("broken.lua", "local x = = 1\n")
    assert.equal(78, cli.ask(server, { "reload" }).code)
    local news = await "anzol.reload.refused"
    assert.matches("broken.lua:1:", news.data.error)
    assert.equal("scripts/broken.lua", news.data.findings[1].file)
    assert.same({ 1, "error", 1 }, { #news.data.findings, news.data.findings[1].level,
      news.data.findings[1].line })
    server:write_script("broken.lua", "")
    assert.equal(0, cli.ask(server, { "reload" }).code)
  end)

  it("that leads to another of its kind for ever stops at depth 16", function()
    receiver:answer("/loop", { status = 500 })
    local id = post "loop"
    local length = wait.until_true("the chain's end", 20000, function()
      local rows = server:list "/api/v1/event?type=anzol.delivery.dead"
      local count = 0
      for _, row in ipairs(rows) do
        local data = json.decode(server:get("/api/v1/event/" .. row.id).body)
        if data.endpoint == "loop" then count = count + 1 end
      end
      return count >= 16 and count
    end)
    assert.equal(16, length)
    assert.truthy(id)
  end)

  it("is not made when no script asks", function()
    local quiet = Server.start { scripts = { ["main.lua"] = [[
      local anzol = require "anzol"
      anzol.source("closed", { verify = function() return false end, type = "x" })
      anzol.on("**", function() end)]] } }
    finally(function() quiet:close() end)
    assert.equal(401, quiet:post("/in/closed", "{}", {}).status)
    assert.equal(0, quiet:event_count())
  end)
end)

describe("an event whose type could not be told", function()
  it("is stored dead with what the script said, in one commit", function()
    local server = Server.start { scripts = { ["main.lua"] = [[
      local anzol = require "anzol"
      anzol.source("open", { verify = anzol.verify.none(), type = function(req) return nil .. "x" end })
      anzol.on("**", function() end)]] } }
    finally(function() server:close() end)
    local id = json.decode(server:post("/in/open", "kept", {}).body).id
    local event = server:get("/api/v1/event/" .. id)
    assert.same({ "anzol.untyped", "dead", "type" },
      { event.type, event.state, event.runs[1].subscription })
    assert.matches("main.lua:2: attempt to concatenate a nil value", event.runs[1].error)
    server:kill()
    server:restart()
    assert.equal("dead", server:get("/api/v1/event/" .. id).state)
  end)
end)
