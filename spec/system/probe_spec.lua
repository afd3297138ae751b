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

local probes = require "support.probes" ("/in/open", "")
local post = "POST /in/open HTTP/1.1\r\nHost: x\r\n"
local smuggled = post .. "Content-Length: 8\r\n\r\nsmuggled"

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
