-- SPDX-License-Identifier: MIT
-- anzol.websub by a test's clock: what it asks, what it grants, when it renews, how it ends. That
-- the real server does the same: spec/system/websub_subscriber_spec.lua.
local json = require "dkjson"
local rig = require "lua.testing_rig"

local TOPIC, HUB, CALLBACK = "https://blog.example/feed", "https://hub.example/", "https://me.example/in/blog"
local SCRIPT = [[
anzol.websub("blog", { topic = "https://blog.example/feed", public_url = "https://me.example/in/blog" %s })
anzol.on("blog", function(event) event:send "out" end)
anzol.on("websub.denied", function(event) event:send("out", { json = { denied = event.query["hub.reason"] } }) end)
anzol.source("kv", { verify = anzol.verify.none(), type = "kv", respond = function(req)
  return { json = anzol.kv("anzol.websub"):get(req.query.key) or {}, store = false }
end })
]]

describe("anzol.websub", function()
  after_each(rig.finish)

  local asked -- forms that the hub got

  local function decode(form)
    local fields = {}
    for name, value in form:gmatch "([^&=]+)=([^&]*)" do
      local function plain(text)
        return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
      end
      fields[plain(name)] = plain(value)
    end
    return fields
  end

  local function test(options, topic, hub)
    local t = rig.test(SCRIPT:format(options or ""))
    asked = {}
    t:http(TOPIC, topic or { headers = {
      link = ('<%s>; rel="hub", <%s>; rel="self"'):format(HUB, TOPIC), ["content-type"] = "text/plain" } })
    t:http("POST " .. HUB, function(request)
      asked[#asked + 1] = decode(request.body)
      return hub and hub(#asked) or 202
    end)
    return t
  end

  local function kept(t, key) return t:receive("kv", { query = { key = key } }).json end

  local function verify(t, more, token)
    local query = { token = token or kept(t, "blog").token, ["hub.mode"] = "subscribe", ["hub.topic"] = TOPIC,
      ["hub.challenge"] = "c4a11enge", ["hub.lease_seconds"] = "1000" }
    for name, value in pairs(more or {}) do query[name] = value or nil end
    return t:receive("blog", { method = "GET", query = query })
  end

  local function post(t, body, signature)
    local state = kept(t, "blog")
    return t:receive("blog", { body = body, query = { token = state.token },
      headers = { ["Content-Type"] = "text/plain", ["X-Hub-Signature"] = signature } })
  end

  -- By another implementation than the one that is tested.
  local function sign(digest, secret, body)
    local command = ("printf %%s '%s' | openssl dgst -%s -hmac '%s' -r"):format(body, digest, secret)
    local pipe = assert(io.popen(command))
    local hex = pipe:read "a":match "^%x+"
    pipe:close()
    return digest .. "=" .. hex
  end

  it("asks the hub that the topic names, with a secret and a callback of its own", function()
    local t = test ', lease = "10d"'
    t:advance "1s"
    assert.equal(1, #asked)
    local form, state = asked[1], kept(t, "blog")
    assert.same({ "subscribe", TOPIC, "864000", CALLBACK .. "?token=" .. state.token, state.secret },
      { form["hub.mode"], form["hub.topic"], form["hub.lease_seconds"], form["hub.callback"], form["hub.secret"] })
    assert.equal(64, #state.secret)
    assert.equal(32, #state.token)
  end)

  it("answers only what was asked", function()
    local t = test()
    assert.equal(404, verify(t, {}, "none").status)
    t:advance "1s"
    for _, more in ipairs {
      { ["hub.topic"] = "https://evil.example/" }, { ["hub.topic"] = false }, { ["hub.mode"] = "unsubscribe" },
      { ["hub.mode"] = "publish" }, { ["hub.mode"] = false }, { ["hub.challenge"] = false },
      { token = "0123" }, { token = false },
    } do
      local answer = verify(t, more)
      assert.equal(404, answer.status, json.encode(more))
      assert.is_nil(answer.body:find("c4a11enge", 1, true))
    end
    local answer = verify(t)
    assert.same({ 200, "c4a11enge", "application/octet-stream", "nosniff" }, { answer.status, answer.body,
      answer.headers["Content-Type"], answer.headers["X-Content-Type-Options"] })
    assert.same({ mode = "subscribe", topic = TOPIC, lease_s = 1000, at_ms = t.now_ms }, kept(t, "blog granted"))
  end)

  it("renews before the lease ends, for as long as it is granted", function()
    local t = test()
    t:advance "1s"
    verify(t)
    t:advance "799s"
    assert.equal(1, #asked)
    t:advance "20s"
    assert.equal(2, #asked)
    assert.same(asked[1], asked[2])
    verify(t, { ["hub.lease_seconds"] = "100000" })
    t:advance "79000s"
    assert.equal(2, #asked)
    t:advance "1010s"
    assert.equal(3, #asked)
  end)

  it("keeps its place over what is lost: a request whose run was not committed is made again", function()
    local t = test()
    t:crash_before_commit()
    t:advance "1s"
    t:advance "30s"
    assert.equal(1, #asked)
    assert.equal("wait", kept(t, "blog").step)
  end)

  it("asks again, ever more rarely, when the hub does not verify", function()
    local t = test()
    t:advance "1s"
    t:advance "80s"
    assert.equal(2, #asked)
    t:advance "100s"
    assert.equal(3, #asked)
    t:advance "1d"
    assert.is_true(#asked > 20 and #asked < 40, #asked)
    verify(t, { ["hub.lease_seconds"] = "100000" })
    local count = #asked
    t:advance "70000s"
    assert.equal(count, #asked)
    assert.same({ step = "hold" }, { step = kept(t, "blog").step, tries = kept(t, "blog").tries })
  end)

  it("goes on when the hub or the topic fail, by on_error's schedule", function()
    local t = test("", nil, function(count) return count < 3 and 503 or 202 end)
    t:advance "1m"
    assert.equal(3, #asked)
    assert.equal("wait", kept(t, "blog").step)
  end)

  it("follows a topic five times to another place, not six times", function()
    for _, count in ipairs { 5, 6 } do
      local function answer(request)
        local at = tonumber(request.url:match "/hop/(%d+)$" or 0)
        if at == count then return { headers = { link = ('<%s>; rel="hub"'):format(HUB) } } end
        return { status = 302, headers = { location = "/hop/" .. at + 1 } }
      end
      local t = test("", answer)
      t:http("https://blog.example/hop/*", answer)
      t:advance "1s"
      assert.equal(count == 5 and "wait" or nil, kept(t, "blog").step)
      assert.equal(count == 5 and "https://blog.example/hop/5" or nil, asked[1] and asked[1]["hub.topic"])
    end
  end)

  it("turns a post that is signed by any of four digests into an event, and drops what is not", function()
    local t = test()
    t:advance "1s"
    verify(t)
    local secret = kept(t, "blog").secret
    for _, digest in ipairs { "sha1", "sha256", "sha384", "sha512" } do
      assert.equal(200, post(t, digest, sign(digest, secret, digest)).status)
    end
    assert.equal(200, post(t, "upper", sign("sha256", secret, "upper"):upper()).status)
    assert.equal(5, #t.deliveries)
    assert.equal("sha1", t.deliveries[1].request.body)
    for _, bad in ipairs { false, "", "sha256=", "md5=00", "sha256=zz", sign("sha256", "other", "x"),
      sign("sha256", secret, "y"), "sha1=" .. sign("sha256", secret, "x"):sub(8), "sha256 " } do
      local answer = post(t, "x", bad or nil)
      assert.same({ 202, "" }, { answer.status, answer.body }, answer.reason)
    end
    assert.equal(5, #t.deliveries)
    assert.equal(404, t:receive("blog", { body = "x", headers = { ["X-Hub-Signature"] = sign("sha1", secret, "x") } })
      .status)
  end)

  it("hears that it is denied, tells scripts, and asks again after a day", function()
    local t = test()
    t:advance "1s"
    local answer = verify(t, { ["hub.mode"] = "denied", ["hub.reason"] = "not yours", ["hub.challenge"] = false })
    assert.same({ 200, "" }, { answer.status, answer.body })
    assert.equal("not yours", t.deliveries[1].request.json.denied)
    t:advance "23h"
    assert.equal(1, #asked)
    t:advance "1h"
    assert.equal(2, #asked)
  end)

  it("is refused at load when an option is wrong", function()
    for options, words in pairs {
      ['topic = "feed"'] = "option 'topic' of anzol.websub 'a' must be a URL of http or https, got feed",
      ['topic = "https://a.example"'] = "option 'public_url' of anzol.websub 'a' must be a URL",
      ['topic = "https://a.example", public_url = "https://a.example/?b"'] = "option 'public_url' of anzol.source 'a'",
      ['topic = "https://a.example", public_url = "https://b.example/", lease = "500ms"'] =
        "option 'lease' of anzol.websub 'a' must be a duration from 1s to 366d, got 500ms",
      ['topic = "https://a.example", public_url = "https://b.example/", lease = "367d"'] = "'lease'",
      ['topic = "https://a.example", public_url = "https://b.example/", type = "a b"'] = "option 'type'",
      ['topics = "https://a.example"'] = "unknown option 'topics' for anzol.websub 'a' (did you mean 'topic'?)",
    } do
      local why = rig.message_of(rig.test, ('anzol.websub("a", { %s })'):format(options))
      assert.matches("scripts/main.lua:%d+: ", why)
      assert.matches(words, why, 1, true)
    end
    assert.matches("takes a table of options, got nil", rig.message_of(rig.test, 'anzol.websub("a")'), 1, true)
  end)
end)
