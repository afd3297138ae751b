-- SPDX-License-Identifier: MIT
-- anzol.testing: events, their runs, and what runs wait for.
local rig = require "lua.testing_rig"

local forward, test = rig.forward, rig.test

describe("anzol.testing", function()
  after_each(rig.finish)

  describe("events and runs", function()
    it("runs a failed handler again as the server does, then gives up", function()
      local t = test [[anzol.on("a", { name = "bad" }, function() error "boom" end)]]
      t:receive("in", { json = { type = "a" } })
      local run = t.events[1].runs[1]
      assert.equal("retrying", run.state)
      assert.matches("main.lua:.*boom", run.error)
      for _, step in ipairs { "1s", "5s", "30s", "2m", "10m" } do
        assert.equal("retrying", run.state)
        t:advance(step)
      end
      assert.equal("dead", run.state)
      assert.equal(6, run.number)
      assert.equal("handler", t.dead_letters[1].kind)
      assert.equal("bad", t.dead_letters[1].subscription)
    end)

    it("commits nothing of a run that failed, and all of the one that did not", function()
      local t = test [[
        anzol.on("a", function(event)
          event:send("out", { json = { run = event.run_number } })
          event:emit("b", {})
          if event.run_number == 1 then error "not yet" end
        end)]]
      t:receive("in", { json = { type = "a" } })
      assert.equal(0, #t.deliveries)
      assert.equal(1, #t.events)
      t:advance "1s"
      assert.equal(2, t.deliveries[1].request.json.run)
      assert.equal("b", t.events[2].type)
      assert.equal("handled", t.events[1].runs[1].state)
      assert.is_nil(t.events[1].error)
      t:close()
    end)

    it("runs one key's handlers one after another, as the server does", function()
      local t = test [[
        anzol.on("a", { order_by = function(event) return event.data.group end }, function(event)
          if event.run_number == 1 and event.data.fails then error "not yet" end
          event:send("out", { json = { number = event.data.number } })
        end)]]
      t:receive("in", { json = { type = "a", group = "k", number = 1, fails = true } })
      t:receive("in", { json = { type = "a", group = "k", number = 2 } })
      t:receive("in", { json = { type = "a", group = "l", number = 3 } })
      assert.equal(1, #t.deliveries)
      assert.equal(3, t.deliveries[1].request.json.number)
      assert.truthy(t.events[1].error)
      t:advance "1s"
      assert.equal(1, t.deliveries[2].request.json.number)
      assert.equal(2, t.deliveries[3].request.json.number)
    end)

    it("keeps values by key: they commit with the run, and a conflict repeats it", function()
      local t = test [[
        local kv = anzol.kv "counts"
        anzol.on("a", { concurrency = 10 }, function(event)
          local n = kv:get "n" or 0
          anzol.sleep "1s"
          kv:set("n", n + 1)
          kv:incr("sum", event.data.add)
          kv:set("gone", 1, { ttl = "1m" })
        end)
        anzol.on("b", function(event)
          local rows = kv:list()
          event:send("out", { json = { n = kv:get "n", sum = kv:get "sum", rows = #rows } })
        end)
        anzol.on("c", function() kv:set("n", 0) error "no" end)
        anzol.on("d", function() kv:set("text", "t") end)
        anzol.on("e", function() kv:incr "text" end)]]
      for i = 1, 4 do t:receive("in", { json = { type = "a", add = i } }) end
      t:advance "10s"
      t:receive("in", { json = { type = "c" } })
      t:receive("in", { json = { type = "b" } })
      assert.same({ n = 4, sum = 10, rows = 3 }, t.deliveries[1].request.json)
      t:advance "1m"
      t:receive("in", { json = { type = "b" } })
      assert.same({ n = 4, sum = 10, rows = 2 }, t.deliveries[2].request.json)
      t:receive("in", { json = { type = "d" } })
      t:receive("in", { json = { type = "e" } })
      assert.matches("the value is no number", t.events[#t.events].error)
      assert.truthy(t.events[5].error)
    end)

    it("writes nothing of a commit that is lost", function()
      local t = test [[
        anzol.on("a", function(event)
          anzol.kv("k"):incr "n"
          event:send("out", { json = { n = anzol.kv("k"):get "n" } })
        end)]]
      t:crash_before_commit()
      t:receive("in", { json = { type = "a" } })
      assert.equal(1, t.deliveries[1].request.json.n)
    end)

    it("makes one event of emits of a type under one key, apart from the keys of senders", function()
      local t = test [[
        anzol.on("a", function(event)
          for _, type in ipairs { "b", "b", "c" } do
            event:emit(type, {}, { idempotency_key = event.data.key })
          end
        end)]]
      for i = 1, 2 do
        t:receive("in", { json = { type = "a", key = "k" } })
        t:advance(i == 1 and "24h" or 0)
      end
      t:receive("in", { json = { type = "a", key = "l" } })
      local types = {}
      for i, event in ipairs(t.events) do types[i] = event.type end
      assert.same({ "a", "b", "c", "a", "b", "c" }, types)
    end)

    it("handles what was emitted with a delay when its time comes", function()
      local t = test [[
        anzol.on("a", function(event) event:emit("b", {}, { delay = "5m" }) end)
        anzol.on("b", function(event) event:send("out", { json = {} }) end)]]
      t:receive("in", { json = { type = "a" } })
      t:advance "299s"
      assert.equal(0, #t.deliveries)
      t:advance "1s"
      assert.equal(1, #t.deliveries)
    end)

    it("loses a commit when asked to, and makes the same messages again", function()
      local t = test [[
        local runs = 0
        anzol.on("a", function(event)
          runs = runs + 1
          event:send("out", { json = { runs = runs } })
        end)]]
      t:crash_before_commit()
      t:receive("in", { json = { type = "a" } })
      assert.equal(1, #t.deliveries)
      assert.equal(2, t.deliveries[1].request.json.runs)
      assert.equal(1, t.events[1].runs[1].number)
    end)

    it("chains events and stops a chain that is too deep", function()
      local t = test [[anzol.on("a", function(event) event:emit("a", {}) end)]]
      t:receive("in", { json = { type = "a" } })
      assert.equal(17, #t.events)
      assert.equal(16, t.events[17].depth)
      assert.equal(t.events[16].id, t.events[17].parent_id)
      assert.matches("at most 16 deep", t.events[17].error)
      assert.equal(1, #t.dead_letters)
    end)

    it("shows skips of handlers and of filters", function()
      local t = test [[
        anzol.on("a", function() return anzol.skip "not today" end)
        anzol.on("b", { filter = function() return false end }, function() end)
      ]]
      t:receive("in", { json = { type = "a" } })
      t:receive("in", { json = { type = "b" } })
      assert.equal("not today", t.events[1].skipped)
      assert.equal("filter", t.events[2].skipped)
      t:close()
    end)

    it("runs later what asks for it", function()
      local t = test [[anzol.on("a", function(event)
        if event.received_at_ms + 60000 > anzol.time.now() then return anzol.retry_later "20s" end
        event:send("out") end)]]
      t:receive("in", { json = { type = "a" } })
      t:advance "59s"
      assert.equal(0, #t.deliveries)
      t:advance "1s"
      assert.equal(1, #t.deliveries)
    end)

    it("gives each subscription its run, and each message its own id", function()
      local t = test [[
        anzol.on("a", { name = "one" }, function(event) event:send("out", { json = {} }) end)
        anzol.on("**", { name = "two" }, function(event) event:send("out", { json = {} }) end)
      ]]
      t:receive("in", { json = { type = "a" } })
      assert.equal("one", t.events[1].runs[1].subscription)
      assert.equal("two", t.events[1].runs[2].subscription)
      assert.are_not.equal(t.deliveries[1].message_id, t.deliveries[2].message_id)
      assert.equal(t.events[1].id, t.deliveries[2].event_id)
    end)
  end)

  it("counts metrics, and keeps breakers and limiters, for each test alone", function()
    local counting = [[
      local once = anzol.limiter("once", "1/h")
      anzol.on("a", function(event)
        anzol.metric.counter("seen_total", { kind = 'a"b' }):inc()
        anzol.metric.histogram("took_seconds"):observe(2)
        event:send("out", { json = { once:take() } })
      end)]]
    for _ = 1, 2 do
      local t = test(counting)
      assert.is_nil(t:metric("seen_total", { kind = 'a"b' }))
      t:receive("in", { json = { type = "a" } })
      assert.is_true(t.deliveries[1].request.json[1])
      t:receive("in", { json = { type = "a" } })
      assert.is_false(t.deliveries[2].request.json[1])
      assert.equal(2, t:metric("seen_total", { kind = 'a"b' }))
      assert.equal(4, t:metric "took_seconds_sum")
    end
  end)

  describe("waiting", function()
    local sleepy = [[
      anzol.on("a", { deadline = "10s" }, function(event)
        anzol.sleep(event.data.time)
        event:send("out", { json = { at = anzol.time.now() } })
      end)]]

    it("moves the clock on while a request is handled", function()
      local t = test(sleepy)
      local start_ms = t.now_ms
      t:receive("in", { json = { type = "a", time = "3s" } })
      assert.equal(start_ms + 3000, t.now_ms)
      assert.equal(t.now_ms, t.deliveries[1].request.json.at)
    end)

    it("lets what is due meanwhile happen at its own time", function()
      local t = test(sleepy .. forward:gsub('"a"', '"b"'))
      t:answer("out", 500, 200, 200)
      t:receive("in", { json = { type = "b" } })
      t:advance "8s"
      local start_ms = t.now_ms
      t:receive("in", { json = { type = "a", time = "5s" } })
      assert.equal(start_ms + 2000, t.deliveries[1].attempts[2].at_ms)
      assert.equal(start_ms + 5000, t.deliveries[2].attempts[1].at_ms)
    end)

    it("ends at the handler's deadline, on the test's clock", function()
      local t = test(sleepy)
      local start_ms = t.now_ms
      t:receive("in", { json = { type = "a", time = "1h" } })
      assert.matches("over its time limit of 10000 ms", t.events[1].error)
      assert.equal(start_ms + 10000, t.now_ms)
    end)

    it("is not moved past where advance ends", function()
      local t = test(sleepy .. [[anzol.on("b", function(event) event:emit("a", { time = "5s" }, {}) end)
        anzol.on("c", function(event)
          if event.run_number == 1 then error "again" end
          event:emit("a", { time = "5s" })
        end)]])
      t:receive("in", { json = { type = "c" } })
      local start_ms = t.now_ms
      t:advance "3s"
      assert.equal(start_ms + 3000, t.now_ms)
      assert.equal(0, #t.deliveries)
      t:advance "3s"
      assert.equal(start_ms + 6000, t.deliveries[1].request.json.at)
    end)

    it("gives long computing its turns", function()
      local t = test [[anzol.on("a", function(event)
        local sum = 0
        for i = 1, 2000000 do sum = sum + i end
        event:send("out", { json = { sum = sum } })
      end)]]
      t:receive("in", { json = { type = "a" } })
      assert.equal(2000001000000, t.deliveries[1].request.json.sum)
    end)
  end)
end)
