-- SPDX-License-Identifier: MIT
-- What operators do by hand to what is open or died: retry, drop, cancel.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(), type = function() return "thing" end })
local function endpoint(name, attempts, base)
  anzol.endpoint(name, { url = "$URL/" .. name, allow_private = true,
    sign = anzol.sign.standard { secret = anzol.secret "OUT" },
    concurrency = 1, retry = anzol.backoff.constant { base = base, attempts = attempts } })
end
anzol.endpoint("failing", { url = "$URL/failing", allow_private = true,
  headers = { Authorization = "Bearer of a secret" },
  sign = anzol.sign.standard { secret = anzol.secret "OUT" },
  retry = anzol.backoff.constant { base = "10ms", attempts = 2 } })
endpoint("later", 9, "1h")
endpoint("slow", 9, "1h")
anzol.endpoint("line", { url = "$URL/line", sign = anzol.sign.standard {
  secret = anzol.secret "OUT" }, allow_private = true, concurrency = 4,
  order_by = function() return "" end })
local cache = anzol.cache("spec")
anzol.on("thing", function(event)
  if event.data.recover then
    for row in anzol.deliveries { endpoint = "failing", state = "dead" } do anzol.retry(row.id) end
    for row in anzol.deliveries { endpoint = "later", state = "succeeded" } do anzol.replay(row.id) end
  elseif event.data.deep then event:emit("deep", {}) else event:send(event.headers["x-to"]) end
end)
-- Dies at once where the chain is too deep.
anzol.on("deep", function(event)
  if cache:get("fixed") then event:send("later") else event:emit("deep", {}) end
end)
anzol.source("fix", { verify = anzol.verify.none(), type = function()
  cache:set("fixed", true)
  return "fix"
end })
]]

describe("by hand", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function post(to, body)
    local answer = server:post("/in/open", body or "{}", { ["X-To"] = to })
    return json.decode(answer.body).id
  end

  local function delivery_of(event)
    return wait.until_true("a delivery of " .. event, 5000, function()
      local row = server:get("/api/v1/delivery?event=" .. event).data[1]
      return row and row.id
    end)
  end

  local function await(path, state)
    return wait.until_true(path .. " is " .. state, 5000, function()
      local row = server:get("/api/v1/" .. path)
      return row.state == state and row
    end)
  end

  local function change(path, query)
    local answer = assert(http.request { port = server.admin_port, method = "POST", body = "{}",
      path = "/api/v1/" .. path .. (query or ""), headers = {
        Authorization = "Bearer " .. Server.token, ["Content-Type"] = "application/json" } })
    return json.decode(answer.body), answer.status
  end

  it("a dead delivery is retried with a fresh chance, and its attempts go on", function()
    receiver:answer("/failing", { status = 500 })
    local id = delivery_of(post "failing")
    await("delivery/" .. id, "dead")
    local body, status = change("delivery/" .. id .. "/retry")
    assert.same({ 200, "pending", id }, { status, body.state, body.id })
    assert.equal(4, await("delivery/" .. id, "dead").attemptCount)
    receiver:answer("/failing", { status = 200 })
    change("delivery/" .. id .. "/retry")
    local row = await("delivery/" .. id, "succeeded")
    assert.equal(5, row.attemptCount)
    assert.is_nil(row.reason)
    body, status = change("delivery/" .. id .. "/retry")
    assert.same({ 409, "state" }, { status, body.code })
    assert.matches("succeeded", body.detail)
  end)

  it("a dead delivery is dropped, with the reason", function()
    receiver:answer("/failing", { status = 500 })
    local id = delivery_of(post "failing")
    await("delivery/" .. id, "dead")
    assert.equal(200, (select(2, change("delivery/" .. id .. "/drop", "?reason=by%20mail"))))
    assert.equal("by mail", await("delivery/" .. id, "cancelled").reason)
    assert.equal(0, #server:get("/api/v1/delivery?state=dead").data)
  end)

  it("a delivery that waits in the store is cancelled and never sent", function()
    receiver:answer("/later", { status = 500 })
    local id = delivery_of(post "later")
    await("delivery/" .. id, "retrying")
    assert.equal(200, (select(2, change("delivery/" .. id .. "/cancel"))))
    assert.equal("cancelled by an operator", await("delivery/" .. id, "cancelled").reason)
    assert.equal(409, (select(2, change("delivery/" .. id .. "/cancel"))))
    assert.equal(404, (select(2, change "delivery/dlv_00000000001/cancel")))
  end)

  it("a delivery in flight is cancelled when its attempt ended, one behind it at once", function()
    receiver:answer("/slow", { status = 500, delay_ms = 700 }, { status = 200 })
    local first = delivery_of(post "slow")
    receiver:await(1)
    local second = delivery_of(post "slow")
    local _, status = change("delivery/" .. second .. "/cancel")
    assert.equal(200, status)
    assert.equal("pending", server:get("/api/v1/delivery/" .. first).state)
    _, status = change("delivery/" .. first .. "/cancel")
    assert.equal(200, status)
    local row = server:get("/api/v1/delivery/" .. first)
    assert.same({ "cancelled", 1, 500 }, { row.state, row.attemptCount, row.attempts[1].status })
    assert.equal(0, server:get("/api/v1/delivery/" .. second).attemptCount)
    local third = delivery_of(post "slow")
    await("delivery/" .. third, "succeeded")
    assert.equal(2, receiver:total())
  end)

  it("a delivery that its last attempt delivers is not cancelled", function()
    receiver:answer("/slow", { status = 200, delay_ms = 300 })
    local id = delivery_of(post "slow")
    receiver:await(1)
    local body, status = change("delivery/" .. id .. "/cancel")
    assert.equal(409, status)
    assert.matches("succeeded", body.detail)
    assert.equal("succeeded", server:get("/api/v1/delivery/" .. id).state)
  end)

  it("deliveries are cancelled while they are made, and none is sent after the answer", function()
    local cancelled = {}
    receiver:answer("/line", { status = 200, delay_ms = 5 })
    for i = 1, 60 do
      -- Of a line the next goes from hand to hand while it is cancelled.
      local to = i % 2 == 0 and "line" or "slow"
      if to == "line" then
        post "line"
        post "line"
      end
      local id = delivery_of(post(to))
      local _, status = change("delivery/" .. id .. "/cancel")
      assert.is_true(status == 200 or status == 409)
      local row = server:get("/api/v1/delivery/" .. id)
      assert.equal(status == 200 and "cancelled" or "succeeded", row.state)
      cancelled[id] = status == 200 and row.messageId or nil
    end
    wait.until_true("nothing is open", 5000, function()
      return #server:get("/api/v1/delivery?state=pending").data == 0
    end)
    local sent = {}
    for _, record in ipairs(receiver:take()) do sent[record.id or ""] = true end
    for id, message in pairs(cancelled) do
      assert.is_nil(sent[message], id .. " was sent")
      assert.equal(0, server:get("/api/v1/delivery/" .. id).attemptCount)
    end
  end)

  it("a dead handler is retried, or dropped", function()
    post("", '{"deep":true}')
    post("", '{"deep":true}')
    local rows = wait.until_true("two dead events", 5000, function()
      local page = server:get "/api/v1/event?state=dead"
      return #page.data == 2 and page.data
    end)
    local one, two = rows[1].id, rows[2].id
    local listed = cli.ask(server, { "dead", "list", "--kind", "handler", "-o", "json" })
    assert.equal(rows[1].error, json.decode(listed.output).data[1].reason)
    listed = cli.ask(server, { "dead", "list" })
    assert.matches("handler .- deep +%- +%S[^\n]*16", listed.output)
    assert.equal(200, (select(2, change("event/" .. one .. "/drop", "?reason=old"))))
    local row = server:get("/api/v1/event/" .. one)
    assert.same({ "skipped", "old" }, { row.state, row.runs[1].error })
    change("event/" .. two .. "/retry")
    await("event/" .. two, "dead")
    server:post("/in/fix", "{}")
    local body, status = change("event/" .. two .. "/retry")
    assert.same({ 200, "pending" }, { status, body.state })
    await("event/" .. two, "handled")
    await("delivery/" .. delivery_of(two), "succeeded")
    body, status = change("event/" .. two .. "/retry")
    assert.same({ 409, "state" }, { status, body.code })
    assert.equal(404, (select(2, change "event/evt_00000000001/retry")))
  end)

  it("each attempt can be read: what went out, with secrets masked, and what decided", function()
    receiver:answer("/failing", { status = 503, headers = "Retry-After: 1\r\n" })
    local id = delivery_of(post "failing")
    local attempt = wait.until_true("an attempt", 5000, function()
      return server:get("/api/v1/attempt?endpoint=failing").data[1]
    end)
    local row = server:get("/api/v1/attempt/" .. attempt.id)
    assert.same({ id, 503, "retry_after", 1 }, { row.deliveryId, row.status, row.decidedBy,
      row.number })
    assert.same({ "POST", receiver:url "/failing" }, { row.method, row.url })
    local sent = {}
    for _, header in ipairs(row.requestHeaders) do sent[header.name:lower()] = header.value end
    assert.equal("[hidden]", sent.authorization)
    local record = receiver:take()[1]
    assert.equal("Bearer of a secret", record.headers.authorization)
    assert.equal(record.headers["webhook-id"], sent["webhook-id"])
    assert.equal(record.headers["webhook-signature"], sent["webhook-signature"])
    assert.matches("^v1,", sent["webhook-signature"])
    local result = cli.ask(server, { "attempts", "show", attempt.id })
    assert.matches("webhook%-signature: v1,", result.output)
    assert.matches("request +POST http://127.0.0.1:%d+/failing\n", result.output)
    assert.matches("the receiver's Retry%-After", result.output)
    result = cli.ask(server, { "attempts", "list", "--status", "5xx", "--since", "1h" })
    assert.truthy(result.output:find(attempt.id, 1, true))
    for _, reason in ipairs { "timeout", "connect", "dns", "tls", "reset", "blocked_address", "protocol",
      "script", "auth", "lease", "nack" } do
      result = cli.ask(server, { "attempts", "--error", reason })
      assert.same({ 0, "no attempts\n" }, { result.code, result.errors }, reason)
    end
  end)

  it("a handler retries and replays too, in its commit", function()
    receiver:answer("/failing", { status = 500 })
    local dead, done = delivery_of(post "failing"), delivery_of(post "later")
    await("delivery/" .. dead, "dead")
    await("delivery/" .. done, "succeeded")
    receiver:answer("/failing", { status = 200 })
    post("", '{"recover":true}')
    await("delivery/" .. dead, "succeeded")
    wait.until_true("one more", 5000, function()
      return #server:get("/api/v1/delivery?endpoint=later&state=succeeded").data == 2
    end)
  end)

  it("the command line retries, drops, lists and shows", function()
    receiver:answer("/failing", { status = 500 })
    local one, two = delivery_of(post "failing"), delivery_of(post "failing")
    await("delivery/" .. one, "dead")
    await("delivery/" .. two, "dead")
    local result = cli.ask(server, { "dead", "list" })
    assert.equal(0, result.code, result.errors)
    assert.truthy(result.output:find(one, 1, true) and result.output:find("no attempts left", 1,
      true))
    local newest = cli.ask(server, { "dead", "list", "--limit", "1", "-o", "json" })
    newest = json.decode(newest.output)
    assert.same({ 1, false, two }, { #newest.data, newest.done, newest.data[1].id })
    assert.matches("LAST%s+REASON\n.*%s500%s+no attempts left", result.output)
    assert.equal(0, cli.ask(server, { "dead", "show", one }).code)
    receiver:answer("/failing", { status = 200 })
    result = cli.ask(server, { "dead", "retry", one, "dlv_00000000001" })
    assert.equal(1, result.code)
    assert.matches(one .. " pending", result.output)
    assert.matches("dlv_00000000001: there is nothing", result.errors)
    result = cli.ask(server, { "dead", "drop", two, "--reason", "by mail", "-o", "json" })
    assert.equal(0, result.code, result.errors)
    assert.same({ { id = two, state = "cancelled" } }, json.decode(result.output).data)
    await("delivery/" .. one, "succeeded")
    result = cli.ask(server, { "dead", "list" })
    assert.matches("no dead letters", result.errors)
  end)
end)
