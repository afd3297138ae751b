-- SPDX-License-Identifier: MIT
-- What an attempt looks like on the wire (core/send): methods, the trace that goes along, gzip,
-- CloudEvents.
local rigs = require "core.send_rig"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer

describe("a method", function()
  for _, method in ipairs { "OPTIONS", "PROPFIND", "M-SEARCH", "x!#$%&'*+-.^_`|~", ("X"):rep(32) } do
    it("may be any token: " .. method, with(function(rig)
      local server = rig:server(function() return ok() end)
      rig:endpoint { url = server.url, method = method }
      rig:commit { body = "body" }
      rig:settle()
      local head = server.requests[1].head
      assert.equal(method .. " /hook HTTP/1.1", head:match "^[^\r]*")
      assert.equal("body", server.requests[1].body)
    end))
  end

  it("longer than that is no attempt", with(function(rig)
    local made = rig:first_attempt(function() return ok() end, { method = ("X"):rep(33) })
    assert.equal("script", made.error)
    assert.matches("at most 32 bytes", made.detail)
  end))

  it("HEAD takes no body along, and the next request is whole again", with(function(rig)
    local server = rig:server(function(request)
      return request.head:find "^HEAD" and "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" or ok()
    end)
    rig:endpoint { url = server.url }
    rig:commit { body = "body", headers = { { ":method", "HEAD" } } }
    rig:settle()
    rig:commit { body = "body" }
    rig:settle()
    assert.equal("", server.requests[1].body)
    assert.is_nil(rigs.headers(server.requests[1])["content-length"])
    assert.equal("body", server.requests[2].body)
    assert.equal("succeeded", rig.rig:rows()[1].state)
  end))
end)

describe("the trace of an event", function()
  local ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
  local TRACE = "00-" .. ID .. "-" .. SPAN .. "-01"

  -- The headers of each attempt of one message.
  local function sent(rig, message, spec, attempts)
    local server = rig:server(function(_, it)
      return #it.requests < (attempts or 1) and answer(503) or ok()
    end)
    spec = spec or {}
    spec.url = server.url
    rig:endpoint(spec)
    rig:commit(message)
    rig:settle()
    local list = {}
    for i, request in ipairs(server.requests) do list[i] = rigs.headers(request) end
    return list
  end

  it("goes along with a span of each attempt's own", with(function(rig)
    local list = sent(rig, { trace = TRACE }, nil, 2)
    local spans = {}
    for i = 1, 2 do
      local id, span, flags = list[i].traceparent:match "^00%-(%x+)%-(%x+)%-(%x+)$"
      assert.equal(ID, id)
      assert.equal("01", flags)
      assert.are_not.equal(SPAN, span)
      spans[i] = span
    end
    assert.are_not.equal(spans[1], spans[2])
  end))

  it("stays at home when the message or the endpoint has one of its own", with(function(rig)
    local own = { { "Traceparent", "mine" } }
    local first = sent(rig, { trace = TRACE, headers = own })[1]
    assert.equal("mine", first.traceparent)
    local second = sent(rig, { trace = TRACE }, { headers = own })[1]
    assert.equal("mine", second.traceparent)
  end))

  it("is not made up for a message that has none", with(function(rig)
    assert.is_nil(sent(rig, {})[1].traceparent)
  end))

  it("takes along what other tracers said, of the message or of the forwarded event", with(function(rig)
    local of_message = sent(rig, { trace = TRACE, headers = { { ":tracestate", "a=1,b=2" } } })[1]
    assert.equal("a=1,b=2", of_message.tracestate)
    local forwarded = { trace = TRACE, forwarded = true,
      headers = { { "traceparent", TRACE }, { "TraceState", "c=3" } } }
    assert.equal("c=3", sent(rig, forwarded)[1].tracestate)
  end))

  it("takes no tracestate along that came without a trace", with(function(rig)
    local message = { trace = TRACE, forwarded = true, headers = { { "tracestate", "c=3" } } }
    assert.is_nil(sent(rig, message)[1].tracestate)
  end))
end)

-- The one request of a message, with its headers.
local function request_of(rig, message, spec)
  local server = rig:server(function() return ok() end)
  spec = spec or {}
  spec.url = server.url
  rig:endpoint(spec)
  rig:commit(message)
  rig:settle()
  return server.requests[1], server.requests[1] and rigs.headers(server.requests[1])
end

describe("a body of an endpoint that takes gzip", function()
  local plain = ("0123456789"):rep(103):sub(1, 1024)

  it("is compressed when it has 1024 bytes", with(function(rig)
    local request, headers = request_of(rig, { body = plain }, { compress = true })
    assert.equal("gzip", headers["content-encoding"])
    assert.equal("\31\139", request.body:sub(1, 2))
    assert.is_true(#request.body < 100)
    assert.equal(tostring(#request.body), headers["content-length"])
  end))

  for name, case in pairs {
    ["one byte less"] = { body = plain:sub(2) },
    ["a coding already"] = { body = plain, headers = { { "Content-Encoding", "br" } } },
    ["a forwarded coding"] = { body = plain, forwarded = true, headers = { { "Content-Encoding", "gzip" } } },
  } do
    it("goes out as it is with " .. name, with(function(rig)
      local request = request_of(rig, case, { compress = true })
      assert.equal(case.body, request.body)
    end))
  end

  it("goes out as it is if it would not become smaller", with(function(rig)
    local state, bytes = 88172645463325252, {}
    for i = 1, 4096 do
      state = state ~ (state << 13)
      state = state ~ (state >> 7)
      state = state ~ (state << 17)
      bytes[i] = string.char(state >> 32 & 255)
    end
    local body = table.concat(bytes)
    local request, headers = request_of(rig, { body = body }, { compress = true })
    assert.equal(body, request.body)
    assert.is_nil(headers["content-encoding"])
  end))

  it("is signed as it was before", with(function(rig)
    local signature = require "anzol_test.signature"
    local secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    local _, headers = request_of(rig, { body = plain }, { compress = true, sign = secret })
    assert.equal("gzip", headers["content-encoding"])
    local list = {}
    for _, name in ipairs { "webhook-id", "webhook-timestamp", "webhook-signature" } do
      list[#list + 1] = { name, headers[name] }
    end
    assert.is_true((signature.verify({ kind = "standard", secrets = { secret } }, list, plain,
      tonumber(headers["webhook-timestamp"]) * 1000)))
  end))
end)

describe("a CloudEvent", function()
  local json = require "dkjson"
  local BINARY, STRUCTURED = 1, 2
  local type_json = { "Content-Type", "application/json" }

  local function sent(rig, mode, message)
    return request_of(rig, message, { cloudevents = mode, source = "/orders" })
  end

  it("in binary mode is the body as it is, with its attributes in headers", with(function(rig)
    local request, headers = sent(rig, BINARY, { body = '{"a": 1}', headers = { type_json } })
    assert.equal('{"a": 1}', request.body)
    assert.equal("application/json", headers["content-type"])
    assert.equal("1.0", headers["ce-specversion"])
    assert.equal(rig.rig:rows()[1].message, headers["ce-id"])
    assert.equal("/orders", headers["ce-source"])
    assert.equal("spec.message", headers["ce-type"])
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", headers["ce-time"])
  end))

  it("has the attributes that the message gives", with(function(rig)
    local own = { { "CE-Type", "other" }, { "ce-subject", "7" } }
    local _, headers = sent(rig, BINARY, { headers = own })
    assert.equal("other", headers["ce-type"])
    assert.equal("7", headers["ce-subject"])
    local request = sent(rig, STRUCTURED, { headers = own })
    local event = json.decode(request.body)
    assert.equal("other", event.type)
    assert.equal("7", event.subject)
    assert.equal("1.0", event.specversion)
  end))

  it("in structured mode is one JSON object", with(function(rig)
    local request, headers = sent(rig, STRUCTURED, { body = '{"a": [1, "é"]}', headers = { type_json,
      { "X-Other", "stays" } } })
    assert.equal("application/cloudevents+json; charset=utf-8", headers["content-type"])
    assert.equal("stays", headers["x-other"])
    assert.is_nil(headers["ce-id"])
    local event = json.decode(request.body)
    assert.same({ specversion = "1.0", id = rig.rig:rows()[1].message, source = "/orders",
      type = "spec.message", time = event.time, datacontenttype = "application/json",
      data = { a = { 1, "é" } } }, event)
    assert.truthy(request.body:find('"data":{"a": [1, "é"]}', 1, true))
  end))

  for content_type, body in pairs {
    ["application/octet-stream"] = "\0\255",
    ["text/plain"] = "words",
    ["application/json"] = "{no json",
    ["application/problem+jsonx"] = "{}",
  } do
    it("of " .. content_type .. " has its data in base64", with(function(rig)
      local request = sent(rig, STRUCTURED, { body = body, headers = { { "Content-Type", content_type } } })
      local event = json.decode(request.body)
      assert.is_nil(event.data)
      assert.equal(content_type, event.datacontenttype)
      assert.equal((require "mime").b64(body), event.data_base64)
    end))
  end

  it("of a type that ends with +json has its data as it is", with(function(rig)
    local request = sent(rig, STRUCTURED, { body = "[1]",
      headers = { { "Content-Type", "application/problem+JSON ; charset=utf-8" } } })
    assert.same({ 1 }, json.decode(request.body).data)
  end))

  it("without a body has no data", with(function(rig)
    local event = json.decode(sent(rig, STRUCTURED, { body = "" }).body)
    assert.is_nil(event.data or event.data_base64 or event.datacontenttype)
  end))

  it("is not made of a compressed body in structured mode", with(function(rig)
    rig:endpoint { url = "http://127.0.0.1:9/", cloudevents = STRUCTURED, source = "/", attempts = 1 }
    rig:commit { body = "zip", forwarded = true, headers = { { "Content-Encoding", "gzip" } } }
    local made = rig:settle()[1].attempts[1]
    assert.equal("script", made.error)
    assert.matches("binary mode", made.detail)
  end))
end)

describe("anzol-hops", function()
  -- headers of the message's own bytes or of the forwarded ones, what goes out (nil: nothing).
  for _, case in ipairs {
    { {}, false }, { { { ":hops", "3" } }, false, "4" }, { { { "User-Agent", "Other" } }, false, "1" },
    { { { "Anzol-Hops", "15" } }, true, "16" }, { { { "anzol-hops", "99999" } }, true },
    { { { "anzol-hops", "-1" } }, true }, { { { "user-agent", "Anzol/1.2" } }, true, "2" },
    { { { "user-agent", "Anzol/1.2" }, { "anzol-hops", "7" } }, true, "8" },
  } do
    it(("is %s after %s%s"):format(case[3] or "left out", case[1][1] and case[1][1][2] or "nothing",
      case[2] and ", forwarded" or ""), with(function(rig)
      local server = rig:server(function() return ok() end)
      rig:endpoint { url = server.url }
      rig:commit { body = "x", headers = case[1], forwarded = case[2] }
      rig:settle()
      assert.equal(case[3], rigs.headers(server.requests[1])["anzol-hops"])
    end))
  end
end)
