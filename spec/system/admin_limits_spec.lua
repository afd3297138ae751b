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

  it("have 64 MiB together, 48 behind tokens that may be made up, and one more is told to come again", function()
    local open = {}
    for i = 1, OPEN_BYTES // BODY_BYTES do open[i] = begin() end
    wait.until_true("the last one is refused", 5000, function()
      local one_more = begin()
      one_more.line:settimeout(0.2)
      local answer = one_more:receive()
      one_more:close()
      return answer and answer.status == 503
    end)
    -- What needs no body goes on; and bodies of the admin's, for which a quarter is left.
    assert.equal(200, (select(2, call("GET", "/app"))))
    local large = { eventType = "a.b", payload = { a = ("x"):rep(1000000) } }
    assert.equal(202, (select(2, call("POST", "/app/acme/msg", large))))
    for _, connection in ipairs(open) do connection:close() end
    wait.until_true("there is room again", 5000, function()
      return (select(2, call("POST", "/app/acme/msg", { eventType = "a.b", payload = { a = 1 } }))) == 202
    end)
  end)
end)

describe("connections at the admin listener", function()
  local CONNECTIONS = 192 -- of one address
  local server

  before_each(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
  end)
  after_each(function() server:close() end)

  -- The status; nil: it was not let in.
  local function ask(from)
    local ok, answer = pcall(function()
      local connection = http.open(server.admin_port, 5, from)
      connection:send(http.format { method = "GET", path = "/api/v1/app",
        headers = { Authorization = "Bearer " .. server.token } })
      local answer = connection:receive()
      connection:close()
      return answer
    end)
    return ok and answer and answer.status or nil
  end

  it("that say nothing whole keep nobody out: not from elsewhere, and not for long from the same address", function()
    local open = {}
    for i = 1, CONNECTIONS + 10 do
      open[i] = http.open(server.admin_port)
      open[i]:send "GET /api/v1/app HTTP/1.1\r\nHost: localhost\r\n"
    end
    assert.equal(200, ask "127.0.0.2")
    wait.until_true("a request of the same address", 5000, function() return ask() == 200 end)
    for _, connection in ipairs(open) do connection:close() end
  end)
end)

describe("wrong tokens at the admin listener", function()
  local FAILURES = 10
  local server

  local function ask(token, client)
    return http.request({ port = server.admin_port, method = "GET", path = "/api/v1/app",
      headers = { Authorization = "Bearer " .. token, ["X-Forwarded-For"] = client } }).status
  end
  local function start(settings)
    server = Server.start { scripts = { ["main.lua"] = "" }, settings = settings }
    for _ = 1, FAILURES do ask("wrong", "192.0.2.1") end
    assert.equal(429, ask(server.token, "192.0.2.1"))
  end
  after_each(function() server:close() end)

  it("that come through a trusted proxy keep out who sent them, and nobody else behind it", function()
    start 'return { trusted_proxies = { "127.0.0.1" } }'
    assert.equal(200, ask(server.token, "192.0.2.2"))
  end)

  it("are their connection's, whatever the client says of itself", function()
    start()
    assert.equal(429, ask(server.token, "192.0.2.2"))
  end)
end)
