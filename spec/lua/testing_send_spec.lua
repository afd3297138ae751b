-- SPDX-License-Identifier: MIT
-- anzol.testing: deliveries, their attempts and canned answers.
local testing = require "anzol.testing"
local rig = require "lua.testing_rig"

local forward, test = rig.forward, rig.test

describe("anzol.testing", function()
  after_each(rig.finish)

  describe("deliveries", function()
    it("take 200 from an endpoint that nothing was canned for", function()
      local t = test(forward)
      t:receive("in", { json = { type = "a" } })
      assert.equal("succeeded", t.deliveries[1].state)
      assert.equal(1, #t.deliveries[1].attempts)
      assert.equal(t.events[1].body, t.deliveries[1].request.body)
      t:close()
    end)

    it("follow the answers in turn and the endpoint's backoff", function()
      local t = test(forward)
      t:answer("out", 500, { error = "timeout" }, 204)
      t:receive("in", { json = { type = "a" } })
      local delivery = t:delivery "out"
      assert.equal("retrying", delivery.state)
      t:advance "9999ms"
      assert.equal(1, #delivery.attempts)
      t:advance "1ms"
      assert.equal("timeout", delivery.attempts[2].error)
      t:advance(10)
      assert.equal("succeeded", delivery.state)
      assert.equal(204, delivery.attempts[3].status)
      assert.equal(t.now_ms, delivery.attempts[3].at_ms)
      t:close()
    end)

    it("succeed as the endpoint says", function()
      local t = test [[
        anzol.endpoint("picky", { url = "https://picky.example/", sign = false,
          retry = anzol.backoff.constant { base = "10s", attempts = 3, jitter = "none" },
          success = function(status) return status == 409 end })
        anzol.on("a", function(event) event:send "picky" end)
      ]]
      t:answer("picky", 200, 409)
      t:receive("in", { json = { type = "a" } })
      assert.equal("retrying", t:delivery("picky").state)
      t:advance "10s"
      assert.equal("succeeded", t:delivery("picky").state)
      t:close()
    end)

    it("wait while the endpoint's breaker is open, and keep their count of attempts", function()
      local t = test [[
        anzol.endpoint("weak", { url = "https://weak.example/", sign = false,
          retry = anzol.backoff.constant { base = "1s", attempts = 5, jitter = "none" },
          breaker = { failures = 2, window = "1m", cooldown = "1h" } })
        anzol.on("a", function(event) event:send "weak" end)
      ]]
      t:answer("weak", 500, { error = "timeout" }, 500, 200)
      for _ = 1, 3 do t:receive("in", { json = { type = "a" } }) end
      t:advance "59m"
      local function counts()
        local list = {}
        for i, delivery in ipairs(t.deliveries) do list[i] = #delivery.attempts end
        return list
      end
      assert.same({ 1, 1, 0 }, counts())
      t:advance "2m" -- the probe, which fails
      assert.same({ 1, 1, 1 }, counts())
      t:answer_always("weak", 200)
      t:advance "1h"
      assert.same({ 2, 2, 2 }, counts())
      for _, delivery in ipairs(t.deliveries) do assert.equal("succeeded", delivery.state) end
      t:close()
    end)

    it("wait for a Retry-After that another got", function()
      local t = test(forward)
      t:answer("out", { status = 429, headers = { ["Retry-After"] = "120" } })
      t:answer_always("out", 200)
      t:receive("in", { json = { type = "a" } })
      t:receive("in", { json = { type = "a" } })
      t:advance "119s"
      assert.equal(0, #t:delivery("out").attempts)
      t:advance "1s"
      assert.equal("succeeded", t:delivery("out").state)
      t:close()
    end)

    it("wait while an operator has paused or disabled their endpoint", function()
      local t = test(forward)
      for _, verbs in ipairs { { "pause", "resume" }, { "disable", "enable" } } do
        t[verbs[1]](t, "out")
        t[verbs[1]](t, "out")
        t:receive("in", { json = { type = "a" } })
        t:advance "30d"
        assert.equal("pending", t:delivery("out").state)
        t[verbs[2]](t, "out")
        assert.equal("succeeded", t:delivery("out").state)
        t[verbs[2]](t, "out")
      end
      t:disable "out"
      assert.has_error(function() t:resume "out" end)
      t:close()
    end)

    it("are held when their endpoint had nothing but failures for too long", function()
      local t = test [[
        anzol.endpoint("lost", { url = "https://lost.example/", sign = false, breaker = false,
          retry = anzol.backoff.constant { base = "1h", attempts = 1000, jitter = "none" },
          disable_after = "2d" })
        anzol.endpoint("pager", { url = "https://pager.example/", sign = false })
        anzol.on("a", function(event) event:send "lost" end)
        anzol.on("anzol.endpoint.disabled", function(event) event:send "pager" end)
      ]]
      t:answer_always("lost", 500)
      t:receive("in", { json = { type = "a" } })
      t:advance "47h"
      local delivery = t:delivery "lost"
      assert.equal(48, #delivery.attempts)
      t:advance "2h"
      assert.equal(49, #delivery.attempts)
      assert.equal("lost", t:delivery("pager").request.json.endpoint)
      assert.matches("nothing but failures", t:delivery("pager").request.json.reason)
      t:answer_always("lost", 200)
      t:advance "1d"
      t:enable "lost"
      assert.equal("succeeded", delivery.state)
      t:close()
    end)

    it("die when their attempts are used up", function()
      local t = test(forward)
      t:answer_always("out", 503)
      t:receive("in", { json = { type = "a" } })
      t:advance "1d"
      local delivery = t:delivery "out"
      assert.equal("dead", delivery.state)
      assert.equal("no attempts left after 3", delivery.reason)
      assert.equal(delivery, t.dead_letters[1].delivery)
      t:close()
    end)

    it("wait for Retry-After, in seconds or as a date", function()
      local t = test(forward, { now = "2026-03-02T08:00:00Z" })
      t:answer("out", { status = 503, headers = { ["Retry-After"] = "60" } },
        { status = 503, headers = { ["Retry-After"] = "Mon, 02 Mar 2026 08:03:00 GMT" } }, 200)
      t:receive("in", { json = { type = "a" } })
      local attempts = t:delivery("out").attempts
      assert.equal(60, attempts[1].retry_after)
      t:advance "60s"
      assert.equal(120, attempts[2].retry_after)
      t:advance "119s"
      assert.equal(2, #attempts)
      t:advance "1s"
      assert.equal(3, #attempts)
    end)

    it("are asked of the endpoint's retry function", function()
      local t = test [[
        anzol.endpoint("fn", { url = "https://fn.example/", sign = false, retry = function(attempt, delivery)
          if attempt.status == 422 then return false, "no good" end
          return attempt.number * 5
        end })
        anzol.on("a", function(event) event:send("fn") end)]]
      t:answer("fn", 500, 500, 422)
      t:receive("in", { json = { type = "a" } })
      t:advance "5s"
      t:advance "10s"
      assert.equal("no good", t:delivery("fn").reason)
      assert.equal(3, #t:delivery("fn").attempts)
    end)

    it("stop at 410, and hold what comes for that endpoint later", function()
      local t = test(forward)
      t:answer("out", 410)
      t:receive("in", { json = { type = "a" } })
      t:receive("in", { json = { type = "a" } })
      assert.equal("dead", t.deliveries[1].state)
      assert.equal("pending", t.deliveries[2].state)
    end)

    it("are transformed, skipped and signed", function()
      local t = test([[
        anzol.endpoint("t", { url = "https://t.example/x", sign = anzol.sign.hmac { secret = anzol.secret "K",
          header = "X-Sig" }, headers = { ["X-Own"] = "1" }, transform = function(message)
          if message.json.stop then return anzol.skip "stopped" end
          message.json = { n = message.json.n + 1 }
          return message
        end })
        anzol.on("a", function(event) event:send("t", { json = event.data.message }) end)
      ]], { secrets = testing.any_secret })
      t:receive("in", { json = { type = "a", message = { n = 1 } } })
      local request = t.deliveries[1].request
      assert.equal(2, request.json.n)
      assert.equal("1", request.headers["x-own"])
      assert.equal(64, #request.headers["X-Sig"])
      t:receive("in", { json = { type = "a", message = { stop = true } } })
      assert.equal("cancelled", t.deliveries[2].state)
      assert.equal("stopped", t.deliveries[2].reason)
      t:receive("in", { json = { type = "a", message = { n = "x" } } })
      assert.equal("script", t.deliveries[3].attempts[1].error)
    end)

    it("go to the message's own path, query and method", function()
      local t = test [[anzol.on("a", function(event) event:send("out", { json = {}, method = "PUT",
        path = "/other", query = { a = "1" } }) end)]]
      t:receive("in", { json = { type = "a" } })
      assert.equal("https://out.example/other?a=1", t.deliveries[1].request.url)
      assert.equal("PUT", t.deliveries[1].request.method)
    end)

    it("keep the endpoint's rate", function()
      local t = test [[
        anzol.endpoint("slow", { url = "https://slow.example/", sign = false, rate_limit = "1/s" })
        anzol.on("a", function(event) event:send("slow") end)]]
      for _ = 1, 3 do t:receive("in", { json = { type = "a" } }) end
      assert.equal("pending", t.deliveries[2].state)
      t:advance "1001ms"
      assert.equal("succeeded", t.deliveries[2].state)
      assert.equal("pending", t.deliveries[3].state)
      t:advance "2s"
      assert.equal("succeeded", t.deliveries[3].state)
    end)

    it("time out where their answers begin too late", function()
      local t = test(forward .. [[
        anzol.endpoint("slow", { url = "https://slow.example/", sign = false, retry = function() return false end,
          timeout = { first_byte = "500ms", whole = "5s" } })
        anzol.on("b", function(event) event:send("slow") end)]])
      t:answer("slow", { after = "500ms" }, { after = "501ms" })
      for _ = 1, 2 do t:receive("in", { json = { type = "b" } }) end
      t:advance "1s"
      assert.equal("succeeded", t.deliveries[1].state)
      assert.equal("timeout", t.deliveries[2].attempts[1].error)
      assert.equal(1, #t.dead_letters)
      t:close()
    end)

    it("take the time that their answers take, up to the endpoint's timeout", function()
      local t = test(forward .. [[
        anzol.endpoint("slow", { url = "https://slow.example/", sign = false, timeout = "5s", concurrency = 1,
          retry = function(attempt) return false, "after " .. attempt.duration_ms end })
        anzol.on("b", function(event) event:send("slow") end)]])
      t:answer("slow", { status = 500, after = "2s" }, { after = "1m" })
      for _ = 1, 2 do t:receive("in", { json = { type = "b" } }) end
      assert.equal("in_flight", t.deliveries[1].state)
      assert.equal("pending", t.deliveries[2].state)
      t:advance "2s"
      assert.equal("after 2000", t.deliveries[1].reason)
      assert.equal("in_flight", t.deliveries[2].state)
      t:advance "5s"
      assert.equal("timeout", t.deliveries[2].attempts[1].error)
      assert.equal("after 5000", t.deliveries[2].reason)
      assert.equal(2000, t.deliveries[2].attempts[1].at_ms - t.deliveries[1].attempts[1].at_ms)
      t:close()
    end)

    describe("of an endpoint with order_by", function()
      local ordered = [[
        anzol.endpoint("fifo", { url = "https://fifo.example/", sign = false,
          order_by = function(message) return message.json.who end,
          retry = anzol.backoff.constant { base = "10s", attempts = 2, jitter = "none" } })
        anzol.on("a", function(event) event:send("fifo") end)]]

      local function states(t)
        local list = {}
        for i, delivery in ipairs(t.deliveries) do list[i] = delivery.state end
        return table.concat(list, " ")
      end

      it("go one after another by key, retries included", function()
        local t = test(ordered)
        t:answer("fifo", 500, 200, 200, 200)
        for _, who in ipairs { "ana", "ana", "bob" } do
          t:receive("in", { json = { type = "a", who = who } })
        end
        assert.equal("retrying pending succeeded", states(t))
        t:advance "10s"
        assert.equal("succeeded succeeded succeeded", states(t))
        assert.equal(t.deliveries[1].attempts[2].at_ms, t.deliveries[2].attempts[1].at_ms)
        t:close()
      end)

      it("go on behind one that died", function()
        local t = test(ordered)
        t:answer("fifo", 500, 500, 200)
        for _ = 1, 2 do t:receive("in", { json = { type = "a", who = "ana" } }) end
        t:advance "10s"
        assert.equal("dead succeeded", states(t))
      end)

      it("stop their key behind one that died, if the endpoint says so", function()
        local t = test((ordered:gsub("order_by =", "on_dead = 'block', order_by =")))
        t:answer("fifo", 500, 200, 500)
        for _, who in ipairs { "ana", "ana", "bob" } do
          t:receive("in", { json = { type = "a", who = who } })
        end
        t:advance "1d"
        assert.equal("dead pending succeeded", states(t))
      end)

      it("wait behind one that is delayed, and no longer than it lives", function()
        local t = test(ordered .. [[
          anzol.on("b", function(event)
            event:send("fifo", { json = event.data.json }, { delay = event.data.delay, expires = event.data.expires })
          end)]])
        for _, data in ipairs { { delay = "1m", expires = "65s" }, {}, {}, { expires = "30s" } } do
          data.type, data.json = "b", { who = "ana" }
          t:receive("in", { json = data })
        end
        assert.equal("pending pending pending pending", states(t))
        t:answer("fifo", 500, 200, 200)
        t:advance "1m"
        assert.equal("retrying pending pending pending", states(t))
        t:advance "5s"
        assert.equal("dead succeeded succeeded dead", states(t))
        assert.equal("expired before it was delivered", t.deliveries[4].reason)
        t:close()
      end)

      it("may all have one key, the empty one", function()
        local t = test [[
          anzol.endpoint("fifo", { url = "https://fifo.example/", sign = false, order_by = function() return "" end })
          anzol.on("a", function(event) event:send("fifo") end)]]
        t:answer("fifo", 500, 200, 200)
        for _ = 1, 2 do t:receive("in", { json = { type = "a" } }) end
        assert.equal("retrying pending", states(t))
        t:advance "10s"
        assert.equal("succeeded succeeded", states(t))
      end)

      it("fail their run when the key cannot be told, and leave nothing of the message", function()
        local t = test(ordered .. [[
          anzol.on("b", function(event)
            local ok, why = pcall(event.send, event, { "out", "fifo" }, nil, { idempotency_key = "k" })
            event:send("out", { json = { ok = ok, why = why } }, { idempotency_key = "k" })
          end)]])
        local event = t:receive("in", { json = { type = "a", who = true } }).event
        assert.matches("order_by of endpoint 'fifo' failed: .*got boolean", event.error)
        assert.equal(0, #t.deliveries)
        t:receive("in", { json = { type = "b", who = true } })
        assert.equal(1, #t.deliveries)
        assert.is_false(t.deliveries[1].request.json.ok)
        assert.matches("got boolean", t.deliveries[1].request.json.why)
      end)
    end)

    it("go by priority, then by their turn", function()
      local t = test [[
        anzol.endpoint("slow", { url = "https://slow.example/", sign = false, concurrency = 1 })
        anzol.on("a", function(event)
          for i, priority in ipairs { 0, -9, 9, 0, 9 } do
            event:send("slow", { json = { number = i } }, { priority = priority })
          end
        end)]]
      local order = {}
      t:answer_always("slow", function(request)
        order[#order + 1] = request.json.number
        return { status = 200, after = "1s" }
      end)
      t:receive("in", { json = { type = "a" } })
      t:advance "10s"
      assert.same({ 3, 5, 1, 4, 2 }, order)
    end)

    it("have a priority from -9 to 9, and live longer than they wait", function()
      local t = test [[anzol.on("a", function(event) event:send("out", nil, event.data.options) end)]]
      local function error_of(options)
        return t:receive("in", { json = { type = "a", options = options } }).event.error
      end
      assert.is_nil(error_of { priority = 9 })
      assert.is_nil(error_of { priority = -9, delay = "1s", expires = "2s" })
      assert.matches("option 'priority' of event:send must be an integer from %-9 to 9, got '10'",
        error_of { priority = 10 })
      assert.matches("an integer from %-9 to 9", error_of { priority = -10 })
      for _, delay in ipairs { "367d", "99999d", 1e12 } do
        assert.matches("option 'delay' of event:send must be a duration from 0ms to 366d, got ",
          error_of { delay = delay }, 1, true)
      end
      assert.matches("option 'expires' of event:send is over before its 'delay'",
        error_of { delay = "2s", expires = "2s" })
    end)

    it("wait and expire on the test's clock", function()
      local t = test [[anzol.on("a", function(event)
        event:send("out", { json = {} }, { delay = "1m" })
        event:send("out", { json = {} }, { expires = "15s" })
      end)]]
      t:answer("out", 500, 500, 200)
      t:receive("in", { json = { type = "a" } })
      t:advance "20s"
      assert.equal("expired before it was delivered", t.deliveries[2].reason)
      assert.equal("dead", t.deliveries[2].state)
      t:advance "40s"
      assert.equal("succeeded", t.deliveries[1].state)
    end)

    it("are made by a function of the request", function()
      local t = test(forward)
      t:answer_always("out", function(request)
        return { status = request.json.n == 1 and 200 or 500 }
      end)
      t:receive("in", { json = { type = "a", n = 1 } })
      t:receive("in", { json = { type = "a", n = 2 } })
      assert.equal("succeeded", t.deliveries[1].state)
      assert.equal("retrying", t.deliveries[2].state)
    end)

    it("are three days of attempts in well under a second", function()
      local t = test [[
        anzol.endpoint("ledger", { url = "https://l.example/", sign = anzol.sign.standard { secret = "a secret, long" },
          retry = function(_, delivery)
            if delivery.age > 3 * 86400 then return false, "older than 3 days" end
            return 30
          end })
        anzol.on("a", function(event) event:send("ledger") end)]]
      t:answer_always("ledger", { error = "timeout" })
      local started = os.clock()
      t:receive("in", { json = { type = "a" } })
      t:advance "3d"
      local seconds = os.clock() - started
      assert.equal(8641, #t:delivery("ledger").attempts)
      assert.is_true(seconds < 3, ("took %.2f s"):format(seconds))
      t:advance "30s"
      assert.equal("older than 3 days", t:delivery("ledger").reason)
    end)
  end)
end)
