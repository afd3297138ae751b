-- SPDX-License-Identifier: MIT
-- anzol.testing: what is published over the API.
local rig = require "lua.testing_rig"

local script = [[
anzol.on("**", function(event) event:send("out", { json = { all = true } }) end)
anzol.on("api.invoice.*", function(event)
  if event.data.amount == 0 then return anzol.skip "nothing to pay" end
  event:send("out", { json = { app = event.application, uid = event.application_uid, channels = event.channels,
    count = event:publish { payload = { seen = true } } } })
end)
]]

describe("t:publish", function()
  local t

  before_each(function() t = rig.test(script) end)
  after_each(rig.finish)

  it("gives the message to the handlers of its type, as the API does", function()
    t:answer("out", 200)
    local event = t:publish("invoice.paid", { payload = { amount = 5 }, channels = { "eu" } })
    assert.same({ "api.invoice.paid", "api", { amount = 5 } }, { event.type, event.source, event.json })
    local sent = t:delivery("out").request.json
    assert.same({ { "eu" }, 0 }, { sent.channels, sent.count })
    assert.matches("^app_", sent.app)
    assert.is_nil(sent.uid)
    t:answer("out", 200)
    t:publish("invoice.paid", { application = "acme" })
    assert.equal("acme", t.deliveries[#t.deliveries].request.json.uid)
  end)

  it("gives it to nobody else", function()
    assert.same({}, t:publish("other").runs)
    assert.equal("nothing to pay", t:publish("invoice.paid", { payload = { amount = 0 } }).skipped)
  end)

  it("takes what the API takes", function()
    for what, call in pairs {
      ["the type is 1 to 256"] = function() t:publish "a b" end,
      ["the payload is a table"] = function() t:publish("a", { payload = { 1 } }) end,
      ["'channels' is a list"] = function() t:publish("a", { channels = {} }) end,
      ["option"] = function() t:publish("a", { data = {} }) end,
    } do assert.matches(what, select(2, pcall(call)), 1, true) end
  end)
end)

local routing = [[
anzol.transform("wrap", function(message)
  message.body = '{"text":' .. message.body .. '}'
  message.headers["X-Wrapped"] = "yes"
  return message
end)
anzol.transform("drop", function() return anzol.skip "not wanted" end)
anzol.on("api.routed", function(event)
  event:publish { type = "invoice.changed", payload = { id = event.data.id }, channels = { "eu" },
    endpoints = function(endpoint) return endpoint.metadata.plan == "pro" or endpoint.uid == "us" end }
end)
anzol.on("api.many", { name = "one" }, function(event) event:publish() end)
anzol.on("api.many", { name = "two" }, function(event) event:publish { payload = { two = true } } end)
anzol.on("api.dropped", function() end)
]]

describe("t:register", function()
  local URL = "https://receiver.example/hooks"
  local t

  before_each(function() t = rig.test(routing) end)
  after_each(rig.finish)

  local function register(uid, fields)
    local all = { uid = uid, url = URL .. "/" .. uid }
    for name, value in pairs(fields or {}) do all[name] = value end
    return t:register(all)
  end
  local function receivers() return t:endpoints_of(t.deliveries) end

  it("gives messages to the endpoints that want their type and channels", function()
    register "all"
    register("paid", { eventTypes = { "invoice.paid", "invoice.sent" } })
    register("made", { eventTypes = { "invoice.made" } })
    register("eu", { channels = { "eu", "us" } })
    register("off", { disabled = true })
    t:publish("invoice.paid", { payload = { id = 1 } })
    assert.same({ "all", "paid" }, receivers())
    t:publish("invoice.made", { payload = { id = 2 }, channels = { "eu" } })
    assert.same({ "all", "paid", "all", "made", "eu" }, receivers())
    local last = t:delivery "eu"
    assert.same({ "invoice.made", "succeeded", URL .. "/eu", { id = 2 } },
      { last.type, last.state, last.request.url, last.request.json })
  end)

  it("signs with the key that is given, or its own, and sends the headers", function()
    local key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    local given = register("given", { secret = key, headers = { ["X-Key"] = "k" } })
    local own = register "own"
    assert.equal(key, given.key)
    assert.matches("^whsec_%S+$", own.key)
    local event = t:publish("a", { payload = { id = 1 } })
    local request = t:delivery("given").request
    assert.equal("k", request.headers["x-key"])
    assert.equal(t:delivery("own").message_id, request.headers["webhook-id"])
    assert.equal(event.id, t:delivery("given").event_id)
    for _, name in ipairs { "given", "own" } do assert.is_true(t:is_signed(t:delivery(name))) end
    assert.is_true(t:is_signed(t:delivery "own", own.key))
    assert.is_false(t:is_signed(t:delivery "own", given.key))
    t:delivery("own").request.body = "{}"
    assert.is_false(t:is_signed(t:delivery "own"))
  end)

  it("signs with a key of Ed25519 as well", function()
    local key = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
    register("crm", { secret = key })
    t:publish("a", { payload = { id = 1 } })
    assert.matches("^v1a,", t:delivery("crm").request.headers["webhook-signature"])
    assert.is_true(t:is_signed(t:delivery "crm"))
    assert.is_false(t:is_signed(t:delivery "crm", "whsec_" .. ("a"):rep(32)))
    assert.matches("the key is none", rig.message_of(t.is_signed, t, t:delivery "crm", "whsk_!"), 1, true)
  end)

  it("sends no faster than its throttleRate", function()
    register("slow", { throttleRate = 1 })
    for _ = 1, 3 do t:publish "a" end
    local function done()
      local count = 0
      for _, delivery in ipairs(t.deliveries) do
        if delivery.state == "succeeded" then count = count + 1 end
      end
      return count
    end
    assert.equal(1, done())
    t:advance "1100ms"
    assert.equal(2, done())
    t:advance "1100ms"
    assert.equal(3, done())
  end)

  it("changes messages by the transform that its metadata names", function()
    register("wrapped", { metadata = { transform = "wrap" } })
    register("dropped", { metadata = { transform = "drop" } })
    register("broken", { metadata = { transform = "none" } })
    t:publish("a", { payload = { id = 1 } })
    local request = t:delivery("wrapped").request
    assert.same({ { text = { id = 1 } }, "yes" }, { request.json, request.headers["x-wrapped"] })
    assert.is_true(t:is_signed(t:delivery "wrapped"))
    assert.same({ "cancelled", "not wanted" }, { t:delivery("dropped").state, t:delivery("dropped").reason })
    local attempt = t:delivery("broken").attempts[1]
    assert.equal("script", attempt.error)
    assert.matches('transform "none"', attempt.detail, 1, true)
  end)

  it("lets scripts say what goes to whom, once", function()
    register("pro", { metadata = { plan = "pro" }, channels = { "eu" } })
    register("free", { metadata = { plan = "free" }, channels = { "eu" } })
    t:publish("routed", { payload = { id = 7, secret = "s" } })
    assert.same({ "pro" }, receivers())
    register("us", { channels = { "eu" } })
    t:publish("routed", { payload = { id = 7 } })
    assert.same({ "pro", "pro", "us" }, receivers())
    assert.same({ "invoice.changed", { id = 7 } }, { t:delivery("pro").type, t:delivery("pro").request.json })
    t:publish "dropped"
    assert.equal(3, #t.deliveries)
    register "all"
    t:publish("many", { payload = { one = true } })
    assert.same({ "pro", "pro", "us", "all" }, receivers())
    assert.same({ one = true }, t:delivery("all").request.json)
  end)

  it("keeps applications apart", function()
    local acme = register("acme", { application = "acme" })
    local other = register("other", { application = "other" })
    local nameless = register "nameless"
    t:publish("a", { application = "acme" })
    t:publish "a"
    assert.same({ "acme", "nameless" }, receivers())
    assert.is_true(acme.application ~= other.application and other.application ~= nameless.application)
    assert.equal(acme.application, register("acme", { application = "acme" }).application)
  end)

  it("takes canned answers, retries and switches as any endpoint does", function()
    register "crm"
    t:answer("crm", 503, 200)
    t:publish "a"
    assert.equal("retrying", t:delivery("crm").state)
    t:advance "1h"
    assert.equal("succeeded", t:delivery("crm").state)
    t:answer("crm", 410)
    t:publish "a"
    t:publish "a"
    assert.equal(2, #t.deliveries)
    t:enable "crm"
    t:answer("crm", 200)
    t:publish "a"
    assert.equal(3, #t.deliveries)
    t:disable "crm"
    t:publish "a"
    assert.equal(3, #t.deliveries)
  end)

  it("replaces the one with its uid, and keeps its key", function()
    local first = register "crm"
    t:answer("crm", 503, 200)
    t:publish "a"
    local second = register("crm", { url = "https://other.example/", headers = { ["X-New"] = "1" } })
    assert.same({ first.id, first.key }, { second.id, second.key })
    t:advance "1h"
    local request = t:delivery("crm").request
    assert.same({ "https://other.example/", "1" }, { request.url, request.headers["x-new"] })
    assert.is_not.equal(first.key, register("crm", { secret = "whsec_" .. ("a"):rep(32) }).key)
  end)

  it("takes what the API takes", function()
    local tries = {
      ["'url' is a text that begins with https://"] = { url = "ftp://x" },
      ["'eventTypes' is a list of 1 or more names"] = { url = URL, eventTypes = {} },
      ["'channels' is a list of 1 to 10 names"] = { url = URL, channels = { "a b" } },
      ["'metadata' is { name = text }"] = { url = URL, metadata = { n = 1 } },
      ["'headers' is { name = text }"] = { url = URL, headers = "x" },
      ["'secret' is \"whsec_\""] = { url = URL, secret = "whsec_!" },
      ["'throttleRate' is an integer from 1"] = { url = URL, throttleRate = 0 },
      ["'disabled' is true or false"] = { url = URL, disabled = "yes" },
      ["'uid' is a text of 1 to 256"] = { url = URL, uid = "a b" },
      ["did you mean 'eventTypes'?"] = { url = URL, event_types = { "a" } },
      ["the scripts have an endpoint 'out'"] = { url = URL, uid = "out" },
    }
    for what, fields in pairs(tries) do
      assert.matches(what, rig.message_of(t.register, t, fields), 1, true)
    end
    local foreign = { endpoint = "out", request = {} }
    assert.matches("say by which key: 'out'", rig.message_of(t.is_signed, t, foreign), 1, true)
    assert.matches("takes a delivery that was attempted", rig.message_of(t.is_signed, t, {}), 1, true)
  end)
end)
