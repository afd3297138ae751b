-- SPDX-License-Identifier: MIT
-- Anzol as a hub of WebSub, by the cases of the W3C test list (websub.rocks, by their numbers), over real
-- sockets. The subscriber is another Anzol that only echoes challenges and keeps what is posted to it;
-- topics lie at the receiver of the specs.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local signatures = require "support.sign"
local wait = require "support.wait"

local HUB = [[
local anzol = require "anzol"
local hub = anzol.hub("hub", { public_url = "https://hub.example/in/hub", topics = { "TOPICS/*" },
  ping = true, lease = { min = "1s" }, allow_private = true,
  accept = function(request) return not request.topic:find "secret", "not for you" end })
anzol.hub("guarded", { public_url = "https://hub.example/in/guarded", topics = { "TOPICS/*" }, ping = true })
anzol.source("in", { verify = anzol.verify.none(), type = "in" })
anzol.on("in", function(event) hub:publish(event, event.data.topic, event.data.content) end)
]]

-- What is asked and posted, by the case in the callback's query; a case may want another answer.
local SUBSCRIBER = [[
local anzol = require "anzol"
local asked = anzol.cache "asked"
anzol.source("cb", { methods = { "POST", "GET" }, verify = anzol.verify.none(),
  type = function(req) return (req.method == "GET" and "asked." or "posted.") .. req.query.case end,
  challenge = function(req)
    if req.method == "GET" then return nil end
    local wanted = asked:get(req.query.case)
    if wanted and wanted > 0 then return { status = wanted } end
  end,
  respond = function(req)
    if req.method == "GET" then return { body = req.query["hub.challenge"] or "" } end
  end })
anzol.source("want", { verify = anzol.verify.none(), type = "want", respond = function(req)
  asked:set(req.json.case, req.json.status)
  return { store = false }
end })
]]

describe("a hub of WebSub", function()
  local receiver, hub, subscriber

  lazy_setup(function()
    receiver = Receiver.start()
    hub = Server.start { scripts = { ["main.lua"] = HUB:gsub("TOPICS", (receiver:url "")) } }
    subscriber = Server.start { scripts = { ["main.lua"] = SUBSCRIBER } }
  end)
  lazy_teardown(function()
    if hub then hub:close() end
    if subscriber then subscriber:close() end
    receiver:stop()
  end)

  local function topic(name) return receiver:url("/" .. name) end
  local function callback(case)
    return ("http://127.0.0.1:%d/in/cb?case=%s"):format(subscriber.port, case)
  end

  local function encode(form)
    local parts = {}
    for name, value in pairs(form) do
      parts[#parts + 1] = name .. "=" .. value:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
    end
    return table.concat(parts, "&")
  end

  local function ask(form, path)
    return assert(http.request { port = hub.port, path = path or "/in/hub", body = encode(form),
      headers = { ["Content-Type"] = "application/x-www-form-urlencoded" } })
  end

  -- What the subscriber has of a kind ("asked", "posted"), oldest first.
  local function had(kind, case)
    local list = {}
    for _, event in ipairs(subscriber:list("/api/v1/event?type=" .. kind .. "." .. case)) do
      local whole = subscriber:get("/api/v1/event/" .. event.id)
      whole.headers = subscriber:get("/api/v1/event/" .. event.id .. "/request").headers
      table.insert(list, 1, whole)
    end
    return list
  end

  local function await(kind, case, count)
    return wait.until_true(("%d %s of %s"):format(count, kind, case), 10000, function()
      local list = had(kind, case)
      return #list >= count and list
    end)
  end

  local function header(event, name)
    for _, pair in ipairs(event.headers) do
      if pair.name:lower() == name then return pair.value end
    end
  end

  local function query_of(event)
    local fields = {}
    for name, value in event.query:gmatch "([^&=]+)=([^&]*)" do
      fields[name] = value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    end
    return fields
  end

  local function subscription(case, more)
    local form = { ["hub.mode"] = "subscribe", ["hub.topic"] = topic(case), ["hub.callback"] = callback(case) }
    for name, value in pairs(more or {}) do form[name] = value end
    return form
  end

  -- The request was stored by then; the subscription is when its handler has ended.
  local function settle()
    wait.until_true("the hub has handled all", 10000, function()
      return #hub:list "/api/v1/event?state=pending" == 0
    end)
  end

  local function subscribe(case, more)
    local answer = ask(subscription(case, more))
    assert.same({ 202, "" }, { answer.status, answer.body })
    settle()
    return answer
  end

  local function ping(name)
    assert.equal(202, ask({ ["hub.mode"] = "publish", ["hub.url"] = topic(name) }).status)
  end

  local function content(name, body, kind)
    receiver:answer("/" .. name, { headers = "Content-Type: " .. kind .. "\r\n", body = body })
    ping(name)
  end

  it("100: takes a subscription of mode, topic and callback, and sends the full content", function()
    subscribe "100"
    local fields = query_of(had("asked", "100")[1])
    assert.same({ "100", "subscribe", topic "100", "864000" }, { fields.case, fields["hub.mode"],
      fields["hub.topic"], fields["hub.lease_seconds"] })
    assert.is_true(#fields["hub.challenge"] >= 20)
    content("100", "<html>the whole page</html>", "text/html; charset=utf-8")
    local post = await("posted", "100", 1)[1]
    assert.same({ "<html>the whole page</html>", "text/html; charset=utf-8" },
      { post.body, header(post, "content-type") })
    assert.equal(('<https://hub.example/in/hub>; rel="hub", <%s>; rel="self"'):format(topic "100"),
      header(post, "link"))
    assert.is_nil(header(post, "x-hub-signature"))
  end)

  it("101: signs with the secret of the subscription", function()
    subscribe("101", { ["hub.secret"] = "a secret" })
    content("101", "signed", "text/html")
    local post = await("posted", "101", 1)[1]
    assert.equal(signatures.github("a secret", "signed"), header(post, "x-hub-signature"))
  end)

  it("102: ignores parameters that it does not know", function()
    subscribe("102", { foo = "bar", ["hub.foo"] = "hub.bar" })
    assert.is_nil(query_of(had("asked", "102")[1])["hub.foo"])
    content("102", "known", "text/html")
    assert.equal("known", await("posted", "102", 1)[1].body)
  end)

  it("103: lets an active subscription be asked for again, which takes its place", function()
    subscribe("103", { ["hub.secret"] = "first" })
    subscribe("103", { ["hub.secret"] = "second" })
    assert.equal(2, #had("asked", "103"))
    content("103", "once", "text/html")
    await("posted", "103", 1)
    settle()
    local posts = had("posted", "103")
    assert.equal(1, #posts)
    assert.equal(signatures.github("second", "once"), header(posts[1], "x-hub-signature"))
  end)

  it("104: ends a subscription", function()
    subscribe "104"
    subscribe("104", { ["hub.mode"] = "unsubscribe" })
    assert.equal("unsubscribe", query_of(had("asked", "104")[2])["hub.mode"])
    content("104", "unseen", "text/html")
    settle()
    assert.equal(0, #had("posted", "104"))
  end)

  it("105, 106: sends plain text and JSON as they are", function()
    for case, kind in pairs { ["105"] = "text/plain", ["106"] = "application/json" } do
      local body = case == "105" and "plain \195\188 text\n" or '{ "items": [1,  2.0] }'
      subscribe(case)
      content(case, body, kind)
      local post = await("posted", case, 1)[1]
      assert.same({ body, kind }, { post.body, header(post, "content-type") })
    end
  end)

  it("gives the lease that was asked for, and sends nothing when it is over", function()
    subscribe("lease", { ["hub.lease_seconds"] = "1" })
    assert.equal("1", query_of(had("asked", "lease")[1])["hub.lease_seconds"])
    wait.until_true("the lease is over", 5000, function()
      local before = #had("posted", "lease")
      content("lease", "x", "text/plain")
      settle()
      return #had("posted", "lease") == before
    end)
  end)

  it("denies in a GET of its own", function()
    assert.equal(202, ask(subscription "secret").status)
    settle()
    local fields = query_of(had("asked", "secret")[1])
    assert.same({ "denied", topic "secret", "not for you" }, { fields["hub.mode"], fields["hub.topic"],
      fields["hub.reason"] })
    content("secret", "x", "text/plain")
    settle()
    assert.equal(0, #had("posted", "secret"))
  end)

  it("tells what is wrong in plain text", function()
    local answer = ask(subscription("bad", { ["hub.topic"] = "https://elsewhere.example/" }))
    assert.same({ 404, "this hub has no such topic\n", "text/plain; charset=utf-8" },
      { answer.status, answer.body, answer.headers["content-type"] })
    assert.equal(400, ask(subscription("bad", { ["hub.secret"] = ("s"):rep(200) })).status)
    assert.equal(405, http.request { port = hub.port, method = "GET", path = "/in/hub" }.status)
    assert.equal(413, ask(subscription("bad", { padding = ("x"):rep(16 * 1024) })).status)
  end)

  it("ends a subscription at 410; sends again after 500, and loses nothing to a kill", function()
    local function want(case, status)
      assert.equal(200, subscriber:post("/in/want", ('{"case":"%s","status":%d}'):format(case, status)).status)
    end
    subscribe "gone"
    subscribe "again"
    want("gone", 410)
    want("again", 500)
    content("gone", "x", "text/plain")
    content("again", "after a kill", "text/plain")
    wait.until_true("it was tried", 10000, function()
      return #hub:list "/api/v1/event?type=hub.hub.due&state=retrying" > 0
    end)
    hub:kill()
    want("gone", 0)
    want("again", 0)
    hub:restart()
    assert.equal("after a kill", await("posted", "again", 1)[1].body)
    content("gone", "x", "text/plain")
    settle()
    assert.equal(0, #had("posted", "gone"))
  end)

  it("sends to each subscriber all that was published, in order, over kills", function()
    local READERS, ROUNDS = 8, 9
    for i = 1, READERS do
      assert.equal(202, ask(subscription("kills", { ["hub.callback"] = callback("kill" .. i) })).status)
    end
    settle()
    for round = 1, ROUNDS do
      local body = ('{"topic":"%s","content":{"body":"%d","content_type":"a/b"}}'):format(topic "kills", round)
      wait.until_true("it was taken", 10000, function()
        local ok, answer = pcall(hub.post, hub, "/in/in", body)
        return ok and answer and answer.status == 200
      end)
      if round % 3 == 0 then
        hub:kill()
        hub:restart()
      end
    end
    for i = 1, READERS do
      local last = wait.until_true("reader " .. i .. " has the last", 20000, function()
        local posts = had("posted", "kill" .. i)
        for _, post in ipairs(posts) do
          if post.body == tostring(ROUNDS) then return posts end
        end
        return nil
      end)
      local seen, greatest = {}, 0
      for _, post in ipairs(last) do
        local round = tonumber(post.body)
        -- What a killed server had under way may come once more, and late.
        assert.is_true(seen[round] or round > greatest, "out of order")
        seen[round], greatest = true, math.max(greatest, round)
      end
      for round = 1, ROUNDS do assert.is_true(seen[round], "round " .. round) end
    end
  end)

  it("calls no private address, unless it is told to", function()
    assert.equal(202, ask(subscription "guarded", "/in/guarded").status)
    settle()
    assert.equal(0, #had("asked", "guarded"))
    local request = hub:get("/api/v1/event/" .. hub:list("/api/v1/event?type=hub.guarded.requested")[1].id)
    assert.matches("not verified: .*127%.0%.0%.1", request.runs[1].error)
  end)

  it("publishes what a handler gives it", function()
    subscribe "handed"
    assert.equal(200, hub:post("/in/in", ('{"topic":"%s","content":{"body":"from a handler","content_type":"a/b"}}')
      :format(topic "handed")).status)
    local post = await("posted", "handed", 1)[1]
    assert.same({ "from a handler", "a/b" }, { post.body, header(post, "content-type") })
  end)

  it("serves a subscriber of ours, from discovery to the event", function()
    receiver:answer("/ours", { body = "hello",
      headers = ('Link: <http://127.0.0.1:%d/in/hub>; rel="hub"\r\nLink: <%s>; rel="self"\r\n')
        :format(hub.port, topic "ours") })
    local ours = Server.start { scripts = { ["main.lua"] = "" } }
    finally(function() ours:close() end)
    ours:write_script("main.lua", ([[local anzol = require "anzol"
      anzol.websub("news", { topic = "%s", public_url = "http://127.0.0.1:%d/in/news", allow_private = true })
    ]]):format(topic "ours", ours.port)) -- its port is known now
    assert.equal(0, cli.ask(ours, { "reload" }).code)
    wait.until_true("it is subscribed", 10000, function()
      return #ours:list "/api/v1/event?type=websub.subscribed" == 1
    end)
    settle()
    ping "ours"
    wait.until_true("the content came", 10000, function() return #ours:list "/api/v1/event?type=news" == 1 end)
  end)
end)
