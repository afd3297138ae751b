-- SPDX-License-Identifier: MIT
-- Attempts: how they fail, when the next one comes, when it ends.
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "to." .. req.headers["x-to"] end })
local fast = anzol.backoff.constant { base = "50ms", attempts = 4 }
local function endpoint(name, options)
  options.url = options.url or "$URL/" .. name
  options.sign = options.sign or false
  options.retry = options.retry or fast
  if options.allow_private == nil then options.allow_private = true end
  anzol.endpoint(name, options)
  anzol.on("to." .. name, function(event) event:send(name) end)
end
endpoint("flaky", { sign = anzol.sign.standard { secret = anzol.secret "OUT" } })
endpoint("failing", {})
endpoint("after", {})
endpoint("gone", {})
endpoint("moved", {})
endpoint("slow", { timeout = "300ms" })
endpoint("reset", {})
endpoint("garbage", {})
endpoint("refusing", { url = "http://127.0.0.1:$CLOSED/" })
endpoint("inner", { allow_private = false })
endpoint("named", { allow_private = false, url = "http://localhost:$PORT/named" })
endpoint("nowhere", { url = "http://nowhere.invalid/" })
endpoint("asking", { retry = function(attempt, delivery)
  if attempt.status == 429 then return attempt.retry_after or 60 end
  if attempt.number < 3 then return 0.05 end
  return false, "rejected with " .. attempt.status .. " at " .. delivery.attempts
end })
endpoint("crashing", { retry = function(attempt) error "policy is broken" end })
]]

describe("an attempt", function()
  local server, receiver

  lazy_setup(function()
    receiver = Receiver.start()
    local text = script:gsub("%$CLOSED", process.free_port()):gsub("%$PORT", receiver.port)
    server = Server.start { scripts = scripts.with(receiver, text), secrets = scripts.secrets }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
  end)

  -- Posts an event for an endpoint; the delivery's id.
  local function send(to)
    local answer = server:post("/in/open", '{"n":1}', { ["X-To"] = to })
    assert.equal(200, answer.status)
    local event = json.decode(answer.body).id
    return wait.until_true("a delivery of " .. event, 5000, function()
      local row = server:get("/api/v1/delivery?event=" .. event).data[1]
      return row and row.id
    end)
  end

  local function delivery_in(id, state, limit_ms)
    local last
    local ok = pcall(wait.until_true, "", limit_ms or 5000, function()
      last = server:get("/api/v1/delivery/" .. id)
      return last.state == state
    end)
    assert(ok, ("%s is %s, not %s: %s"):format(id, last.state, state, json.encode(last)))
    return last
  end

  local function column(rows, name)
    local values = {}
    for i, row in ipairs(rows) do values[i] = row[name] end
    return values
  end

  local function error_of(to, kind)
    local delivery = delivery_in(send(to), "dead", 8000)
    assert.equal(kind, delivery.attempts[1].error)
    assert.equal("string", type(delivery.attempts[1].detail))
    return delivery
  end

  it("that fails is made again, with the same id and bytes, until one succeeds", function()
    receiver:take()
    receiver:answer("/flaky", { status = 500 }, { status = 302 }, { status = 200 })
    local delivery = delivery_in(send "flaky", "succeeded")
    assert.equal(3, delivery.attemptCount)
    assert.same({ 1, 2, 3 }, column(delivery.attempts, "number"))
    assert.same({ 500, 302, 200 }, column(delivery.attempts, "status"))
    local records = receiver:take()
    assert.equal(3, #records)
    for i = 2, 3 do
      assert.equal(records[1].id, records[i].id)
      assert.equal(records[1].hash, records[i].hash)
    end
    assert.matches("^msg_", records[1].id)
  end)

  it("that was the last one leaves the delivery dead", function()
    receiver:answer("/failing", { status = 503 })
    local delivery = delivery_in(send "failing", "dead")
    assert.same({ 503, 503, 503, 503 }, column(delivery.attempts, "status"))
  end)

  it("that is answered with Retry-After is followed by one no sooner", function()
    receiver:take()
    receiver:answer("/after", { status = 503, headers = "Retry-After: 1\r\n" }, { status = 200 })
    delivery_in(send "after", "succeeded")
    local records = receiver:take()
    local gap_ms = records[2].at_ms - records[1].at_ms
    assert.is_true(gap_ms >= 990 and gap_ms < 2500 * wait.patience, "gap of ms: " .. gap_ms)
  end)

  it("that is answered with 410 disables the endpoint: its other deliveries are held", function()
    receiver:answer("/gone", { status = 410 })
    local delivery = delivery_in(send "gone", "dead")
    assert.equal(1, delivery.attemptCount)
    local held = send "gone"
    process.sleep_ms(300)
    local later = server:get("/api/v1/delivery/" .. held)
    assert.same({ "pending", 0 }, { later.state, later.attemptCount })
  end)

  it("does not follow a redirect", function()
    receiver:take()
    receiver:answer("/moved", { status = 302, headers = "Location: /elsewhere\r\n" })
    delivery_in(send "moved", "dead")
    for _, record in ipairs(receiver:take()) do assert.equal("/moved", record.path) end
  end)

  it("ends after the endpoint's timeout", function()
    receiver:answer("/slow", { delay_ms = 10000 })
    local delivery = error_of("slow", "timeout")
    assert.is_true(delivery.attempts[1].durationMs >= 290)
    assert.is_true(delivery.attempts[1].durationMs < 500 * wait.patience)
  end)

  it("says reset, protocol, connect, dns when that is what happened", function()
    receiver:answer("/reset", { reset = true })
    receiver:answer("/garbage", { raw = "this is no HTTP at all\r\n\r\n" })
    error_of("reset", "reset")
    error_of("garbage", "protocol")
    error_of("refusing", "connect")
    error_of("nowhere", "dns")
  end)

  it("to a private address is refused, by number and by name", function()
    receiver:take()
    error_of("inner", "blocked_address")
    error_of("named", "blocked_address")
    assert.equal(0, #receiver:take())
  end)

  it("asks the retry function of the script", function()
    receiver:take()
    receiver:answer("/asking", { status = 429, headers = "Retry-After: 1\r\n" }, { status = 400 })
    local delivery = delivery_in(send "asking", "dead")
    assert.same({ 429, 400, 400 }, column(delivery.attempts, "status"))
    assert.equal("rejected with 400 at 3", delivery.reason)
    local records = receiver:take()
    assert.is_true(records[2].at_ms - records[1].at_ms >= 990)
  end)

  it("falls back to the default policy when the retry function fails", function()
    receiver:answer("/crashing", { status = 500 })
    local id = send "crashing"
    local delivery = delivery_in(id, "retrying")
    assert.equal(1, delivery.attemptCount)
    assert.truthy(delivery.nextAttemptAt)
  end)
end)
