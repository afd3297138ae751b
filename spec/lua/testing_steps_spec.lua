-- SPDX-License-Identifier: MIT
-- event:step, in anzol.testing: the same core as the server's (core/script/bind_step.c).
local rig = require "lua.testing_rig"

local test = rig.test

describe("event:step", function()
  after_each(rig.finish)

  -- A test of one handler, which may use calls(name): a count of its calls by name, outside of any
  -- commit.
  local function handler(body)
    return test([[
      local counts = anzol.cache "counts"
      local function called(name) return counts:incr(name) end
      anzol.on("a", { name = "main" }, function(event) ]] .. body .. [[ end)]])
  end
  local function run(t, fields)
    fields = fields or {}
    fields.type = "a"
    return t:receive("in", { json = fields }).event
  end
  local function sent(t) return t.deliveries[1].request.json end
  local function failure(body)
    local t = handler(body)
    return run(t).error
  end

  it("gives what its function returned, and calls it with what stands behind it", function()
    local t = handler [[
      local sum, list = event:step("sum", function(a, b) return a + b, { a, b } end, 40, 2)
      event:send("out", { json = { sum = sum, list = list } })
    ]]
    run(t)
    assert.same({ sum = 42, list = { 40, 2 } }, sent(t))
  end)

  it("is not done again by the next try, and gives the same", function()
    local t = handler [[
      local first = event:step("first", function() return { n = called "first" } end)
      if event.run_number < 3 then error "not yet" end
      event:send("out", { json = { first = first, second = event:step("second", called, "second") } })
    ]]
    run(t)
    t:advance "10s"
    assert.same({ first = { n = 1 }, second = 1 }, sent(t))
    assert.equal("handled", t.events[1].runs[1].state)
  end)

  it("is not done again when the commit of the run is lost", function()
    local t = handler [[event:send("out", { json = { n = event:step("n", called, "n") } })]]
    t:crash_before_commit()
    run(t)
    assert.equal(1, #t.deliveries)
    assert.same({ n = 1 }, sent(t))
  end)

  it("belongs to its event and its subscription", function()
    local t = test [[
      local counts = anzol.cache "counts"
      local function step(event)
        event:send("out", { json = { n = event:step("n", function() return counts:incr "n" end) } })
      end
      anzol.on("a", { name = "one" }, step)
      anzol.on("a", { name = "two" }, step)
    ]]
    run(t)
    run(t)
    local seen = {}
    for i, delivery in ipairs(t.deliveries) do seen[i] = delivery.request.json.n end
    assert.same({ 1, 2, 3, 4 }, seen)
  end)

  it("keeps nil, false and several values, and gives copies in the first try too", function()
    local t = handler [[
      local kept = {}
      local function note(name, ...) kept[#kept + 1] = { name, select("#", ...), tostring((...)) } end
      local made = { list = {} }
      note("nothing", event:step("nothing", function() end))
      note("nil", event:step("nil", function() return nil end))
      note("false", event:step("false", function() return false, "why" end))
      note("null", event:step("null", function() return anzol.json.null end))
      note("copy", event:step("copy", function() return made end) ~= made)
      note("several", event:step("several", function() return 1, nil, "x", nil end))
      local tries = anzol.cache "tries"
      if tries:add("first", kept) then error "once more" end
      event:send("out", { json = { first = tries:get "first", second = kept } })
    ]]
    run(t)
    t:advance "1s"
    local expected = { { "nothing", 0, "nil" }, { "nil", 1, "nil" }, { "false", 2, "false" },
      { "null", 1, "nil" }, { "copy", 1, "true" }, { "several", 4, "1" } }
    assert.same({ first = expected, second = expected }, sent(t))
  end)

  it("keeps nothing when its function returns nil and an Error: the next try calls again", function()
    local t = handler [[
      local answer, err = event:step("ask", function() return anzol.http.get "https://api.example/x" end)
      if not answer then error(err) end
      event:send("out", { json = { status = answer.status } })
    ]]
    t:http("https://api.example/x", { error = "timeout" })
    run(t)
    assert.matches("timeout", t.events[1].error)
    t:http("https://api.example/x", { status = 204 })
    t:advance "1s"
    assert.equal(2, #t.calls)
    assert.matches("what the step 'ask' returned cannot be kept: .+a userdata is no JSON value", t.events[1].error)
  end)

  it("keeps nothing when its function raises; the error is the handler's", function()
    local t = handler [[
      local ok, why = pcall(event.step, event, "x", function() called "x" error("no luck", 0) end)
      if event.run_number == 1 then error(why) end
      event:send("out", { json = { why = why, calls = called "x" } })
    ]]
    run(t)
    assert.matches("no luck", t.events[1].error)
    t:advance "1s"
    assert.same({ why = "no luck", calls = 3 }, sent(t))
  end)

  it("may wait, and its function too", function()
    local t = handler [[
      local status = event:step("ask", function()
        anzol.sleep "2s"
        return anzol.http.get("https://api.example/x").status
      end)
      if event.run_number == 1 then error "once more" end
      event:send("out", { json = { status = status } })
    ]]
    t:http("https://api.example/x", { status = 201 })
    run(t)
    t:advance "10s"
    assert.same({ status = 201 }, sent(t))
    assert.equal(1, #t.calls)
  end)

  it("works in the branches of anzol.all and in coroutines of the script's own", function()
    local t = handler [[
      local results = anzol.all(
        function() return event:step("a", called, "a") end,
        function() return event:step("b", called, "b") end,
        coroutine.wrap(function() return event:step("c", called, "c") end))
      if event.run_number == 1 then error "once more" end
      event:send("out", { json = { a = results[1], b = results[2], c = results[3] } })
    ]]
    run(t)
    t:advance "1s"
    assert.same({ a = 1, b = 1, c = 1 }, sent(t))
  end)

  it("wants a name of its own for each step of a run, whatever became of the first", function()
    assert.matches("two steps of this run are called 'x'.+put what tells the turns apart into it",
      failure [[event:step("x", called, "x") event:step("x", called, "x")]])
    assert.matches("two steps of this run are called 'x'",
      failure [[pcall(event.step, event, "x", error, "no") event:step("x", called, "x")]])
    local t = handler [[
      event:step("x", called, "x")
      if event.run_number == 2 then event:step("x", called, "x") end
      error "again"
    ]]
    run(t)
    t:advance "1s"
    assert.matches("two steps of this run are called 'x'", t.events[1].error)
  end)

  it("is no part of another step", function()
    assert.matches("a step in the step 'outer'",
      failure [[event:step("outer", function() event:step("inner", called, "x") end)]])
    assert.matches("a step in the step 'outer'", failure [[
      event:step("outer", function()
        assert(anzol.all(function() event:step("inner", called, "x") end))
      end)]])
  end)

  it("refuses what commits with the run: sends, emits, writes of kv", function()
    local hint = " cannot be called in the step 'x'.+return from the step what it needs"
    local function refuses(name, code)
      local body = ('event:step("x", function() %s end)'):format(code)
      assert.matches(name .. hint, failure(body))
      assert.matches(name .. hint,
        failure(('event:step("x", function() anzol.all(function() %s end) end)'):format(code)))
      assert.matches(name .. hint,
        failure(('event:step("x", function() coroutine.wrap(function() %s end)() end)'):format(code)))
    end
    refuses("event:send", [[event:send("out")]])
    refuses("event:emit", [[event:emit("b")]])
    refuses("anzol.kv:set", [[anzol.kv("box"):set("k", 1)]])
    refuses("anzol.kv:incr", [[anzol.kv("box"):incr "k"]])
    refuses("anzol.kv:delete", [[anzol.kv("box"):delete "k"]])
  end)

  it("lets them be called behind a step that raised, was left or closed", function()
    local t = handler [[
      pcall(event.step, event, "raised", error, "no")
      local co = coroutine.create(function()
        event:step("left", function() coroutine.yield() end)
      end)
      coroutine.resume(co)
      event:send("out", { json = { n = anzol.kv("box"):get "k" } })
      coroutine.close(co)
      anzol.kv("box"):set("k", 1)
    ]]
    run(t)
    assert.is_nil(t.events[1].error)
    assert.equal(1, #t.deliveries)
    assert.equal(1, t.kv.box.k)
  end)

  it("works in handlers only, of their own event", function()
    assert.matches("event:step works in the handler of this event only, not in 'filter'", (function()
      local t = test [[
        anzol.on("a", { filter = function(event) return event:step("x", print) end }, function() end)]]
      return run(t).error
    end)())
    assert.matches("event:step cannot wait inside a callback", failure [[
      table.sort({ 1, 2 }, function() event:step("x", called, "x") end)]])
  end)

  it("says what is wrong with its arguments", function()
    assert.matches("the name of a step has 1 to 100 bytes, got 0", failure [[event:step("", called)]])
    assert.matches("the name of a step has 1 to 100 bytes, got 101",
      failure [[event:step(("n"):rep(101), called)]])
    assert.is_nil(failure [[event:step(("n"):rep(100), called, "x")]])
    assert.matches("holds a zero byte", failure [[event:step("a\0b", called)]])
    assert.matches("the function is missing, got string", failure [[event:step("x", "y")]])
  end)

  it("says what of a result cannot be kept", function()
    assert.matches("what the step 'x' returned cannot be kept:.+a function is no JSON value",
      failure [[event:step("x", function() return { f = print } end)]])
    assert.is_nil(failure [[event:step("x", function() return ("x"):rep(65536 - 4) end)]])
    assert.matches("the step 'x' returned 65537 bytes as JSON, at most 65536 are kept",
      failure [[event:step("x", function() return ("x"):rep(65536 - 3) end)]])
    assert.is_nil(failure [[event:step("x", function() return 1, 2, 3, 4, 5, 6, 7, 8 end)]])
    assert.matches("the step 'x' returned 9 values, at most 8 are kept",
      failure [[event:step("x", function() return 1, 2, 3, 4, 5, 6, 7, 8, 9 end)]])
  end)

  it("bounds the steps of a run, and what they keep", function()
    local t = handler [[
      for i = 1, 1000 do event:step("step " .. i, called, "x") end
      if event.data.more then event:step("one more", called, "x") end
    ]]
    assert.is_nil(run(t).error)
    assert.matches("a run has at most 1000 steps", run(t, { more = true }).error)
    t:advance "1h"
    assert.matches("a run has at most 1000 steps", t.events[2].error)
    local body = [[for i = 1, %d do event:step("step " .. i, function() return ("x"):rep(65536 - 4) end) end]]
    assert.is_nil(failure(body:format(16)))
    assert.matches("the steps of a run may return at most 1048576 bytes", failure(body:format(17)))
  end)

  it("ends with the run that waits in it", function()
    local t = test [[
      anzol.on("a", { deadline = "1s" }, function(event)
        event:step("slow", function() anzol.sleep "2s" end)
      end)]]
    assert.matches("'handler' went over its time limit of 1000 ms", run(t).error)
  end)
end)
