-- SPDX-License-Identifier: MIT
-- /api/v1/app/{app}/msg of the real server: what an application publishes, as the SDKs do.
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"

local KIB, MIB = 1024, 1024 * 1024

describe("a message that is published", function()
  local server, call, app

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    app = assert(call("POST", "/app", { name = "Acme", uid = "acme" }))
    call("POST", "/app", { name = "Other", uid = "other" })
  end)
  lazy_teardown(function() server:close() end)

  local function publish(body, headers, query)
    return call("POST", "/app/acme/msg" .. (query or ""), body, headers)
  end

  local function made(...)
    local message, status, text = publish(...)
    assert.equal(202, status, text)
    return message, text
  end

  -- Where it is wrong: "body eventType, body channels".
  local function wrong(body, query)
    local answer, status, text = publish(body, nil, query)
    assert.equal(422, status, text)
    local places = {}
    for i, item in ipairs(answer.detail) do places[i] = table.concat(item.loc, " ") end
    return table.concat(places, ", ")
  end

  it("is told back with its id and time, by id and by the caller's own", function()
    local message = made { eventType = "invoice.paid", eventId = "inv-1", channels = { "eu", "b2b" },
      tags = { "t1" }, payload = { amount = 5 }, more = true }
    assert.matches("^msg_%w+$", message.id)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT.*Z$", message.timestamp)
    assert.same({ "invoice.paid", "inv-1", { "eu", "b2b" }, { "t1" }, { amount = 5 }, { amount = 5 } },
      { message.eventType, message.eventId, message.channels, message.tags, message.payload, message.data })
    assert.same(message, (call("GET", "/app/acme/msg/" .. message.id)))
    assert.same(message, (call("GET", "/app/" .. app.id .. "/msg/inv-1")))
  end)

  it("keeps its payload as compact JSON with every number as it was written", function()
    local _, text = made [[{ "eventType":"a", "payload" :
      { "n" : [ 1.0, 1e400, 12345678901234567890123 ], "s":"\u00e9 x" } }]]
    assert.matches('"payload":{"n":[1.0,1e400,12345678901234567890123],"s":"\\u00e9 x"}', text, 1, true)
    local message = json.decode(text)
    local _, _, again = call("GET", "/app/acme/msg/" .. message.id)
    assert.equal(text, again)
  end)

  it("is shown without its payload when that is not wanted", function()
    local message, text = made({ eventType = "a", payload = { a = 1 } }, nil, "?with_content=false")
    assert.matches('"payload":{}', text, 1, true)
    local _, _, shown = call("GET", "/app/acme/msg/" .. message.id .. "?with_content=false")
    assert.matches('"payload":{}', shown, 1, true)
    assert.same({ a = 1 }, call("GET", "/app/acme/msg/" .. message.id).payload)
  end)

  it("takes what older clients call its payload, and nulls as not given", function()
    assert.same({ a = 1 }, made({ eventType = "a", data = { a = 1 } }).payload)
    local message = made('{"eventType":"a","payload":{},"eventId":null,"channels":null,"application":null,'
      .. '"deliverAt":null,"payloadRetentionHours":null}')
    assert.is_nil(message.eventId)
    assert.is_nil(message.channels)
  end)

  it("says how deep a payload may be", function()
    local function nested(depth) -- the body is one, and each payload
      return '{"eventType":"a","payload":' .. ('{"a":'):rep(depth - 2) .. "{}" .. ("}"):rep(depth - 1)
    end
    made(nested(128))
    local answer = publish(nested(129))
    assert.same({ "body" }, answer.detail[1].loc)
    assert.matches("at most 128 deep", answer.detail[1].msg, 1, true)
  end)

  it("takes a payload that is sent byte for byte, and shows none", function()
    local message, text = made { eventType = "a", payload = { a = 1 },
      transformationsParams = { rawPayload = "<x/>" } }
    assert.matches('"payload":{}', text, 1, true)
    local _, _, shown = call("GET", "/app/acme/msg/" .. message.id)
    assert.equal(text, shown)
    assert.equal("body transformationsParams rawPayload",
      wrong { eventType = "a", payload = { a = 1 }, transformationsParams = { rawPayload = 5 } })
    for _, type in ipairs { "", "a/b\r\nx: y", " a/b", "\195\169", "a\0b" } do
      assert.equal("body transformationsParams headers", (wrong { eventType = "a", payload = { a = 1 },
        transformationsParams = { rawPayload = "", headers = { ["content-type"] = type } } }))
    end
  end)

  local long, channel = ("t"):rep(256), ("c"):rep(128)
  local empty = setmetatable({}, { __jsontype = "object" })
  for place, bodies in pairs {
    ["body"] = { "", "{", "[]", '"x"', "null" },
    ["body eventType, body payload"] = { "{}" },
    ["body eventType"] = { { eventType = "", payload = empty }, { eventType = long .. "t", payload = empty },
      { eventType = "a b", payload = empty }, { eventType = 1, payload = empty } },
    ["body eventId"] = { { eventType = "a", payload = empty, eventId = "" },
      { eventType = "a", payload = empty, eventId = long .. "t" },
      { eventType = "a", payload = empty, eventId = "a/b" } },
    ["body channels"] = { { eventType = "a", payload = empty, channels = "eu" },
      '{"eventType":"a","payload":{},"channels":[]}', { eventType = "a", payload = empty, channels = { "a b" } },
      { eventType = "a", payload = empty, channels = { channel .. "c" } },
      { eventType = "a", payload = empty, channels = { "1", "2", "3", "4", "5", "6" } },
      { eventType = "a", payload = empty, channels = { 1 } },
      { eventType = "a", payload = empty, channels = { "a", "a" } } },
    ["body tags"] = { { eventType = "a", payload = empty, tags = { "" } } },
    ["body transformationsParams"] = { { eventType = "a", payload = empty, transformationsParams = 5 } },
    ["body payload"] = { { eventType = "a" }, { eventType = "a", payload = "x" }, { eventType = "a", payload = { 1 } },
      { eventType = "a", payload = json.null } },
    -- What would be promised and not done.
    ["body deliverAt"] = { { eventType = "a", payload = empty, deliverAt = "2030-01-01T00:00:00Z" } },
    ["body payloadRetentionHours"] = { { eventType = "a", payload = empty, payloadRetentionHours = 1 } },
    ["body payloadRetentionPeriod"] = { { eventType = "a", payload = empty, payloadRetentionPeriod = 4 },
      { eventType = "a", payload = empty, payloadRetentionPeriod = 91 },
      { eventType = "a", payload = empty, payloadRetentionPeriod = "9" } },
  } do
    it("is refused at " .. place, function()
      for _, body in ipairs(bodies) do assert.equal(place, wrong(body)) end
    end)
  end

  it("is taken at the bounds of its fields", function()
    made { eventType = long, eventId = long, payload = empty, payloadRetentionPeriod = 5,
      channels = { channel, "2", "3", "4", "5" } }
    made { eventType = "a", payload = empty, payloadRetentionPeriod = 90 }
    assert.equal(200, (select(2, call("GET", "/app/acme/msg/" .. long))))
    assert.equal("query with_content", wrong({ eventType = "a", payload = empty }, "?with_content=1"))
  end)

  it("may be as large as other events, and no larger", function()
    local room = MIB - #'{"a":""}'
    made { eventType = "a", payload = { a = ("x"):rep(room) } }
    local answer, status = publish { eventType = "a", payload = { a = ("x"):rep(room + 1) } }
    assert.same({ 413, "too_large" }, { status, answer.code })
    answer, status = publish { eventType = "a", payload = { a = ("x"):rep(2 * MIB + 65 * KIB) } }
    assert.same({ 413, "body_too_large" }, { status, answer.code })
  end)

  it("has an eventId that no other of its application has", function()
    made { eventType = "a", eventId = "once", payload = empty }
    local answer, status = publish { eventType = "b", eventId = "once", payload = empty }
    assert.same({ 409, "conflict" }, { status, answer.code })
    assert.equal(202, (select(2, call("POST", "/app/other/msg",
      { eventType = "a", eventId = "once", payload = empty }))))
  end)

  it("is made once by one idempotency key, whatever else the repeats say", function()
    local key = { ["Idempotency-Key"] = "k-1" }
    local first, text = made({ eventType = "a", payload = { a = 1 } }, key)
    local _, again = made({ eventType = "b", eventId = "k", payload = { b = 1 } }, key)
    assert.equal(text, again)
    assert.equal(404, (select(2, call("GET", "/app/acme/msg/k"))))
    assert.not_equal(first.id, made({ eventType = "a", payload = { a = 1 } }, { ["Idempotency-Key"] = "k-2" }).id)
    local other = call("POST", "/app/other/msg", { eventType = "a", payload = empty }, key)
    assert.not_equal(first.id, other.id)
  end)

  it("may bring its application", function()
    local body = { eventType = "a", payload = empty, application = { name = "New", uid = "new", throttleRate = 5 } }
    local answer, status = call("POST", "/app/newer/msg", { eventType = "a", payload = empty })
    assert.same({ 404, "not_found" }, { status, answer.code })
    answer, status = call("POST", "/app/newer/msg", body)
    assert.same({ 422, { "body", "application", "uid" } }, { status, answer.detail[1].loc })
    body.application.uid = nil
    answer, status = call("POST", "/app/newer/msg", body)
    assert.same({ 422, { "body", "application", "uid" } }, { status, answer.detail[1].loc })
    body.application = { uid = "newer", throttleRate = 0 }
    answer, status = call("POST", "/app/newer/msg", body)
    assert.same({ 422, { "body", "application", "name" }, { "body", "application", "throttleRate" } },
      { status, answer.detail[1].loc, answer.detail[2].loc })
    assert.equal(404, (select(2, call("GET", "/app/newer"))))
    body.application = { name = "New", uid = "newer" }
    answer, status = call("POST", "/app/newer/msg", body)
    assert.equal(202, status)
    assert.equal("New", call("GET", "/app/newer").name)
    assert.equal(answer.id, call("GET", "/app/newer/msg/" .. answer.id).id)
    body.application = { name = "Ignored", uid = "other" }
    assert.equal(202, (select(2, call("POST", "/app/newer/msg", body))))
  end)

  it("is of the application that has the name now", function()
    local body = { eventType = "a", payload = empty }
    local first = call("POST", "/app", { name = "First", uid = "name" })
    local message = call("POST", "/app/name/msg", body)
    assert.equal(200, (select(2, call("GET", "/app/" .. first.id .. "/msg/" .. message.id))))
    call("PATCH", "/app/name", { uid = "renamed" })
    assert.equal(404, (select(2, call("POST", "/app/name/msg", body))))
    local second = call("POST", "/app", { name = "Second", uid = "name" })
    message = call("POST", "/app/name/msg", body)
    assert.equal(200, (select(2, call("GET", "/app/" .. second.id .. "/msg/" .. message.id))))
    call("DELETE", "/app/name")
    assert.equal(404, (select(2, call("POST", "/app/name/msg", body))))
    assert.equal(404, (select(2, call("POST", "/app/" .. second.id .. "/msg", body))))
  end)

  it("is its application's alone", function()
    local message = made { eventType = "a", eventId = "own", payload = empty }
    local _, _, unknown = call("GET", "/app/other/msg/msg_00000000000")
    for _, name in ipairs { message.id, "own" } do
      local _, status, text = call("GET", "/app/other/msg/" .. name)
      assert.same({ 404, unknown }, { status, text })
    end
  end)
end)
