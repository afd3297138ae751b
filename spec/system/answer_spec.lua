-- SPDX-License-Identifier: MIT
-- What senders get: handshakes, answers of respond, addresses, rates; over real sockets.
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"

local script = [[
local anzol = require "anzol"
anzol.source("slack", {
  verify = function(req) return req.headers["x-sign"] == "good" end,
  respond = function(req)
    if req.json.type == "url_verification" then
      return { status = 200, json = { challenge = req.json.challenge }, store = false }
    end
  end,
  type = function(req) return "slack." .. req.json.event.type end,
})
anzol.source("meta", {
  verify = function() return false, "unsigned" end, type = "meta",
  challenge = function(req)
    if req.method == "GET" and req.query["hub.verify_token"] == "t0ken" then
      return { body = req.query["hub.challenge"] }
    end
    if req.method == "HEAD" or req.method == "OPTIONS" then return { status = 200 } end
  end,
})
anzol.source("made", { verify = anzol.verify.none(), type = "made",
  idempotency_key = function(req) return req.headers["x-key"] end,
  respond = function(req)
    return { status = 202, headers = { ["X-Made"] = "yes" }, body = "<Response/>" }
  end })
anzol.source("slow", { verify = anzol.verify.none(), type = "slow",
  respond = function(req)
    anzol.sleep(req.json.wait)
    return { body = "waited" }
  end })
anzol.source("near", { verify = anzol.verify.none(), type = "near", allow_from = { "203.0.113.0/24" } })
anzol.source("few", { verify = anzol.verify.none(), type = "few", rate_limit = "2/m" })
anzol.source("ip", { verify = anzol.verify.none(), type = "ip",
  respond = function(req) return { body = req.remote_ip } end })
]]

describe("a sender", function()
  local server
  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = script },
      args = { "--trusted-proxies", "127.0.0.0/8,198.51.100.0/24" } }
  end)
  lazy_teardown(function() server:close() end)

  local function ask(method, path, headers, body)
    return assert(http.request { port = server.port, method = method, path = path,
      headers = headers, body = body })
  end

  local function stored(source)
    return #server:list("/api/v1/event?source=" .. source)
  end

  it("gets its signed challenge back, at once, and no event is made of it", function()
    local answer = ask("POST", "/in/slack", { ["X-Sign"] = "good" },
      '{"type":"url_verification","challenge":"3eZbrw1aB"}')
    assert.equal(200, answer.status)
    assert.same({ challenge = "3eZbrw1aB" }, json.decode(answer.body))
    assert.equal("nosniff", answer.headers["x-content-type-options"])
    assert.equal(401, ask("POST", "/in/slack", {}, '{"type":"url_verification"}').status)
    assert.equal(0, stored "slack")
    assert.equal(200, ask("POST", "/in/slack", { ["X-Sign"] = "good" },
      '{"type":"event_callback","event":{"type":"app_mention"}}').status)
    assert.equal("slack.app_mention", server:list("/api/v1/event?source=slack")[1].type)
  end)

  it("gets an unsigned handshake answered, whatever its method", function()
    local answer = ask("GET", "/in/meta?hub.mode=subscribe&hub.verify_token=t0ken&hub.challenge=1158")
    assert.same({ 200, "1158", "text/plain; charset=utf-8" },
      { answer.status, answer.body, answer.headers["content-type"] })
    assert.same({ 200, "" }, { ask("HEAD", "/in/meta").status, ask("HEAD", "/in/meta").body })
    assert.equal(200, ask("OPTIONS", "/in/meta").status)
    local refused = ask("GET", "/in/meta?hub.verify_token=wrong")
    assert.same({ 405, "POST" }, { refused.status, refused.headers.allow })
    assert.equal(401, ask("POST", "/in/meta", {}, "{}").status)
    assert.equal(405, ask("GET", "/in/slack").status)
    assert.equal(0, stored "meta")
  end)

  it("gets what respond decided, once the event is stored, the second time too", function()
    for _ = 1, 2 do
      local answer = ask("POST", "/in/made", { ["X-Key"] = "k" }, "{}")
      assert.same({ 202, "<Response/>", "yes" }, { answer.status, answer.body, answer.headers["x-made"] })
    end
    assert.equal(1, stored "made")
  end)

  it("waits while respond waits, but not for ever", function()
    assert.equal("waited", ask("POST", "/in/slow", {}, '{"wait":0.05}').body)
    local answer = ask("POST", "/in/slow", {}, '{"wait":60}')
    assert.same({ 500, "script_error" }, { answer.status, json.decode(answer.body).code })
  end)

  it("may leave meanwhile", function()
    for _ = 1, 20 do
      local connection = http.open(server.port)
      connection:send("POST /in/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
        .. '{"wait":0.2}')
      connection:close()
    end
    assert.equal("waited", ask("POST", "/in/slow", {}, '{"wait":0.3}').body)
    -- Nothing of them is left: the server ends at once when it is asked to.
    local other = Server.start { scripts = { ["main.lua"] = script } }
    local connection = http.open(other.port)
    connection:send("POST /in/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
      .. '{"wait":0.2}')
    connection:close()
    assert.same({ "exit", 0 }, { other:stop() })
    other:close()
  end)

  it("is judged by its address, behind proxies that are trusted by what they say", function()
    local answer = ask("POST", "/in/near", {}, "{}")
    assert.same({ 403, "address_not_allowed" }, { answer.status, json.decode(answer.body).code })
    assert.equal(200, ask("POST", "/in/near", { ["X-Forwarded-For"] = "203.0.113.7" }, "{}").status)
    assert.equal(403, ask("POST", "/in/near", { ["X-Forwarded-For"] = "203.0.113.7, 192.0.2.1" }, "{}").status)
    for list, address in pairs {
      ["203.0.113.7"] = "203.0.113.7",
      ["10.1.1.1, 203.0.113.7"] = "203.0.113.7",
      ["203.0.113.7, 198.51.100.4"] = "203.0.113.7",
      ["203.0.113.7,198.51.100.4 , 127.0.0.9"] = "203.0.113.7",
      ["198.51.100.4"] = "198.51.100.4",
      ["2001:db8::1"] = "2001:db8::1",
      ["forged, not an address"] = "127.0.0.1",
      ["203.0.113.7, unknown"] = "127.0.0.1",
      [""] = "127.0.0.1",
    } do
      assert.equal(address, ask("POST", "/in/ip", { ["X-Forwarded-For"] = list }, "{}").body, list)
    end
  end)

  it("is told when it comes too often", function()
    local statuses, last = {}, nil
    for i = 1, 3 do
      last = ask("POST", "/in/few", {}, "{}")
      statuses[i] = last.status
    end
    assert.same({ 200, 429, 429 }, statuses)
    assert.equal(1, stored "few")
    assert.is_true(tonumber(last.headers["retry-after"]) > 0)
  end)
end)
