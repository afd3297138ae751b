-- SPDX-License-Identifier: MIT
-- anzol.testing: requests as they would go out.
local rig = require "lua.testing_rig"

local forward, test = rig.forward, rig.test

describe("anzol.testing shows a request", function()
  after_each(rig.finish)

  local ID = "4bf92f3577b34da6a3ce929d0e0e4736"
  local TRACE = "00-" .. ID .. "-00f067aa0ba902b7-01"

  it("with the trace of its event", function()
    local t = test(forward)
    t:receive("in", { json = { type = "a" },
      headers = { traceparent = TRACE, tracestate = "vendor=1" } })
    local headers = t:delivery("out").request.headers
    assert.equal(ID, headers.traceparent:match "^00%-(%x+)%-%x+%-01$")
    assert.are_not.equal(TRACE, headers.traceparent)
    assert.equal("vendor=1", headers.tracestate)
    t:close()
  end)

  it("with the trace also of a message of its own, and of what follows from its death", function()
    local t = test [[
      anzol.on("a", function(event) event:send("out", { json = { n = 1 } }) end)
      anzol.on("anzol.delivery.dead", function(event)
        event.log.info("dead", { trace = event.trace.trace_id })
      end)]]
    t:answer_always("out", 500)
    t:receive("in", { json = { type = "a" },
      headers = { traceparent = TRACE, tracestate = "vendor=1" } })
    local headers = t:delivery("out").request.headers
    assert.equal(ID, headers.traceparent:match "^00%-(%x+)%-")
    assert.equal("vendor=1", headers.tracestate)
    t:advance "1h"
    assert.equal(ID, t.logs[1].fields.trace)
    assert.equal(1, #t.dead_letters)
    t:close()
  end)

  for what, handler in pairs { ["sends a message about"] = 'event:send("out", { json = { n = 2 } })',
    forwards = 'event:send "out"' } do
    it("with the trace also where a handler " .. what .. " an event that another emitted", function()
      local t = test([[
        anzol.on("a", function(event) event:emit("b", { n = 1 }) end)
        anzol.on("b", function(event) ]] .. handler .. " end)")
      t:receive("in", { json = { type = "a" },
        headers = { traceparent = TRACE, tracestate = "vendor=1,other=2" } })
      local headers = t:delivery("out").request.headers
      assert.equal(ID, headers.traceparent:match "^00%-(%x+)%-%x+%-01$")
      assert.equal("vendor=1,other=2", headers.tracestate)
      t:close()
    end)
  end

  it("with any method", function()
    local t = test [[anzol.on("a", function(event) event:send("out", { json = {}, method = "PROPFIND" }) end)]]
    t:receive("in", { json = { type = "a" } })
    assert.equal("PROPFIND", t:delivery("out").request.method)
    t:close()
  end)

  local LARGE = ("x"):rep(2000)

  it("compressed as it goes over the wire, and as it was before", function()
    local t = test [[
      anzol.endpoint("zip", { url = "https://zip.example/", sign = false, compress = "gzip" })
      anzol.on("a", function(event) event:send("zip", { json = { type = "b", text = event.data.text } }) end)
      anzol.on("b", function(event) event.log.info("inflated", { bytes = #event.data.text }) end)
    ]]
    t:receive("in", { json = { type = "a", text = LARGE } })
    local request = t:delivery("zip").request
    assert.equal("gzip", request.headers["content-encoding"])
    assert.equal(LARGE, request.json.text)
    assert.is_true(#request.raw_body < 200)
    t:receive("in", { body = request.raw_body,
      headers = { ["content-encoding"] = "gzip", ["content-type"] = "application/json" } })
    assert.equal(tostring(#LARGE), t.logs[1].fields.bytes)
    t:close()
  end)

  it("as a CloudEvent", function()
    local t = test [[
      anzol.endpoint("binary", { url = "https://ce.example/", sign = false, cloudevents = { source = "/shop" } })
      anzol.endpoint("structured", { url = "https://ce.example/", sign = false,
        cloudevents = { source = "/shop", mode = "structured" } })
      anzol.on("a", function(event) event:send({ "binary", "structured" }, { json = { n = 1 } }) end)
    ]]
    t:receive("in", { json = { type = "a" } })
    local binary, structured = t:delivery "binary", t:delivery("structured").request
    assert.equal("a", binary.request.headers["ce-type"])
    assert.equal(binary.message_id, binary.request.headers["ce-id"])
    assert.equal(1, binary.request.json.n)
    assert.equal(1, structured.json.data.n)
    assert.equal(binary.message_id, structured.json.id)
    assert.equal("2026-01-05T09:00:00.000Z", structured.json.time)
    t:close()
  end)
end)

describe("anzol.testing says who we are", function()
  after_each(rig.finish)

  local function authorization(auth, message)
    local t = test(([[
      anzol.endpoint("api", { url = "https://api.example/", sign = false, auth = %s })
      anzol.on("a", function(event) event:send("api", %s) end)]]):format(auth, message or "nil"),
      { secrets = { TOKEN = "t0ken", PASSWORD = "pass" } })
    t:receive("in", { json = { type = "a" } })
    return t:delivery("api").request.headers.authorization, t
  end

  it("with a token, or a user and a password", function()
    assert.equal("Bearer t0ken", (authorization '{ bearer = anzol.secret "TOKEN" }'))
    assert.equal("Basic YW5hOnBhc3M=", (authorization '{ basic = { "ana", anzol.secret "PASSWORD" } }'))
  end)

  local oauth = [[{ oauth2 = { token_url = "https://id.example/token", client_id = "id",
    client_secret = anzol.secret "TOKEN", scope = "a b", audience = "x" } }]]

  it("with a token of OAuth 2 that stands for the real one", function()
    local header, t = authorization(oauth)
    assert.equal("Bearer test-token", header)
    assert.same({}, t.calls)
    t:close()
  end)

  it("unless the message says it itself", function()
    assert.equal("Own", (authorization(oauth, '{ json = 1, headers = { Authorization = "Own" } }')))
  end)

  it("or fails as if no token came", function()
    local t = test(([[
      anzol.endpoint("api", { url = "https://api.example/", sign = false, auth = %s,
        retry = function(attempt) if attempt.error == "auth" then return 5 end end })
      anzol.on("a", function(event) event:send("api") end)]]):format(oauth), { secrets = { TOKEN = "x" } })
    t:answer("api", { error = "auth" }, 200)
    t:receive("in", { json = { type = "a" } })
    t:advance "5s"
    assert.equal("succeeded", t:delivery("api").state)
    t:close()
  end)
end)

describe("anzol.testing goes on with an answer", function()
  after_each(rig.finish)

  local script = [[
    anzol.endpoint("crm", { url = "https://crm.example/", sign = false, tell_success = true })
    anzol.on("a", function(event) event:send({ "crm", "out" }) end)
    anzol.on("anzol.delivery.succeeded", { name = "next" }, function(event)
      assert(event.source == "anzol")
      event:send("out", { json = event.data })
    end)]]

  local function told(answer)
    local t = test(script)
    t:answer("crm", 503, answer)
    t:receive("in", { json = { type = "a" } })
    assert.equal(2, #t.deliveries)
    t:advance "10m"
    assert.equal(3, #t.deliveries)
    return t.deliveries[3].request.json, t
  end

  it("in an event of its own, once it went well", function()
    local data, t = told { status = 201, json = { id = 7 },
      headers = { ["X-Request-Id"] = "r1", ["Set-Cookie"] = "secret" } }
    local crm = t:delivery "crm"
    assert.same({ endpoint = "crm", status = 201, attempts = 2, body = '{"id":7}', json = { id = 7 },
      type = "a", is_cut = false, delivery_id = crm.id, message_id = crm.message_id,
      event_id = crm.event_id,
      headers = { ["x-request-id"] = "r1", ["content-type"] = "application/json" } }, data)
    assert.equal(crm.event_id, t.events[2].parent_id)
    t:close()
  end)

  it("that is no text, and one that only says that it is JSON", function()
    assert.equal("/w==", (told { status = 200, body = "\255" }).body_base64)
    local data = told { status = 200, body = "{oops", headers = { ["Content-Type"] = "application/json" } }
    assert.equal("{oops", data.body)
    assert.is_nil(data.json)
  end)

  it("until the chain is too deep", function()
    local t = test [[
      anzol.endpoint("crm", { url = "https://crm.example/", sign = false, tell_success = true })
      anzol.on("a", function(event) event:send("crm") end)
      anzol.on("anzol.delivery.succeeded", function(event) event:send("crm") end)]]
    t:receive("in", { json = { type = "a" } })
    assert.equal(17, #t.deliveries)
    t:close()
  end)
end)
