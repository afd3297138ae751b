-- SPDX-License-Identifier: MIT
-- Anzol as a subscriber of WebSub, by the cases of the W3C test list (websub.rocks, by their numbers), over
-- real sockets: the receiver of the specs is topic and hub.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local signatures = require "support.sign"
local wait = require "support.wait"

local CASES = { 100, 101, 102, 103, 104, 200, 201, 202, 203, 204, 205, 300, 301, 302 }

local function script_of(receiver)
  local lines = { 'local anzol = require "anzol"' }
  for _, number in ipairs(CASES) do
    lines[#lines + 1] = ([[anzol.websub("w%d", { topic = "%s", public_url = "https://me.example/in/w%d",
      lease = "5d", allow_private = true })]]):format(number, receiver:url("/topic/" .. number), number)
  end
  lines[#lines + 1] = ([[anzol.endpoint("out", { url = "%s", sign = false, allow_private = true })
    anzol.on("*", function(event) event:send("out", { headers = { ["X-From"] = event.source } }) end)]])
    :format(receiver:url "/out")
  return table.concat(lines, "\n")
end

describe("a subscriber of WebSub", function()
  local receiver, server
  local asked, out = {}, {} -- requests at hubs by path; what was made of content

  local function link(rel, url) return ('Link: <%s>; rel="%s"\r\n'):format(url, rel) end
  local function headers(number, self)
    return link("hub", receiver:url("/hub/" .. number)) .. link("self", self or receiver:url("/topic/" .. number))
  end
  local function topic(number, answer) receiver:answer("/topic/" .. number, answer) end

  local function answer_topics()
    local hub = function(number) return receiver:url("/hub/" .. number) end
    local self = function(number) return receiver:url("/topic/" .. number) end
    for _, number in ipairs { 100, 203, 204, 205, 300, 301, 302 } do
      topic(number, { headers = headers(number) .. "Content-Type: text/html\r\n", body = "<p>no link" })
    end
    topic(101, { headers = "Content-Type: text/html; charset=utf-8\r\n", body = ([[<!doctype html>
      <html><head><!-- <link rel="hub" href="/hub/wrong"> --><title>Posts</title>
      <LINK href='%s' rel="hub"><link rel=self href=/topic/101></head>
      <body><link rel="hub" href="/hub/wrong"></body></html>]]):format(hub(101)) })
    topic(102, { headers = "Content-Type: text/xml\r\n", body = ([[<?xml version="1.0"?>
      <feed xmlns="http://www.w3.org/2005/Atom"><link rel="hub" href="%s"/><link rel="self" href="%s"/>
      <entry><link rel="hub" href="/hub/wrong"/></entry></feed>]]):format(hub(102), self(102)) })
    topic(103, { headers = "Content-Type: application/rss+xml\r\n", body = ([[<?xml version="1.0"?>
      <rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><link>https://blog.example/</link>
      <atom:link rel="self" href="%s" /><atom:link href="%s" rel="hub"/>
      <item><atom:link rel="hub" href="/hub/wrong"/></item></channel></rss>]]):format(self(103), hub(103)) })
    topic(104, { headers = headers(104) .. "Content-Type: text/xml\r\n",
      body = '<?xml version="1.0"?><feed><link rel="hub" href="/hub/wrong"/></feed>' })
    topic(200, { headers = headers(200, receiver:url "/topic/200?self=other") })
    for number, status in pairs { [201] = 302, [202] = 301 } do
      topic(number, { status = status, headers = "Location: /topic/" .. number .. "/moved\r\n" })
      topic(number .. "/moved", { headers = headers(number, receiver:url("/topic/" .. number .. "/moved")) })
    end
    for number, status in pairs { [203] = 307, [204] = 308 } do
      receiver:answer("/hub/" .. number, { status = status, headers = "Location: /hub/" .. number .. "/moved\r\n" })
      receiver:answer("/hub/" .. number .. "/moved", { status = 202 })
    end
  end

  local function collect()
    for _, record in ipairs(receiver:take()) do
      if record.path:find "^/hub/" then
        asked[record.path] = asked[record.path] or {}
        table.insert(asked[record.path], record)
      elseif record.path == "/out" then
        out[#out + 1] = record
      end
    end
  end

  local function decode(form)
    local fields = {}
    for name, value in form:gmatch "([^&=]+)=([^&]*)" do
      fields[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    end
    return fields
  end

  -- The n-th form that a hub got.
  local function form_at(path, n)
    local record = wait.until_true("the hub " .. path .. " was asked", 10000, function()
      collect()
      return asked[path] and asked[path][n or 1]
    end)
    assert.equal("POST", record.method)
    assert.matches("^application/x%-www%-form%-urlencoded", record.headers["content-type"])
    return decode(record.body), record
  end

  -- What the hub of a case says at the callback that it was given.
  local function call(number, form, fields, request)
    local query = { form["hub.callback"]:match "%?(.*)$" }
    for name, value in pairs(fields or {}) do
      query[#query + 1] = name .. "=" .. value:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
    end
    request = request or { method = "GET" }
    request.port, request.path = server.port, ("/in/w%d?%s"):format(number, table.concat(query, "&"))
    return assert(http.request(request))
  end

  local function verify(number, form, more)
    local fields = { ["hub.mode"] = form["hub.mode"], ["hub.topic"] = form["hub.topic"],
      ["hub.challenge"] = "random-" .. number, ["hub.lease_seconds"] = "864000" }
    for name, value in pairs(more or {}) do fields[name] = value end
    return call(number, form, fields)
  end

  local function sign(form, body) return signatures.github(form["hub.secret"], body) end

  local function post(number, form, body, signature)
    return call(number, form, nil, { body = body, headers = { ["Content-Type"] = "text/html",
      ["X-Hub-Signature"] = signature } })
  end

  local function await_out(body)
    return wait.until_true("content became a message", 10000, function()
      collect()
      for _, record in ipairs(out) do
        if record.body == body then return record end
      end
    end)
  end

  lazy_setup(function()
    receiver = Receiver.start()
    receiver:answer("*", { status = 202 })
    answer_topics()
    server = Server.start { scripts = { ["main.lua"] = script_of(receiver) } }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  -- The whole way: asked, verified, content taken.
  local function subscribes(number, path, topic_url)
    local form = form_at(path or "/hub/" .. number)
    assert.same({ "subscribe", topic_url or receiver:url("/topic/" .. number), "432000" },
      { form["hub.mode"], form["hub.topic"], form["hub.lease_seconds"] })
    assert.matches("^https://me%.example/in/w" .. number .. "%?token=%x+$", form["hub.callback"])
    assert.is_true(#form["hub.secret"] >= 32 and #form["hub.secret"] < 200)
    local answer = verify(number, form)
    assert.same({ 200, "random-" .. number, "application/octet-stream", "nosniff" }, { answer.status, answer.body,
      answer.headers["content-type"], answer.headers["x-content-type-options"] })
    local body = "content of " .. number
    assert.equal(200, post(number, form, body, sign(form, body)).status)
    assert.equal("w" .. number, await_out(body).headers["x-from"])
    assert.is_nil(asked["/hub/wrong"])
    return form
  end

  it("100: finds hub and self in HTTP headers", function() subscribes(100) end)
  it("101: finds them in the head of HTML", function() subscribes(101) end)
  it("102: finds them in an Atom feed", function() subscribes(102) end)
  it("103: finds them in an RSS feed", function() subscribes(103) end)
  it("104: prefers those of the headers", function() subscribes(104) end)
  it("200: subscribes to what the topic calls itself", function()
    subscribes(200, nil, receiver:url "/topic/200?self=other")
  end)
  it("201: follows a topic that has moved for a while", function()
    subscribes(201, nil, receiver:url "/topic/201/moved")
  end)
  it("202: follows a topic that has moved for good", function()
    subscribes(202, nil, receiver:url "/topic/202/moved")
  end)
  it("203: asks the hub that another sends it to for a while", function() subscribes(203, "/hub/203/moved") end)
  it("204: asks the hub that another sends it to for good", function() subscribes(204, "/hub/204/moved") end)

  it("205: answers 404 to a verification of another topic", function()
    local form = form_at "/hub/205"
    assert.equal(404, verify(205, form, { ["hub.topic"] = form["hub.topic"] .. "/other" }).status)
    assert.equal(404, verify(205, form, { ["hub.mode"] = "unsubscribe" }).status)
    assert.equal(200, verify(205, form).status)
  end)

  it("300: answers 2xx when content is delivered", function()
    local form = subscribes(300)
    assert.equal(200, post(300, form, "once more", sign(form, "once more")).status)
    assert.equal("text/html", await_out("once more").headers["content-type"])
  end)

  it("301, 302: answers 2xx to a wrong signature and to none, and drops the content", function()
    for _, number in ipairs { 301, 302 } do
      local form = form_at("/hub/" .. number)
      assert.equal(200, verify(number, form).status)
      local signature = number == 301 and sign(form, "another body") or nil
      assert.equal(202, post(number, form, "forged", signature).status)
      assert.equal(200, post(number, form, "genuine " .. number, sign(form, "genuine " .. number)).status)
      await_out("genuine " .. number)
    end
    assert.equal(0, #server:list "/api/v1/event?source=w301&type=forged")
    for _, record in ipairs(out) do assert.not_equal("forged", record.body) end
  end)

  it("gives each subscription a callback and a secret of its own, over restarts", function()
    local callbacks, secrets = {}, {}
    for _, number in ipairs(CASES) do
      local form = form_at("/hub/" .. number .. ((number == 203 or number == 204) and "/moved" or ""))
      assert.is_nil(callbacks[form["hub.callback"]])
      assert.is_nil(secrets[form["hub.secret"]])
      callbacks[form["hub.callback"]], secrets[form["hub.secret"]] = true, true
    end
    local form = form_at "/hub/100"
    server:kill()
    server:restart()
    assert.equal(200, post(100, form, "after a kill", sign(form, "after a kill")).status)
    await_out "after a kill"
    assert.is_nil(server:log():find(form["hub.secret"], 1, true))
    local token = form["hub.callback"]:match "token=(%x+)"
    for _, event in ipairs(server:list "/api/v1/event?source=w100") do
      local query = server:get("/api/v1/event/" .. event.id).query
      assert.matches("^token=%*+", query)
      assert.is_nil(query:find(token, 1, true))
    end
  end)

  it("asks anew for another topic, and unsubscribes from what is not active any more", function()
    local one, two = form_at "/hub/100", form_at "/hub/300"
    local text = script_of(receiver):gsub('"' .. receiver:url "/topic/100":gsub("%p", "%%%0") .. '"',
      '"' .. receiver:url "/topic/101" .. '"'):gsub("(in/w300\",)", "%1 active = false,")
    server:write_script("main.lua", text)
    assert.equal(0, cli.ask(server, { "reload" }).code)
    local form = form_at("/hub/101", 2)
    assert.equal("subscribe", form["hub.mode"])
    assert.not_equal(one["hub.secret"], form["hub.secret"])
    assert.equal(404, post(100, one, "of the old topic", sign(one, "of the old topic")).status)
    form = form_at("/hub/300", 2)
    assert.same({ "unsubscribe", two["hub.topic"], two["hub.callback"] },
      { form["hub.mode"], form["hub.topic"], form["hub.callback"] })
    assert.equal(404, verify(300, two).status)
    local answer = verify(300, form)
    assert.same({ 200, "random-300" }, { answer.status, answer.body })
    wait.until_true("the subscription is over", 5000, function()
      return post(300, two, "late", sign(two, "late")).status == 410
    end)
    server:write_script("main.lua", script_of(receiver))
    assert.equal(0, cli.ask(server, { "reload" }).code)
    assert.equal("subscribe", form_at("/hub/300", 3)["hub.mode"])
  end)

  it("ends what the scripts no longer have, at the callback that they had", function()
    local form = form_at "/hub/205"
    local function lines_without(...)
      local text = script_of(receiver)
      for _, number in ipairs { ... } do
        text = text:gsub("anzol%.websub%(\"w" .. number .. "\".-allow_private = true }%)", "")
      end
      return text
    end
    -- Another serves at the path of w302.
    server:write_script("main.lua", lines_without(205, 302)
      .. '\nanzol.source("other", { path = "/in/w302", verify = anzol.verify.none(), type = "other" })')
    assert.equal(0, cli.ask(server, { "reload" }).code)
    local ending = form_at("/hub/205", 2)
    assert.same({ "unsubscribe", form["hub.topic"], form["hub.callback"] },
      { ending["hub.mode"], ending["hub.topic"], ending["hub.callback"] })
    server:kill() -- what is to be ended is so after a restart as well
    server:restart()
    assert.equal(404, verify(205, form).status)
    local answer = verify(205, ending)
    assert.same({ 200, "random-205" }, { answer.status, answer.body })
    wait.until_true("the subscription is over", 20000, function()
      local status = post(205, form, "late", sign(form, "late")).status
      return status == 404 or status == 410
    end)
    wait.until_true("nothing is kept of it", 20000, function()
      assert.equal(0, cli.ask(server, { "reload" }).code)
      return call(205, form, {}, { body = "x" }).status == 404
        and http.request({ port = server.port, path = "/in/w205" }).body:find "unknown_source"
    end)
    collect()
    assert.equal(1, #asked["/hub/302"])
  end)

  it("serves on when more is kept than a load is told", function()
    local other = Server.start { scripts = { ["main.lua"] = [[
      local anzol = require "anzol"
      anzol.source("fill", { verify = anzol.verify.none(), type = "fill" })
      anzol.on("fill", function(event)
        for i = 1, event.data.count do
          anzol.kv("anzol.websub"):set(event.data.name .. i, { x = ("y"):rep(65000) })
        end
      end)]] } }
    finally(function() other:close() end)
    local function fill(name, count)
      assert.equal(200, other:post("/in/fill", ('{"name":"%s","count":%d}'):format(name, count)).status)
      wait.until_true("it was kept", 5000, function()
        return #other:list "/api/v1/event?state=handled&type=fill" > 0
      end)
      assert.equal(0, cli.ask(other, { "reload" }).code)
      return other:log():find("subscriptions not read", 1, true) ~= nil
    end
    assert.is_false(fill("a", 50))
    fill("b", 50)
    wait.until_true("all is kept", 5000, function()
      assert.equal(0, cli.ask(other, { "reload" }).code)
      return other:log():find("subscriptions not read", 1, true)
    end)
    assert.equal(200, other:post("/in/fill", '{"name":"c","count":0}').status)
  end)
end)
