-- SPDX-License-Identifier: MIT
-- What an attempt looks like on the wire (core/send): methods, the trace that goes along.
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
