-- SPDX-License-Identifier: MIT
-- What the admin listener holds for its clients is bounded, whoever they say they are.
local Server = require "support.server"
local http = require "support.http"
local resources = require "support.resources"
local wait = require "support.wait"

local BODY_BYTES = 2 * 1048576 + 65536 -- of a message, at most
local OPEN_BYTES = 64 * 1048576        -- of all bodies together

describe("bodies that are open at the admin listener", function()
  local server, call

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    call("POST", "/app", { name = "Acme", uid = "acme" })
  end)
  lazy_teardown(function() server:close() end)

  -- With a token that looks like a minted one: it is proven only behind the body.
  local function begin()
    local connection = http.open(server.admin_port)
    connection:send(("POST /api/v1/app/acme/msg HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
      .. "anzol_%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{"):format(
      ("A"):rep(43), BODY_BYTES))
    return connection
  end

  it("have 64 MiB together, and one more is told to come again", function()
    local open = {}
    for i = 1, OPEN_BYTES // BODY_BYTES do open[i] = begin() end
    wait.until_true("the last one is refused", 5000, function()
      local one_more = begin()
      one_more.line:settimeout(0.2)
      local answer = one_more:receive()
      one_more:close()
      return answer and answer.status == 503
    end)
    -- What needs no body goes on.
    assert.equal(200, (select(2, call("GET", "/app"))))
    for _, connection in ipairs(open) do connection:close() end
    wait.until_true("there is room again", 5000, function()
      return (select(2, call("POST", "/app/acme/msg", { eventType = "a.b", payload = { a = 1 } }))) == 202
    end)
  end)
end)
