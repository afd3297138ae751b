-- SPDX-License-Identifier: MIT
-- anzol.testing: queues, whose receiver the spec is.
local rig = require "lua.testing_rig"

describe("a queue in a test", function()
  local t
  after_each(rig.finish)

  local function new(options)
    t = rig.test(([[
      anzol.endpoint("jobs", { kind = "long_poll", path = "/queue/jobs", auth = anzol.verify.none(),
        lease = "1m", batch = 10, retry = anzol.backoff.constant { base = "1h", attempts = 3 }, %s })
      anzol.endpoint("other", { url = "https://a.example", sign = false })
      anzol.on("job", function(event)
        event:send("jobs", { json = event.data, headers = { ["X-Kind"] = "test" } },
          { expires = event.data.expires, priority = event.data.priority })
      end)
    ]]):format(options or ""))
    return t
  end

  local function make(data)
    data.type = "job"
    t:receive("in", { json = data })
  end

  it("gives what was sent to it, until it is acknowledged", function()
    new()
    make { n = 1 }
    local message = t:take "jobs"[1]
    assert.same({ 1, "test", 1 }, { message.json.n, message.headers["X-Kind"], message.attempt })
    assert.equal("in_flight", t:delivery("jobs").state)
    assert.same({}, t:take "jobs")
    assert.equal(1, t:ack("jobs", message))
    assert.equal(0, t:ack("jobs", message))
    assert.equal("succeeded", t:delivery("jobs").state)
  end)

  it("gives again what was not acknowledged in time, then gives it up", function()
    new()
    make { n = 1 }
    local first = t:take "jobs"[1]
    t:advance "59s"
    assert.same({}, t:take "jobs")
    t:advance "1s"
    local second = t:take "jobs"[1]
    assert.equal(2, second.attempt)
    assert.equal(0, t:ack("jobs", first))
    t:advance "1m"
    t:take "jobs"
    t:advance "1m"
    local delivery = t:delivery "jobs"
    assert.same({ "dead", 3, "lease" }, { delivery.state, #delivery.attempts, delivery.attempts[3].error })
    assert.equal(1, #t.dead_letters)
  end)

  it("takes back, extends, and keeps to its limits", function()
    new()
    for n = 1, 3 do make { n = n } end
    local messages = t:take("jobs", { limit = 2 })
    assert.equal(2, #messages)
    assert.equal(1, t:nack("jobs", messages[1], { delay = "10s", reason = "not today" }))
    assert.equal(1, t:extend("jobs", messages[2].id, "5m"))
    t:advance "10s"
    local rest = t:take "jobs"
    assert.same({ 3, 1 }, { rest[1].json.n, rest[2].json.n })
    assert.equal("not today", t.deliveries[1].attempts[1].detail)
    t:nack("jobs", rest[2]) -- the policy's hour
    t:ack("jobs", rest[1])
    t:advance "3m"
    assert.same({}, t:take "jobs")
    assert.equal(1, t:ack("jobs", messages[2]))
    t:advance "1h"
    assert.equal(3, t:take "jobs"[1].attempt)
  end)

  it("takes back what is not its receiver's fault: no attempt, and the same id", function()
    new()
    make { n = 1 }
    make { n = 2, priority = 1 }
    local messages = t:take "jobs"
    assert.equal(2, t:extend("jobs", { messages[2], messages[1] }, 0))
    assert.equal("pending", t.deliveries[1].state)
    local again = t:take "jobs"
    assert.same({ messages[1].id, messages[2].id }, { again[1].id, again[2].id })
    assert.equal(1, again[1].attempt)
    t:nack("jobs", again[1], { delay = "1s" })
    t:advance "1s"
    local second = t:take "jobs"[1]
    t:extend("jobs", second, 0)
    assert.same({ "retrying", 1 }, { t.deliveries[2].state, #t.deliveries[2].attempts })
  end)

  it("keeps the order of a key and gives the higher priority first", function()
    new "order_by = function(message) return message.json.customer end"
    make { customer = "a", n = 1 }
    make { customer = "a", n = 2 }
    make { customer = "b", n = 3, priority = 5 }
    local messages = t:take "jobs"
    assert.same({ 3, 1 }, { messages[1].json.n, messages[2].json.n })
    t:ack("jobs", messages)
    assert.equal(2, t:take "jobs"[1].json.n)
  end)

  it("lets messages expire, and gives nothing while it is paused", function()
    new()
    make { n = 1, expires = "1m" }
    make { n = 2 }
    t:pause "jobs"
    assert.same({}, t:take "jobs")
    t:advance "1m"
    t:resume "jobs"
    local messages = t:take "jobs"
    assert.same({ 1, 2 }, { #messages, messages[1].json.n })
    assert.equal("dead", t.deliveries[1].state)
    assert.equal("expired before it was delivered", t.deliveries[1].reason)
  end)

  it("is told apart from an endpoint that is sent to", function()
    new()
    assert.has_error(function() t:take "other" end)
    assert.has_error(function() t:take("jobs", { limit = 11 }) end)
    assert.has_error(function() t:ack("jobs", 1) end)
  end)
end)
