-- SPDX-License-Identifier: MIT
-- The way of one webhook through the real program, and what it refuses on the way in.
local Receiver = require "support.receiver"
local Server = require "support.server"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local scripts = require "support.scripts"
local sign = require "support.sign"
local wait = require "support.wait"

local script = [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing", max_body = "64KiB",
  status = 202 })
anzol.endpoint("signed", { url = "$URL/signed", allow_private = true,
  sign = anzol.sign.standard { secret = anzol.secret "OUT" } })
anzol.endpoint("raw", { url = "$URL/raw", allow_private = true, sign = false })
anzol.on("github.push", function(event)
  local push = event.data
  event:send("signed", {
    json = { ref = push.ref, id = push.id, none = push.none, list = push.list } })
end)
anzol.on("github.issues", function(event) event:send "raw" end)
]]

describe("a webhook", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function post(body, event, key, headers)
    local all = sign.github_headers(scripts.github_secret, body, event, key)
    for name, value in pairs(headers or {}) do all[name] = value end
    return server:post("/in/github", body, all)
  end

  -- The next request at the receiver.
  local function arrival(before)
    receiver:await(before + 1)
    return receiver:take()[1]
  end

  it("goes all the way: kept, decided in Lua, signed, sent", function()
    local before = receiver:total()
    local body = '{"ref":"refs/heads/main","id":9007199254740993,"none":null,"list":[]}'
    local answer = post(body, "push", "way-1")
    assert.equal(200, answer.status)
    local id = json.decode(answer.body).id
    assert.matches("^evt_%w%w%w%w%w%w%w%w%w%w%w$", id)

    local got = arrival(before)
    assert.equal("/signed", got.path)
    assert.equal("application/json", got.headers["content-type"]:match "^[^;]+")
    for _, part in ipairs { '"ref":"refs/heads/main"', '"id":9007199254740993', '"none":null',
      '"list":[]' } do
      assert.truthy(got.body:gsub(": ", ":"):find(part, 1, true), part .. " is not in " .. got.body)
    end
    assert.matches("^msg_%w+$", got.headers["webhook-id"])
    assert.equal(sign.standard(scripts.out_secret, got.headers["webhook-id"],
      got.headers["webhook-timestamp"], got.body), got.headers["webhook-signature"])
  end)

  it("is shown by the admin API with its delivery and attempt", function()
    local before = receiver:total()
    local id = json.decode(post('{"ref":"x"}', "push", "shown-1").body).id
    local got = arrival(before)
    local delivery = wait.until_true("the delivery succeeded", 5000, function()
      local page = server:get("/api/v1/delivery?event=" .. id)
      return page.data[1] and page.data[1].state == "succeeded" and page.data[1]
    end)
    assert.equal("signed", delivery.endpoint)
    assert.equal(got.headers["webhook-id"], delivery.messageId)
    local attempts = server:get("/api/v1/delivery/" .. delivery.id).attempts
    assert.equal(1, #attempts)
    assert.equal(200, attempts[1].status)
    assert.is_true(attempts[1].durationMs >= 0)
    local event = server:get("/api/v1/event/" .. id)
    assert.same({ "github.push", "github", "handled", "shown-1" },
      { event.type, event.source, event.state, event.idempotencyKey })
    assert.equal('{"ref":"x"}', event.body)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", event.receivedAt)
  end)

  it("is forwarded byte for byte, whatever the bytes", function()
    local before = receiver:total()
    local body = '{ "a":1.0,\n\t"a" : 2e3, "é":"\\u0000", "b":[ ] }\r\n' .. ("\0\255"):rep(100)
    local answer = post(body, "issues", "bytes-1", { ["Content-Type"] = "text/weird; a=b" })
    assert.equal(200, answer.status)
    local got = arrival(before)
    assert.equal(body, got.body)
    assert.equal("text/weird; a=b", got.headers["content-type"])
    assert.is_nil(got.headers["webhook-signature"])
  end)

  it("keeps its content encoding when it is forwarded", function()
    local before = receiver:total()
    local body = "\31\139\8\0not really gzip"
    assert.equal(200, post(body, "issues", "gz-1", { ["Content-Encoding"] = "gzip" }).status)
    local got = arrival(before)
    assert.equal(body, got.body)
    assert.equal("gzip", got.headers["content-encoding"])
  end)

  it("that comes twice under one key is one event", function()
    local before = receiver:total()
    local first = json.decode(post('{"ref":"a"}', "push", "twice-1").body)
    local second = json.decode(post('{"ref":"a"}', "push", "twice-1").body)
    assert.is_nil(first.duplicate)
    assert.same({ id = first.id, duplicate = true }, second)
    arrival(before)
    assert.equal(1, #server:get("/api/v1/delivery?event=" .. first.id).data)
  end)

  it("without a subscription is kept and finished at once", function()
    local answer = server:post("/in/open", "hello", { ["Content-Type"] = "text/plain" })
    assert.equal(202, answer.status)
    local event = server:get("/api/v1/event/" .. json.decode(answer.body).id)
    assert.same({ "open.thing", "handled", "hello" }, { event.type, event.state, event.body })
  end)

  it("comes in chunks too", function()
    local connection = http.open(server.port)
    connection:send "POST /in/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection:send "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    local id = json.decode(connection:receive().body).id
    connection:close()
    assert.equal("hello world", server:get("/api/v1/event/" .. id).body)
  end)
end)

describe("a request that is refused", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  local function refused(status, answer)
    assert.equal(status, answer.status)
    assert.matches("^application/json", answer.headers["content-type"])
    local body = json.decode(answer.body)
    assert.equal("string", type(body.code))
    assert.equal("string", type(body.detail))
    assert.equal(0, server:event_count())
    return answer
  end

  it("with a bad signature: 401", function()
    local headers = sign.github_headers("another secret", "{}", "push", "k")
    refused(401, server:post("/in/github", "{}", headers))
  end)

  it("without a signature: 401", function()
    refused(401, server:post("/in/github", "{}", { ["X-GitHub-Event"] = "push" }))
  end)

  it("with two signatures: 401", function()
    local good = sign.github(scripts.github_secret, "{}")
    refused(401, server:post("/in/github", "{}", {
      ["X-Hub-Signature-256"] = good .. "\r\nX-Hub-Signature-256: " .. good }))
  end)

  it("to an unknown source: 404", function()
    refused(404, server:post("/in/nothing", "{}", {}))
  end)

  it("by another method: 405 with Allow", function()
    local answer = refused(405, http.request { port = server.port, method = "GET",
      path = "/in/github" })
    assert.equal("POST", answer.headers.allow)
  end)

  it("with neither length nor chunks: 411", function()
    refused(411, (http.probe(server.port, "POST /in/open HTTP/1.1\r\nHost: x\r\n\r\n")))
  end)

  it("over max_body by its Content-Length: 413 before the body is read", function()
    local answer, _, is_closed = http.probe(server.port,
      "POST /in/open HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n")
    refused(413, answer)
    assert.is_true(is_closed)
  end)

  it("over max_body in chunks: 413", function()
    local chunk = ("10000\r\n%s\r\n"):format(("x"):rep(0x10000))
    local answer = http.probe(server.port, "POST /in/open HTTP/1.1\r\nHost: x\r\n"
      .. "Transfer-Encoding: chunked\r\n\r\n" .. chunk .. "1\r\nx\r\n0\r\n\r\n")
    refused(413, answer)
  end)

  it("is let through with exactly max_body", function()
    local answer = server:post("/in/open", ("x"):rep(0x10000), {})
    assert.equal(202, answer.status)
  end)

  it("never shows a secret in the log", function()
    local log = files.read(server.log_path)
    for _, secret in pairs(scripts.secrets) do assert.is_nil(log:find(secret, 1, true)) end
  end)
end)
