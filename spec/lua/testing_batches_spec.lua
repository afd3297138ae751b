-- SPDX-License-Identifier: MIT
-- Batches of anzol.on, in anzol.testing: the same core as the server's, with a clock of its own.
local rig = require "lua.testing_rig"

local message_of, test = rig.message_of, rig.test

describe("a batch of anzol.on", function()
  after_each(rig.finish)

  -- A test of one handler, which sends the numbers of each batch: { 1, 2, 3 }.
  local function handler(batch, body)
    return test(([[
      local function by(event) return event.data.who end
      anzol.on("a", { name = "main", batch = %s }, function(events)
        local numbers = anzol.json.array {}
        for i, event in ipairs(events) do numbers[i] = event.data.n end
        %s
        events[1]:send("out", { json = numbers })
      end)]]):format(batch, body or ""))
  end
  local function run(t, n, fields)
    fields = fields or {}
    fields.type, fields.n = "a", n
    return t:receive("in", { json = fields }).event
  end
  local function sent(t)
    local list = {}
    for i, delivery in ipairs(t.deliveries) do list[i] = delivery.request.json end
    return list
  end
  local function refusal(options)
    return message_of(test, ([[anzol.on("a", { %s }, function() end)]]):format(options))
  end

  it("is handled as one, so long after its first event (digest)", function()
    local t = handler [[{ wait = "5m" }]]
    run(t, 1)
    t:advance "4m"
    run(t, 2)
    t:advance "59s"
    assert.equal(0, #t.deliveries)
    assert.equal("pending", t.events[1].runs[1].state)
    t:advance "1s"
    assert.same({ { 1, 2 } }, sent(t))
    assert.equal("handled", t.events[1].runs[1].state)
    assert.equal("handled", t.events[2].runs[1].state)
    t:advance "1h"
    run(t, 3)
    t:advance "5m"
    assert.same({ { 1, 2 }, { 3 } }, sent(t))
    t:close()
  end)

  it("is handled when it has been quiet so long, but not later than its time (debounce)", function()
    local t = handler [[{ quiet = "30s", wait = "2m" }]]
    run(t, 1)
    t:advance "29s"
    run(t, 2)
    t:advance "29s"
    assert.equal(0, #t.deliveries)
    t:advance "1s"
    assert.same({ { 1, 2 } }, sent(t))
    for n = 3, 9 do
      run(t, n)
      t:advance "20s"
    end
    assert.same({ 3, 4, 5, 6, 7, 8 }, sent(t)[2])
  end)

  it("keeps only the newest event (collapse)", function()
    local t = handler [[{ keep = "last", wait = "1m", by = by }]]
    run(t, 1, { who = "ana" })
    run(t, 2, { who = "bo" })
    run(t, 3, { who = "ana" })
    assert.equal("a newer event of its batch came", t.events[1].skipped)
    t:advance "1m"
    local list = sent(t)
    table.sort(list, function(a, b) return a[1] < b[1] end)
    assert.same({ { 2 }, { 3 } }, list)
  end)

  it("is of one key", function()
    local t = handler [[{ by = by, wait = "1m" }]]
    for n = 1, 4 do run(t, n, { who = n % 2 == 0 and "even" or "odd" }) end
    t:advance "1m"
    assert.same({ { 1, 3 }, { 2, 4 } }, sent(t))
  end)

  it("closes at its most events", function()
    local t = handler [[{ wait = "1h", max = 3 }]]
    for n = 1, 7 do run(t, n) end
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, sent(t))
    t:advance "1h"
    assert.same({ 7 }, sent(t)[3])
  end)

  it("of a key waits for the one before; other keys do not", function()
    local t = test [[
      anzol.on("go", function(event)
        for n = 1, 5 do event:emit("a", { n = n, who = n == 5 and "bo" or "ana", slow = n == 1 }) end
      end)
      local kv = anzol.kv "box"
      anzol.on("a", { batch = { by = function(event) return event.data.who end, wait = "10s", max = 2 } },
        function(events)
          local list = kv:get(events[1].data.who) or {}
          if events[1].data.slow then anzol.sleep "20s" end
          for _, event in ipairs(events) do list[#list + 1] = event.data.n end
          kv:set(events[1].data.who, list)
          events[1]:send("out", { json = list })
        end)]]
    t:receive("in", { json = { type = "go" } })
    t:advance "1m"
    assert.same({ { 5 }, { 1, 2 }, { 1, 2, 3, 4 } }, (function()
      local list = sent(t)
      table.sort(list, function(a, b) return #a < #b end)
      return list
    end)())
  end)

  it("runs again as a whole after an error, and then no event is handled twice", function()
    local t = handler([[{ wait = "1m" }]], [[if events[1].run_number < 3 then error "not yet" end]])
    run(t, 1)
    run(t, 2)
    t:advance "1m"
    assert.matches("not yet", t.events[1].error)
    run(t, 3)
    t:advance "10s"
    assert.same({ { 1, 2 } }, sent(t))
    t:advance "50s"
    assert.matches("not yet", t.events[3].error)
    t:advance "10s"
    assert.same({ { 1, 2 }, { 3 } }, sent(t))
  end)

  it("is dead as a whole, each event with the reason", function()
    local t = handler([[{ wait = "1m" }]], [[error "never"]])
    run(t, 1)
    run(t, 2)
    t:advance "1h"
    assert.equal(2, #t.dead_letters)
    for i, letter in ipairs(t.dead_letters) do
      assert.equal(t.events[i].id, letter.event_id)
      assert.matches("never", letter.reason)
      assert.equal("dead", t.events[i].runs[1].state)
    end
  end)

  it("is skipped as a whole", function()
    local t = handler([[{ wait = "1m" }]], [[do return anzol.skip "nothing new" end]])
    run(t, 1)
    run(t, 2)
    t:advance "1m"
    assert.equal("nothing new", t.events[1].skipped)
    assert.equal("nothing new", t.events[2].skipped)
  end)

  it("makes messages of each event, whose ids stay the same in each try", function()
    local t = test [[
      local seen = anzol.cache "seen"
      anzol.on("a", { batch = { wait = "1m" } }, function(events)
        local ids = {}
        for _, event in ipairs(events) do
          for _ = 1, 2 do ids[#ids + 1] = event:send("out", { json = {} }) end
        end
        local before = seen:get "ids"
        seen:set("ids", ids)
        if not before then error "once more" end
        for i, id in ipairs(ids) do assert(before[i] == id) end
        assert(ids[1] ~= ids[2] and ids[1] ~= ids[3])
      end)]]
    run(t, 1)
    run(t, 2)
    t:advance "2m"
    assert.equal(4, #t.deliveries)
    assert.equal(t.events[2].id:sub(5, 12), t.deliveries[3].message_id:sub(5, 12))
    assert.equal("handled", t.events[2].runs[1].state)
  end)

  it("commits as a whole: a lost commit leaves nothing, and the next one is the same", function()
    local t = handler([[{ wait = "1m" }]], [[anzol.kv("box"):incr("n", #events)]])
    run(t, 1)
    run(t, 2)
    t:crash_before_commit()
    t:advance "1m"
    assert.same({ { 1, 2 } }, sent(t))
    assert.equal(2, t.kv.box.n)
  end)

  it("has steps, each of its event", function()
    local t = handler([[{ wait = "1m" }]], [[
      local calls = anzol.cache "calls"
      for i, event in ipairs(events) do
        numbers[i] = event:step("call", function() return calls:incr "n" end)
      end
      if events[1].run_number == 1 then error "once more" end]])
    run(t, 1)
    run(t, 2)
    t:advance "2m"
    assert.same({ { 1, 2 } }, sent(t))
  end)

  it("leaves out what the filter refuses, and handles alone what has no key or is due later", function()
    local t = test [[
      anzol.on("go", function(event) event:emit("a", { n = 7, who = "ana" }, { delay = "10s" }) end)
      anzol.on("a", {
        filter = function(event) return event.data.n ~= 2 end,
        batch = { wait = "1m", by = function(event) return event.data.who end },
      }, function(events)
        local numbers = {}
        for i, event in ipairs(events) do numbers[i] = event.data.n end
        events[1]:send("out", { json = numbers })
      end)]]
    for n = 1, 3 do run(t, n, { who = "ana" }) end
    run(t, 4)
    assert.same({ { 4 } }, sent(t))
    assert.equal("filter", t.events[2].skipped)
    t:receive("in", { json = { type = "go" } })
    t:advance "10s"
    assert.same({ 7 }, sent(t)[2])
    t:advance "50s"
    assert.same({ 1, 3 }, sent(t)[3])
  end)

  it("fails the run of an event whose key raises, or is none", function()
    local t = handler [[{ wait = "1m", by = function(event)
      if event.data.who == "bad" then error "no key today" end
      return event.data.who
    end }]]
    assert.matches("no key today", run(t, 1, { who = "bad" }).error)
    assert.matches("by of a batch must return a string or nil, got table", run(t, 2, { who = {} }).error)
    assert.matches("by of a batch returned 513 bytes, at most 512",
      run(t, 3, { who = ("k"):rep(513) }).error)
    run(t, 4, { who = ("k"):rep(512) })
    t:advance "1m"
    assert.same({ { 4 } }, sent(t))
  end)

  it("gives a list of the script's own, and its events only while the handler runs", function()
    local t = test [[
      local kept
      anzol.on("a", { batch = { wait = "1m" } }, function(events)
        kept = events[2]
        table.remove(events, 1)
        events[1]:send("out", { json = { n = events[1].data.n } })
      end)
      anzol.on("b", function() return kept.id end)]]
    run(t, 1)
    run(t, 2)
    t:advance "1m"
    assert.same({ n = 2 }, t.deliveries[1].request.json)
    assert.matches("this event's handler is over", t:receive("in", { json = { type = "b" } }).event.error)
  end)

  it("says that it gives a list to who takes it for an event", function()
    local function failure(code)
      local t = test(([[anzol.on("a", { batch = { wait = "1m", max = 1 } }, function(events) %s end)]]):format(code))
      return run(t, 1).error
    end
    assert.matches(
      "this handler has a batch and gets a list of events, which has no 'send'; its first event is events%[1%]",
      failure [[events:send("out")]])
    assert.matches("has no 'data'", failure [[local n = events.data.n]])
    assert.is_nil(failure [[assert(events[2] == nil and events.mine == nil) events.mine = 1 table.insert(events, 1)
      assert(#events == 2 and select("#", table.unpack(events)) == 2)]])
  end)

  it("says what is wrong with its options", function()
    assert.matches("option 'batch' of anzol.on must be a table", refusal "batch = true")
    assert.matches("batch of anzol.on needs 'wait'", refusal "batch = {}")
    assert.matches("unknown option 'waits' for batch of anzol.on %(did you mean 'wait'",
      refusal [[batch = { waits = "1m" }]])
    assert.matches("option 'max' of batch of anzol.on must be an integer from 1 to 1000",
      refusal [[batch = { wait = 1, max = 1001 }]])
    assert.matches("options 'wait' and 'quiet' of batch of anzol.on are 1ms to 7d", refusal [[batch = { wait = "8d" }]])
    assert.matches("options 'wait' and 'quiet' of batch of anzol.on are 1ms to 7d",
      refusal [[batch = { quiet = "8d" }]])
    assert.matches("option 'keep' of batch of anzol.on must be \"all\" or \"last\", got 'first'",
      refusal [[batch = { wait = 1, keep = "first" }]])
    assert.matches("option 'by' of batch of anzol.on must be a function", refusal [[batch = { wait = 1, by = "who" }]])
    assert.matches("takes 'order_by' or 'batch'", refusal [[batch = { wait = 1 }, order_by = function() end]])
    assert.has_no.errors(function()
      test [[anzol.on("a", { batch = { wait = "7d", quiet = "7d", max = 1000 } }, function() end)]]
    end)
  end)
end)
