-- SPDX-License-Identifier: MIT
-- F19, F21, F22, F23: the wall clock is set while the server runs and while it is down; the machine
-- sleeps. Due work keeps to its time; nothing is lost, nothing sent twice.
local Clock = require "support.clock"
local Receiver = require "support.receiver"
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local scripts = require "support.scripts"
local sign = require "support.sign"
local wait = require "support.wait"

local HOUR_S, DAY_S = 3600, 86400
local DELAY_MS = 2000 -- of retries, delays and batches
local LATE_MS = 1000 -- timers, the store, a look for sleep each second
local EARLY_MS = 50 -- a receiver sees an attempt later than its sender

local script = [[
anzol.source("signed", { type = "signed", verify = anzol.verify.standard { secret = anzol.secret "OUT" } })
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "to." .. req.headers["x-to"] end })
local function endpoint(name, base, options)
  options.url, options.allow_private = "$URL/" .. name, true
  options.sign = anzol.sign.standard { secret = anzol.secret "OUT" }
  options.retry = anzol.backoff.constant { base = base, attempts = 5, jitter = "none" }
  anzol.endpoint(name, options)
end
local function on(name, options, handler)
  options.name = options.name or name
  anzol.on("to." .. name, options, handler)
end
for _, name in ipairs { "retried", "delayed", "emitted" } do endpoint(name, "2s", {}) end
endpoint("batched", "2s", { cloudevents = { source = "https://shop.example/" } })
on("retried", {}, function(event) event:send "retried" end)
-- The others send at once, and when it is time.
on("delayed", {}, function(event)
  event:send "delayed"
  event:send("delayed", {}, { delay = "2s" })
end)
on("emitted", {}, function(event)
  event:send "emitted"
  event:emit("to.later", {}, { delay = "2s" })
end)
on("later", {}, function(event) event:send "emitted" end)
on("batched", { name = "first" }, function(event) event:send "batched" end)
on("batched", { batch = { wait = "2s" } }, function(events) events[1]:send "batched" end)

endpoint("far", "8h", {})
endpoint("paced", "8h", { rate_limit = "5/s", burst = 1 })
on("far", {}, function(event)
  event:send "far"
  event:emit("to.later", {}, { delay = "8h" })
end)
on("paced", {}, function(event) event:send "paced" end)
endpoint("every", "2s", {})
anzol.every("every", "8h", function(tick) tick:send("every", { json = { at = tick.scheduled_ms } }) end)
]]

describe("a clock that is set", function()
  local server, receiver, clock

  before_each(function()
    receiver = Receiver.start()
    server = Server.new { scripts = scripts.with(receiver, script), secrets = scripts.secrets }
    clock = Clock.new(server.dir)
    server.options.env = clock:env()
    server:launch():await()
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function send(to)
    local answer = server:post("/in/open", '{"n":1}', { ["X-To"] = to })
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  -- Once so many deliveries are in that state: the last one.
  local function await_deliveries(count, state)
    return wait.until_true(("%d deliveries that are %s"):format(count, state), 5000, function()
      local rows = server:get("/api/v1/delivery?state=" .. state).data
      return #rows == count and rows[1]
    end)
  end

  local function at(path, records)
    local found = {}
    for _, record in ipairs(records) do
      if record.path == path then found[#found + 1] = record end
    end
    return found
  end

  -- Two requests came to each of these, that long one after the other.
  local function assert_in_time(paths, records)
    for _, path in ipairs(paths) do
      local found = at(path, records)
      assert.equal(2, #found, path)
      local gap_ms = found[2].at_ms - found[1].at_ms
      assert.is_true(gap_ms >= DELAY_MS - EARLY_MS and gap_ms < DELAY_MS + LATE_MS * wait.patience,
        ("%s: %.0f ms apart"):format(path, gap_ms))
    end
  end

  local function seconds_of(instant)
    local year, month, day, hour, min, sec = instant:match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)"
    return os.time { year = year, month = month, day = day, hour = hour, min = min, sec = sec, isdst = false }
  end

  local steps = { { "an hour forward", HOUR_S }, { "an hour back", -HOUR_S },
    { "ten years forward", 3652 * DAY_S } }

  for _, step in ipairs(steps) do
    it(step[1] .. " moves no retry, delay or batch; people and receivers see the new time", function()
      receiver:answer("/retried", { status = 500 }, { status = 200 })
      send "retried"
      local before = await_deliveries(1, "retrying")
      for _, to in ipairs { "delayed", "emitted", "batched" } do send(to) end
      receiver:await(4)
      clock:set(step[2])
      local after = server:get("/api/v1/delivery/" .. before.id)
      assert.near(seconds_of(before.nextAttemptAt) + step[2], seconds_of(after.nextAttemptAt), 1)
      local records = receiver:await(8, 2 * DELAY_MS + LATE_MS):take()
      assert_in_time({ "/retried", "/delayed", "/emitted", "/batched" }, records)
      local now_s = os.time() + step[2]
      assert.near(now_s, tonumber(records[8].headers["webhook-timestamp"]), 5)
      local event_time = at("/batched", records)[2].headers["ce-time"]
      assert.near(step[2], seconds_of(event_time) - seconds_of(before.createdAt), 5)
      assert.equal(7, #server:list(("/api/v1/delivery?since=%d"):format((now_s - 60) * 1000)))
      assert.equal(0, #server:list(("/api/v1/delivery?until=%d"):format((now_s - 60) * 1000)))
      assert.equal(8, (receiver:total()))
    end)
  end

  it("again and again repeats no id and no request", function()
    local COUNT, ids = 40, {}
    receiver:answer("/retried", { status = 200 })
    for i = 1, COUNT do
      clock:set(math.random(-HOUR_S, HOUR_S))
      local id = send "delayed"
      assert.is_true(i == 1 or ids[i - 1] < id, id)
      ids[i] = id
    end
    local seen = {}
    for _, record in ipairs(receiver:await(2 * COUNT, 2 * DELAY_MS + LATE_MS):take()) do
      assert.is_nil(seen[record.id])
      seen[record.id] = true
    end
  end)

  for _, step in ipairs(steps) do
    it(step[1] .. " while the server is down moves nothing either", function()
      receiver:answer("/retried", { status = 500 }, { status = 200 })
      local event = send "retried"
      send "delayed"
      await_deliveries(1, "retrying")
      await_deliveries(1, "succeeded")
      server:kill()
      clock:set(step[2])
      server:restart()
      assert.is_true(send "emitted" > event)
      local records = receiver:await(6, 2 * DELAY_MS + LATE_MS):take()
      assert_in_time({ "/retried", "/delayed", "/emitted" }, records)
      assert.equal(6, (receiver:total()))
    end)
  end

  it("off the senders' is told as that: refused, logged and counted by how far they differ", function()
    local function post(age_s)
      local timestamp, body = os.time() - age_s, "{}"
      return server:post("/in/signed", body, { ["webhook-id"] = "msg_1", ["webhook-timestamp"] = timestamp,
        ["webhook-signature"] = sign.standard(scripts.out_secret, "msg_1", timestamp, body) }).status
    end
    local function counted(reason)
      local answer = http.request { port = server.admin_port, method = "GET", path = "/metrics",
        headers = { Authorization = "Bearer " .. Server.token } }
      return answer.body:match('\nanzol_requests_unverified_total{reason="' .. reason .. '"} (%d+)\n')
    end
    assert.equal(200, post(0))
    clock:set(600)
    assert.equal(401, post(0))
    assert.matches("request not verified .*source=signed .*genuine but too old: the clock differs by 60[01] s",
      server:log())
    clock:set(-600)
    assert.equal(401, post(0))
    assert.same({ "2", nil }, { counted "clock", counted "signature" })
    clock:set(0)
    server:post("/in/signed", "{}", {})
    assert.same({ "2", "1" }, { counted "clock", counted "signature" })
    assert.equal(200, post(0))
  end)

  it("by a machine that slept is made up for at once, at the endpoint's pace", function()
    local COUNT, FAILED = 3, { status = 500 }
    receiver:answer("/paced", FAILED, FAILED, FAILED, { status = 200 })
    receiver:answer("/far", FAILED, { status = 200 })
    for _ = 1, COUNT do send "paced" end
    send "far"
    await_deliveries(COUNT + 1, "retrying")
    receiver:take()
    clock:sleep(8 * HOUR_S)
    local records = receiver:await(2 * COUNT + 4):take()
    local paced = at("/paced", records)
    assert.same({ COUNT, 1, 1, 1 },
      { #paced, #at("/far", records), #at("/emitted", records), #at("/every", records) })
    for i = 2, COUNT do
      assert.is_true(paced[i].at_ms - paced[i - 1].at_ms > 1000 / 5 - EARLY_MS)
    end
    assert.truthy(server:log():find("machine slept  for=28800s", 1, true))
  end)
end)
