-- SPDX-License-Identifier: MIT
-- anzol replay --to: what was delivered, sent once more to another URL from where the command runs.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local scripts = require "support.scripts"
local sign = require "support.sign"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return req.headers["x-type"] or "thing" end })
anzol.endpoint("one", { url = "$URL/one", allow_private = true,
  sign = anzol.sign.standard { secret = anzol.secret "OUT" },
  headers = { authorization = "Bearer of-the-receiver", ["x-kept"] = "yes", ["x-none"] = "" },
  retry = anzol.backoff.constant { base = "10ms", attempts = 1 },
  transform = function(message)
    if message.type == "skipped" then return anzol.skip "not for them" end
    if message.type == "other" then
      return { body = "a=1", method = "PUT", path = "/put",
        headers = { ["content-type"] = "application/x-www-form-urlencoded" } }
    end
    return message
  end })
anzol.endpoint("two", { url = "$URL/two", sign = false, allow_private = true })
anzol.on("**", function(event)
  event:send("one", { json = { n = event:get "n" } })
  if event.type == "thing" then event:send "two" end
end)
]]

describe("replay to another URL", function()
  local server, receiver, mine

  before_each(function()
    receiver, mine = Receiver.start(), Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
  end)
  after_each(function()
    server:close()
    receiver:stop()
    mine:stop()
  end)

  local function post(n, kind)
    local answer = server:post("/in/open", ('{"n":%d}'):format(n), { ["X-Type"] = kind })
    return json.decode(answer.body).id
  end

  -- The deliveries of an event when they are over, oldest first.
  local function deliveries(event, count)
    return wait.until_true("deliveries are over", 5000, function()
      local rows = server:list("/api/v1/delivery?event=" .. event)
      if #rows < count then return false end
      for _, row in ipairs(rows) do
        if row.state == "pending" or row.state == "in_flight" then return false end
      end
      table.sort(rows, function(a, b) return a.id < b.id end)
      return rows
    end)
  end

  local function ask(path)
    local answer = http.request { port = server.admin_port, method = "GET",
      path = "/api/v1/delivery/" .. path,
      headers = { Authorization = "Bearer " .. Server.token } }
    return json.decode(answer.body), answer.status
  end

  local function replay(...)
    return cli.ask(server, { "replay", "--to", mine:url "/hook", ... })
  end

  it("sends the same message, signed anew, without what may be secret", function()
    local rows = deliveries(post(1), 2)
    local result = replay(rows[1].id)
    assert.equal(0, result.code, result.errors)
    assert.matches(rows[1].id .. "  one       thing +%d+  200\n", result.output)
    assert.matches("left out, since they may hold secrets: authorization\n1 sent, 0 failed",
      result.errors, 1, true)
    local came = receiver:take()
    local theirs = came[1].path == "/one" and came[1] or came[2]
    local record = mine:await(1):take()[1]
    assert.same({ "POST", "/hook", rows[1].messageId, theirs.body, "yes", "" },
      { record.method, record.path, record.id, record.body, record.headers["x-kept"],
        record.headers["x-none"] })
    assert.equal(theirs.headers["content-type"], record.headers["content-type"])
    assert.equal(theirs.headers["user-agent"], record.headers["user-agent"])
    assert.is_nil(record.headers.authorization)
    assert.equal(sign.standard(scripts.out_secret, record.id,
      record.headers["webhook-timestamp"], record.body), record.headers["webhook-signature"])
    assert.equal(2, #deliveries(rows[1].eventId, 2))
    assert.equal(1, server:get("/api/v1/delivery/" .. rows[1].id).attemptCount)
  end)

  it("goes by the endpoint's transform, with its method and path", function()
    local rows = deliveries(post(1, "other"), 1)
    assert.equal(0, replay(rows[1].id).code)
    local record = mine:await(1):take()[1]
    assert.same({ "PUT", "/put", "a=1", "application/x-www-form-urlencoded" },
      { record.method, record.path, record.body, record.headers["content-type"] })
    local skipped = deliveries(post(2, "skipped"), 1)
    local result = replay(skipped[1].id, "-o", "json")
    assert.equal(1, result.code)
    assert.equal("the endpoint's transform does not send it: not for them",
      json.decode(result.output).data[1].error)
  end)

  it("sends all of an event or a message, and what filters choose, oldest first", function()
    local first, second = post(1), post(2)
    local rows = deliveries(first, 2)
    deliveries(second, 2)
    assert.equal(0, replay(first, rows[2].messageId).code)
    assert.equal(3, #mine:await(3):take())
    assert.equal(0, replay("--endpoint", "one", "--since", "1h").code)
    local bodies = {}
    for i, record in ipairs(mine:await(5):take()) do bodies[i] = record.body end
    assert.same({ '{"n":1}', '{"n":2}' }, bodies)
    local result = replay("--endpoint", "one", "--dry-run")
    assert.matches("^2 would be replayed\n  dlv_", result.output)
    assert.equal(5, (mine:total()))
  end)

  it("keeps to a rate", function()
    local rows = deliveries(post(1), 2)
    local result = replay(rows[1].id, rows[2].id, rows[1].id, "--rate", "20/s")
    assert.equal(0, result.code, result.errors)
    local records = mine:await(3):take()
    assert.is_true(records[3].at_ms - records[1].at_ms >= 90)
  end)

  it("fails if one is not answered with 2xx, and says which", function()
    local rows = deliveries(post(1), 2)
    mine:answer("/hook", { status = 500 }, { status = 204 })
    local result = replay(rows[1].id, rows[2].id, "dlv_00000000001")
    assert.equal(1, result.code)
    assert.matches("dlv_00000000001: there is nothing of this id", result.errors, 1, true)
    for _, id in ipairs { "evt_00000000000", "msg_00000000000" } do -- of nothing, not of all
      result = replay(id)
      assert.equal(2, result.code, result.output)
    end
    result = replay(rows[1].id, rows[2].id)
    assert.equal(1, result.code)
    assert.matches("  500\n.+  204\n", result.output)
    assert.matches("1 sent, 1 failed", result.errors, 1, true)
    result = cli.ask(server, { "replay", rows[1].id, "--to", "http://127.0.0.1:1/" })
    assert.equal(2, result.code)
    assert.matches("port", result.errors)
  end)

  it("refuses what does not go together", function()
    for _, case in ipairs { { "--detach" }, { "--new-ids" }, { "--subscription", "a" },
      { "--kind", "event" }, { "--rate", "fast" } } do
      local result = replay("--since", "1h", table.unpack(case))
      assert.equal(2, result.code, case[1])
      assert.matches(case[1], result.errors, 1, true)
    end
    assert.equal(2, cli.ask(server, { "replay", "--since", "1h", "--to", "localhost:3000" }).code)
  end)

  it("the API tells why there is no request", function()
    local rows = deliveries(post(1), 2)
    local function refusal(query)
      local answer, status = ask(query)
      return { status, answer.code }
    end
    assert.same({ 422, "to" }, refusal(rows[1].id .. "/request"))
    assert.same({ 422, "to" }, refusal(rows[1].id .. "/request?to=ftp%3A%2F%2Fhost"))
    assert.same({ 404, "not_found" },
      refusal "dlv_00000000001/request?to=https%3A%2F%2Fhost.example")
    local answer = ask(rows[1].id .. "/request?to=https%3A%2F%2Fhost.example%2Fa")
    assert.same({ "POST", "https://host.example/a", '{"n":1}', { "authorization" } },
      { answer.method, answer.url, answer.body, answer.leftOut })
    server:write_script("main.lua", 'require("anzol").source("open", '
      .. '{ verify = require("anzol").verify.none() })')
    assert.equal(200, http.request({ port = server.admin_port, method = "POST",
      path = "/api/v1/script/reload", body = "{}", headers = { Authorization = "Bearer " .. Server.token,
        ["Content-Type"] = "application/json" } }).status)
    assert.same({ 409, "no_request" },
      refusal(rows[1].id .. "/request?to=https%3A%2F%2Fhost.example"))
  end)
end)
