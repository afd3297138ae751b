-- SPDX-License-Identifier: MIT
-- anzol.hub by a test's clock: what it refuses, verifies, keeps, sends, and when it stops. That the
-- real server does the same: spec/system/websub_hub_spec.lua.
local rig = require "lua.testing_rig"

local TOPIC, CALLBACK = "https://blog.example/feed", "https://sub.example/cb?x=1&y=2"
local SCRIPT = [[
local hub = anzol.hub("feeds", { public_url = "https://me.example/in/feeds",
  topics = { "https://blog.example/feed", "https://blog.example/tag/*" } %s })
anzol.source("who", { verify = anzol.verify.none(), type = "who", respond = function(req)
  return { json = anzol.json.array(hub:subscribers(req.query.topic, tonumber(req.query.limit), req.query.after)),
    store = false }
end })
anzol.on("post", function(event)
  local content = event.data.content
  if content.base64 then content.body, content.base64 = anzol.base64.decode(content.base64), nil end
  if content.bytes then content.body = ("x"):rep(content.bytes) end
  hub:publish(event, event.data.topic, content)
end)
]]

describe("anzol.hub", function()
  after_each(rig.finish)

  local got -- requests at callbacks
  local reply -- by callback: what a POST gets

  local function query_of(url)
    local fields = {}
    for name, value in url:match "%?(.*)$":gmatch "([^&=]+)=([^&]*)" do
      fields[name] = value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    end
    return fields
  end

  local function test(options)
    local t = rig.test(SCRIPT:format(options or ""))
    got, reply = {}, {}
    t:http("https://sub.example/*", function(request)
      request.fields = request.method == "GET" and query_of(request.url)
      got[#got + 1] = request
      if request.method == "GET" then return { body = request.fields["hub.challenge"] or "" } end
      return reply[request.url] or 204
    end)
    return t
  end

  local function ask(t, more, headers)
    local form = { ["hub.mode"] = "subscribe", ["hub.topic"] = TOPIC, ["hub.callback"] = CALLBACK }
    for name, value in pairs(more or {}) do form[name] = value or nil end
    return t:receive("feeds", { form = form, headers = headers })
  end

  local function publish(t, body, topic)
    t:receive("in", { json = { type = "post", topic = topic or TOPIC,
      content = { body = body, content_type = "application/atom+xml" } } })
  end

  local function posts()
    local list = {}
    for _, request in ipairs(got) do
      if request.method == "POST" then list[#list + 1] = request end
    end
    return list
  end

  it("refuses what is wrong in words, at once, and asks nobody", function()
    local t = test()
    for _, case in ipairs {
      { { ["hub.mode"] = false }, 400, "hub.mode must be" },
      { { ["hub.mode"] = "denied" }, 400, "hub.mode must be" },
      { { ["hub.topic"] = false }, 400, "hub.topic is missing" },
      { { ["hub.topic"] = "ftp://blog.example/feed" }, 400, "hub.topic must be a URL" },
      { { ["hub.topic"] = "https://other.example/" }, 404, "no such topic" },
      { { ["hub.topic"] = "https://blog.example/feed2" }, 404, "no such topic" },
      { { ["hub.callback"] = false }, 400, "hub.callback is missing" },
      { { ["hub.callback"] = "sub.example" }, 400, "hub.callback must be a URL" },
      { { ["hub.callback"] = "https://sub.example/#a" }, 400, "hub.callback must be a URL" },
      { { ["hub.callback"] = "https://u:p@sub.example/" }, 400, "hub.callback must be a URL" },
      { { ["hub.callback"] = "https://sub.example/a b" }, 400, "hub.callback must be a URL" },
      { { ["hub.callback"] = "https://sub.example/\r\nX: y" }, 400, "hub.callback must be a URL" },
      { { ["hub.callback"] = "https://sub.example/" .. ("a"):rep(2029) }, 400, "of at most 2048 bytes" },
      { { ["hub.secret"] = ("s"):rep(200) }, 400, "hub.secret must be less than 200 bytes" },
      { { ["hub.lease_seconds"] = "0" }, 400, "hub.lease_seconds must be a positive decimal integer" },
      { { ["hub.lease_seconds"] = "-5" }, 400, "hub.lease_seconds" },
      { { ["hub.lease_seconds"] = "1.5" }, 400, "hub.lease_seconds" },
      { { ["hub.mode"] = "publish", ["hub.url"] = TOPIC }, 403, "takes no hub.mode=publish" },
    } do
      local answer = ask(t, case[1])
      assert.equal(case[2], answer.status, case[3])
      assert.matches(case[3], answer.body, 1, true)
      assert.equal("text/plain; charset=utf-8", answer.headers["Content-Type"])
    end
    assert.equal(415, t:receive("feeds", { json = { ["hub.mode"] = "subscribe" } }).status)
    assert.same({ 0, 0 }, { #got, #t.events })
  end)

  it("takes what is at its limits", function()
    local t = test()
    local room = 2048 - 160 - #TOPIC:gsub("[:/]", "%%XX") - #"https://sub.example/"
    local longest = "https://sub.example/" .. ("a"):rep(room)
    assert.equal(400, ask(t, { ["hub.callback"] = longest .. "a" }).status)
    assert.equal(202, ask(t, { ["hub.callback"] = longest, ["hub.secret"] = ("s"):rep(199) }).status)
    assert.same({ 1, "GET" }, { #got, got[1].method })
  end)

  it("verifies by a challenge, behind the callback's own query, and forgets who does not echo it", function()
    local t = test()
    local answer = ask(t)
    assert.same({ 202, "" }, { answer.status, answer.body })
    local url = got[1].url
    assert.equal(CALLBACK .. "&", url:sub(1, #CALLBACK + 1))
    local fields = got[1].fields
    assert.same({ "1", "2", "subscribe", TOPIC, "864000" }, { fields.x, fields.y, fields["hub.mode"],
      fields["hub.topic"], fields["hub.lease_seconds"] })
    ask(t)
    assert.not_equal(fields["hub.challenge"], got[2].fields["hub.challenge"])
    for path, reply_with in pairs { ["/1"] = 404, ["/2"] = 302, ["/3"] = { error = "connect" },
      ["/4"] = { body = "another" },
      ["/7"] = function(request)
        return { body = query_of(request.url)["hub.challenge"] .. (" "):rep(4 * 1024) }
      end, ["/5"] = { status = 500 }, ["/6"] = { body = "" } } do
      t:http("https://bad.example" .. path .. "*", reply_with)
      assert.equal(202, ask(t, { ["hub.callback"] = "https://bad.example" .. path }).status)
    end
    publish(t, "news")
    assert.equal(1, #posts())
    assert.equal(CALLBACK, posts()[1].url)
  end)

  it("gives the lease that it decides, and keeps to it", function()
    local t = test ', lease = { min = "1m", default = "2d", max = "4d" }'
    local function lease(asked)
      ask(t, { ["hub.lease_seconds"] = asked })
      return got[#got].fields["hub.lease_seconds"]
    end
    assert.same({ "345600", "172800", "60", "3600" }, { lease(("9"):rep(30)), lease(nil), lease "1", lease "3600" })
    t:advance "59m"
    publish(t, "within")
    assert.equal(1, #posts())
    t:advance "2m"
    publish(t, "behind")
    assert.equal(1, #posts())
  end)

  it("lets a renewal take the place of the subscription: lease and secret", function()
    local t = test()
    ask(t, { ["hub.lease_seconds"] = "100", ["hub.secret"] = "old" })
    t:advance "90s"
    ask(t, { ["hub.lease_seconds"] = "100", ["hub.secret"] = "new" })
    t:advance "90s"
    publish(t, "x")
    assert.equal(1, #posts())
    assert.equal("sha256=" .. io.popen("printf x | openssl dgst -sha256 -hmac new -r"):read "a":match "^%x+",
      posts()[1].headers["x-hub-signature"])
    ask(t)
    publish(t, "y")
    assert.is_nil(posts()[2].headers["x-hub-signature"])
  end)

  it("leaves a subscription as it is when a later request is not verified", function()
    local t = test()
    ask(t, { ["hub.secret"] = "first" })
    t:http("GET https://sub.example/*", 404)
    ask(t, { ["hub.secret"] = "second" })
    ask(t, { ["hub.mode"] = "unsubscribe" })
    publish(t, "x")
    assert.equal(1, #posts())
    assert.equal("sha256=" .. io.popen("printf x | openssl dgst -sha256 -hmac first -r"):read "a":match "^%x+",
      posts()[1].headers["x-hub-signature"])
  end)

  it("ends a subscription when it is asked to and the subscriber means it", function()
    local t = test()
    ask(t)
    ask(t, { ["hub.mode"] = "unsubscribe", ["hub.lease_seconds"] = "0" })
    assert.same({ "unsubscribe" }, { got[2].fields["hub.mode"], got[2].fields["hub.lease_seconds"] })
    publish(t, "x")
    assert.equal(0, #posts())
  end)

  it("denies with a reason what accept does not take, also what it took before", function()
    local t = test [[, accept = function(request)
      return anzol.kv("open"):get "yes" or request.callback:find("cb", 1, true) == nil, "members only"
    end]]
    ask(t)
    assert.same({ "denied", TOPIC, "members only" }, { got[1].fields["hub.mode"], got[1].fields["hub.topic"],
      got[1].fields["hub.reason"] })
    assert.is_nil(got[1].fields["hub.challenge"])
    ask(t, { ["hub.callback"] = "https://sub.example/free" })
    publish(t, "x")
    assert.equal(1, #posts())
    assert.equal("https://sub.example/free", posts()[1].url)
  end)

  it("sends the content with its type and both links", function()
    local t = test()
    ask(t, { ["hub.topic"] = "https://blog.example/tag/lua" })
    t:receive("in", { json = { type = "post", topic = "https://blog.example/tag/lua",
      content = { base64 = "AP8gYnl0ZXM=", content_type = "application/atom+xml" } } })
    local post = posts()[1]
    assert.same({ "\0\255 bytes", "application/atom+xml",
      '<https://me.example/in/feeds>; rel="hub", <https://blog.example/tag/lua>; rel="self"' },
      { post.body, post.headers["content-type"], post.headers.link })
  end)

  it("sends again what fails, in order, and gives up in the end; the subscription stays", function()
    local t = test()
    ask(t)
    reply[CALLBACK] = 500
    publish(t, "one")
    publish(t, "two")
    t:advance "40s"
    assert.equal(5, #posts()) -- at 0, 5, 10, 20, 40 s
    reply[CALLBACK] = { status = 503, headers = { ["Retry-After"] = "3000" } }
    t:advance "50s"
    assert.equal(6, #posts())
    for _, post in ipairs(posts()) do assert.equal("one", post.body) end
    reply[CALLBACK] = 200
    t:advance "49m"
    assert.equal(6, #posts())
    t:advance "2m"
    assert.same({ "one", "two" }, { posts()[7].body, posts()[8].body })
    reply[CALLBACK] = { error = "connect" }
    publish(t, "three")
    t:advance "6h"
    assert.equal(0, #t.dead_letters)
    t:advance "2h"
    assert.equal(1, #t.dead_letters)
    local count = #posts()
    reply[CALLBACK] = 200
    t:advance "1d"
    assert.equal(count, #posts())
    publish(t, "four")
    assert.equal("four", posts()[#posts()].body)
  end)

  it("ends a subscription at 410, follows no redirect, and does not hold others up", function()
    local t = test()
    for _, path in ipairs { "gone", "moved", "good" } do
      ask(t, { ["hub.callback"] = "https://sub.example/" .. path })
    end
    reply["https://sub.example/gone"] = 410
    reply["https://sub.example/moved"] = { status = 302, headers = { location = "https://evil.example/" } }
    publish(t, "x")
    publish(t, "y")
    t:advance "1s"
    local count = {}
    for _, post in ipairs(posts()) do count[post.url:match "%w+$"] = (count[post.url:match "%w+$"] or 0) + 1 end
    assert.same({ gone = 1, moved = 1, good = 2 }, count)
  end)

  it("leaves a host alone where all fail, and does not keep others waiting for it", function()
    local t = test ', client_rate = "1000/m"'
    local tries, is_up = 0, false
    t:http("https://down.example/*", function(request)
      if request.method == "GET" then return { body = query_of(request.url)["hub.challenge"] } end
      tries = tries + 1
      return is_up and 204 or { error = "connect" }
    end)
    for i = 1, 100 do ask(t, { ["hub.callback"] = "https://down.example/" .. i }) end
    ask(t)
    publish(t, "x")
    assert.equal(1, #posts())
    t:advance "25s"
    assert.is_true(tries >= 30 and tries <= 50, tries) -- 50 are under way at a time
    t:advance "5m"
    assert.is_true(tries < 100, tries)
    tries, is_up = 0, true
    t:advance "30m"
    assert.equal(100, tries)
  end)

  it("takes no more of one client than it may ask, and tells it when to come again", function()
    local t = test ', client_rate = "3/m"'
    local function ask_from(ip)
      local form = { ["hub.mode"] = "subscribe", ["hub.topic"] = TOPIC, ["hub.callback"] = "https://sub.example/a" }
      return t:receive("feeds", { form = form, remote_ip = ip })
    end
    for _ = 1, 3 do assert.equal(202, ask_from("192.0.2.1").status) end
    local answer = ask_from "192.0.2.1"
    assert.same({ 429, "20" }, { answer.status, answer.headers["retry-after"] })
    assert.equal(202, ask_from("192.0.2.2").status)
    t:advance "20s"
    assert.equal(202, ask_from("192.0.2.1").status)
    for _, rate in ipairs { '"0/m"', '"3"', "3", '"1000001/m"' } do
      assert.error_matches(function() test(", client_rate = " .. rate) end, "client_rate")
    end
  end)

  it("takes pings of its topics if it is told to, and publishes what is there", function()
    local t = test ", ping = true"
    ask(t)
    t:http(TOPIC, { headers = { ["content-type"] = "text/plain" }, body = "fetched" })
    assert.equal(202, t:receive("feeds", { form = { ["hub.mode"] = "publish", ["hub.url"] = TOPIC } }).status)
    assert.same({ "fetched", "text/plain" }, { posts()[1].body, posts()[1].headers["content-type"] })
    assert.equal(202, t:receive("feeds", { form = { ["hub.mode"] = "publish", ["hub.topic"] = TOPIC } }).status)
    assert.equal(2, #posts())
    assert.equal(404, t:receive("feeds", { form = { ["hub.mode"] = "publish", ["hub.url"] = "https://a.example/" } })
      .status)
    assert.equal(400, t:receive("feeds", { form = { ["hub.mode"] = "publish" } }).status)
  end)

  it("reaches more subscribers than one run makes events for, each once", function()
    local t = test ', client_rate = "1000/m"'
    for i = 1, 450 do ask(t, { ["hub.callback"] = "https://sub.example/many/" .. i }) end
    got = {}
    publish(t, "x")
    local seen, count = {}, 0
    for _, post in ipairs(posts()) do
      assert.is_nil(seen[post.url])
      seen[post.url], count = true, count + 1
    end
    assert.equal(450, count)
  end)

  it("takes nothing for its own that comes from elsewhere, whatever it calls itself", function()
    local t = test ", ping = true"
    ask(t, { ["hub.secret"] = "s" })
    publish(t, "genuine")
    local due
    for _, event in ipairs(t.events) do
      if event.type == "hub.feeds.due" then due = event end
    end
    local forged = { topic = TOPIC, content_type = "text/html", body = "forged", key = due.json.key }
    for _, step in ipairs { "published", "due", "requested", "pinged" } do
      for _, proof in ipairs { false, "", "0123456789abcdef0123456789abcdef", 7 } do
        forged.type, forged.proof = "hub.feeds." .. step, proof or nil
        forged["hub.mode"], forged["hub.topic"], forged["hub.callback"] = "unsubscribe", TOPIC, CALLBACK
        t:receive("in", { json = forged })
      end
    end
    assert.equal(1, #posts())
    assert.equal(2, #got) -- the verification and the genuine post
  end)

  it("takes what is written as %XX without need for what it is", function()
    local t = test()
    ask(t, { ["hub.topic"] = "https://blog.example/%66eed", ["hub.callback"] = "https://sub.example/%7Ea%2Fb" })
    assert.equal("https://blog.example/%66eed", got[1].fields["hub.topic"])
    ask(t, { ["hub.callback"] = "https://sub.example/~a%2fb" })
    publish(t, "x")
    assert.equal(1, #posts())
    ask(t, { ["hub.callback"] = "https://sub.example/~a/b" }) -- which is another
    publish(t, "y")
    assert.equal(3, #posts())
    ask(t, { ["hub.mode"] = "unsubscribe", ["hub.callback"] = "https://sub.example/%7ea%2Fb" })
    publish(t, "z")
    assert.equal(4, #posts())
  end)

  it("tells who is subscribed, a page after another", function()
    local t = test()
    local function page(limit, after)
      return t:receive("who", { query = { topic = TOPIC, limit = limit, after = after } }).json
    end
    assert.same({}, page())
    local expected = {}
    for i = 1, 5 do
      expected[i] = "https://sub.example/cb" .. i
      ask(t, { ["hub.callback"] = expected[i] })
    end
    ask(t, { ["hub.topic"] = "https://blog.example/tag/lua" })
    local all, after = {}, nil
    repeat
      local callbacks = page(2, after)
      for _, callback in ipairs(callbacks) do all[#all + 1] = callback end
      after = callbacks[#callbacks]
    until #callbacks < 2
    table.sort(all)
    assert.same(expected, all)
    assert.equal(5, #page())
  end)

  it("is refused at load when an option is wrong, and publish when its arguments are", function()
    local function hub(options) return ('anzol.hub("a", { %s })'):format(options) end
    local good = 'public_url = "https://a.example/hub", topics = { "https://a.example/" }'
    for options, words in pairs {
      [""] = "option 'public_url' of anzol.hub 'a' must be a URL of http or https, got nil",
      ['public_url = "https://a.example/"'] = "option 'topics' of anzol.hub 'a' must be a list of URLs",
      ['public_url = "https://a.example/", topics = {}'] = "option 'topics'",
      ['public_url = "https://a.example/", topics = { "a" }'] = "option 'topics' of anzol.hub 'a' must be a URL",
      [good .. ', signature = "md5"'] =
        "option 'signature' of anzol.hub 'a' must be sha1, sha256, sha384 or sha512, got md5",
      [good .. ', lease = { max = "367d" }'] =
        "option 'max' of 'lease' of anzol.hub 'a' must be a duration from 1s to 366d",
      [good .. ', lease = { min = "20d" }'] = "'lease' of anzol.hub 'a': min (1728000 s) is at most default (864000 s)",
      [good .. ', lease = { most = "20d" }'] = "unknown option 'most' for 'lease' of anzol.hub 'a'",
      [good .. ", accept = true"] = "option 'accept' of anzol.hub 'a' must be a function(request)",
      [good .. ", topic = 1"] = "unknown option 'topic' for anzol.hub 'a' (did you mean 'topics'?)",
    } do
      local why = rig.message_of(rig.test, hub(options))
      assert.matches("scripts/main.lua:%d+: ", why)
      assert.matches(words, why, 1, true)
    end
    local t = test()
    for _, case in ipairs {
      { topic = "https://other.example/", content = {} }, { topic = TOPIC, content = { body = "x" } },
      { topic = TOPIC, content = { body = "", content_type = "a/b" } },
      { topic = TOPIC, content = { bytes = 1024 * 1024 + 1, content_type = "a/b" } },
    } do
      case.type = "post"
      assert.matches("hub:publish", t:receive("in", { json = case }).event.error, 1, true)
    end
    t:receive("in", { json = { type = "post", topic = TOPIC,
      content = { bytes = 1024 * 1024, content_type = "a/b" } } })
    assert.is_nil(t.events[#t.events].error)
  end)
end)
