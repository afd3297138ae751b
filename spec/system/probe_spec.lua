-- SPDX-License-Identifier: MIT
-- F27: ambiguous and malformed requests at the public listener of the real program. Each has
-- another request pipelined behind it, which must not run. (spec/core has the whole list.)
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"

local scripts = { ["main.lua"] = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })
]] }

local smuggled = "POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nsmuggled"
local post = "POST /in/open HTTP/1.1\r\nHost: x\r\n"

local function to(path)
  return "POST " .. path .. " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
end

-- name, the request's bytes, the allowed statuses
local probes = {
  { "Content-Length with Transfer-Encoding",
    post .. "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
  { "two equal Content-Lengths", post .. "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400 },
  { "two different Content-Lengths",
    post .. "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400 },
  { "a Content-Length that is no number", post .. "Content-Length: +2\r\n\r\n{}", 400 },
  { "an unknown coding", post .. "Transfer-Encoding: gzip\r\n\r\n", 501, 400 },
  { "chunked twice", post .. "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, 501 },
  { "chunks in HTTP/1.0",
    "POST /in/open HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
  { "no Host", "POST /in/open HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400 },
  { "two Hosts", post .. "Host: y\r\nContent-Length: 2\r\n\r\n{}", 400 },
  { "a space before the colon", post .. "X-A : b\r\nContent-Length: 2\r\n\r\n{}", 400 },
  { "a control byte in a header", post .. "X-A: a\1b\r\nContent-Length: 2\r\n\r\n{}", 400 },
  { "%00 in the path", to "/in/open%00x", 400 },
  { "%2f in the path", to "/in%2fopen", 400 },
  { "dot segments", to "/in/../in/open", 400 },
  { "an unknown expectation", post .. "Expect: tea\r\nContent-Length: 2\r\n\r\n", 417 },
  { "CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400, 405 },
  { "a lower-case method", "post /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 405,
    400, 501 },
  { "a hundred and one headers", post .. ("X-A: b\r\n"):rep(101) .. "Content-Length: 2\r\n\r\n{}",
    431, 400 },
}

describe("at the public listener", function()
  local server

  lazy_setup(function() server = Server.start { scripts = scripts } end)
  lazy_teardown(function() if server then server:close() end end)

  for _, probe in ipairs(probes) do
    it(probe[1] .. " is refused, and nothing behind it runs", function()
      local answer, rest, is_closed = http.probe(server.port, probe[2] .. smuggled)
      assert.truthy(answer, "no answer")
      local is_allowed = false
      for i = 3, #probe do is_allowed = is_allowed or probe[i] == answer.status end
      assert(is_allowed, ("status %s: %s"):format(answer.status, answer.body))
      assert.is_true(is_closed, "the connection stayed open")
      assert.is_nil(rest:find("HTTP/1.1 2", 1, true), rest)
      assert.equal(0, server:event_count())
    end)
  end

  it("absolute form is taken as its path", function()
    local answer = http.probe(server.port, "POST http://some.host/in/open HTTP/1.1\r\nHost: "
      .. "some.host\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabs")
    assert.equal(200, answer.status)
    assert.equal("abs", server:get("/api/v1/event/" .. json.decode(answer.body).id).body)
  end)

  it("Expect: 100-continue is answered before the body is asked for", function()
    local connection = http.open(server.port)
    connection:send(post .. "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert.equal("HTTP/1.1 100 Continue", (connection.line:receive "*l"))
    connection.line:receive "*l"
    connection:send "body"
    assert.equal(200, connection:receive().status)
    connection:close()
  end)

  it("pipelined requests are answered in order", function()
    local connection = http.open(server.port)
    connection:send(http.format { path = "/in/open", body = "first" }
      .. http.format { path = "/in/open", body = "second" })
    for _, body in ipairs { "first", "second" } do
      local id = json.decode(connection:receive().body).id
      assert.equal(body, server:get("/api/v1/event/" .. id).body)
    end
    connection:close()
  end)
end)
