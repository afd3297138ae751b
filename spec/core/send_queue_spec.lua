-- SPDX-License-Identifier: MIT
-- The queue of an endpoint (core/send): turns, concurrency, rate, retries, windows and claims.
local rigs = require "core.send_rig"
local send = require "anzol_test.send"

local with, ok, answer = rigs.with, rigs.ok, rigs.answer

-- A server that counts how many requests it has open at once; answers after `ms`.
local function counting(rig, behaviour)
  local server
  server = rig:server(function(request) return behaviour and behaviour(request) or ok() end)
  return server
end

describe("an endpoint", function()
  it("gets its messages in order of their commit", with(function(rig)
    local server = counting(rig)
    rig:endpoint { url = server.url, concurrency = 1 }
    for i = 1, 300 do rig:commit { body = tostring(i) } end
    rig:settle()
    for i, request in ipairs(server.requests) do assert.equal(tostring(i), request.body) end
  end))

  it("has no more attempts at once than its concurrency", with(function(rig)
    local server = rig:server(function() end)
    rig:endpoint { url = server.url, concurrency = 3 }
    for _ = 1, 20 do rig:commit() end
    rig:wait(nil, 50)
    assert.equal(3, #server.requests)
    assert.equal(3, rig.rig:counts().in_flight)
  end))

  it("that hangs costs the others nothing", with(function(rig)
    local dead = rig:server(function() end)
    local live = rig:server(function() return ok() end)
    rig:endpoints { { name = "dead", id = 1, url = dead.url, concurrency = 4 },
      { name = "live", id = 2, url = live.url, concurrency = 4 } }
    for _ = 1, 100 do rig:commit({}, "dead") end
    for _ = 1, 100 do rig:commit({}, "live") end
    assert.is_true(rig:wait(function() return #live.requests == 100 end, 2000))
    assert.equal(4, #dead.requests)
  end))

  it("takes turns with others that are ready", with(function(rig)
    local order = {}
    local function note(name)
      return function()
        order[#order + 1] = name
        return ok()
      end
    end
    local a, b = rig:server(note "a"), rig:server(note "b")
    rig:endpoints { { name = "a", id = 1, url = a.url, concurrency = 1 },
      { name = "b", id = 2, url = b.url, concurrency = 1 } }
    for _ = 1, 100 do rig:commit({}, "a") end
    for _ = 1, 10 do rig:commit({}, "b") end
    rig:settle()
    local last_b = 0
    for i, name in ipairs(order) do if name == "b" then last_b = i end end
    assert.is_true(last_b <= 40, "b's last came as number " .. last_b)
  end))

  it("with large bodies gets fewer turns than one with small ones", with(function(rig)
    local started = {}
    rig.rig:hooks { transform = function(body) started[#started + 1] = #body end }
    local server = rig:server(function() return ok() end)
    local large = { name = "large", id = 1, url = server.url, concurrency = 100, transform = true }
    local small = { name = "small", id = 2, url = server.url, concurrency = 100, transform = true }
    rig:endpoints { large, small }
    rig.rig:faults { credit_busy = 1 }
    for _ = 1, 20 do rig:commit({ body = ("x"):rep(64 * 1024) }, "large") end
    for _ = 1, 60 do rig:commit({}, "small") end
    rig:wait(function() return rig.rig:counts().held == 80 end)
    rig.rig:faults {}
    rig:settle()
    local large_count = 0
    for i = 1, 60 do
      if started[i] > 1000 then large_count = large_count + 1 end
    end
    assert.is_true(large_count >= 10 and large_count <= 14, large_count .. " large ones of 60")
  end))

  it("has a rate, with one second's worth at once", with(function(rig)
    local server = counting(rig)
    rig:endpoint { url = server.url, rate = 20, concurrency = 100 }
    for _ = 1, 40 do rig:commit() end
    rig:wait(nil, 100)
    local at_once = #server.requests
    assert.is_true(at_once >= 20 and at_once <= 23, at_once .. " at once")
    rig:wait(nil, 500)
    local later = #server.requests - at_once
    assert.is_true(later >= 7 and later <= 13, later .. " in half a second")
  end))

  it("saves no attempts up while it waits for a token and is paused", with(function(rig)
    local server = counting(rig)
    local spec = { url = server.url, rate = 50, burst = 1, concurrency = 100 }
    rig:endpoint(spec)
    for _ = 1, 10 do rig:commit() end
    rig:wait(function() return #server.requests == 1 end)
    spec.state = "paused"
    rig:endpoint(spec)
    rig:wait(nil, 250)
    local seen, started = #server.requests, {}
    spec.state = nil
    rig:endpoint(spec)
    for i, row in ipairs(rig:settle()) do started[i] = row.attempts[1].started_ms end
    table.sort(started)
    local ms = started[10] - started[seen + 1]
    assert.is_true(ms >= (10 - seen - 1) * 20 - 20, ("the last %d in %d ms"):format(10 - seen, ms))
  end))

  it("may have a rate below one a second", with(function(rig)
    local server = counting(rig)
    rig:endpoint { url = server.url, rate = 2.5, concurrency = 100 }
    for _ = 1, 5 do rig:commit() end
    local start = os.time()
    rig:settle()
    assert.is_true(os.time() - start <= 3)
    assert.equal(5, #server.requests)
  end))

  it("that is paused or disabled keeps its deliveries until it is enabled", with(function(rig)
    for _, state in ipairs { "paused", "disabled" } do
      local server = counting(rig)
      rig:endpoint { url = server.url, state = state }
      for _ = 1, 5 do rig:commit() end
      rig:wait(nil, 30)
      assert.equal(0, #server.requests)
      assert.equal(0, rig.rig:counts().in_flight)
      rig:endpoint { url = server.url }
      rig:settle()
      assert.equal(5, #server.requests)
    end
  end))

  it("that was removed keeps its queue until it is back", with(function(rig)
    local server = counting(rig)
    local other = { name = "other", id = 2, url = server.url }
    rig:endpoints { { name = "gone", id = 1, url = server.url, state = "paused" }, other }
    for _ = 1, 5 do rig:commit({}, "gone") end
    rig:wait(nil, 20)
    rig:endpoints { other }
    rig:wait(nil, 20)
    assert.equal(0, #server.requests)
    rig:endpoints { { name = "gone", id = 1, url = server.url }, other }
    rig:settle()
    assert.equal(5, #server.requests)
  end))

  it("may get another URL while attempts on the old one run", with(function(rig)
    local old = rig:server(function() end)
    local new = counting(rig)
    rig:endpoint { url = old.url, concurrency = 2, timeout_ms = 300, attempts = 2 }
    for _ = 1, 6 do rig:commit() end
    assert.is_true(rig:wait(function() return #old.requests == 2 end))
    for _ = 1, 3 do rig:endpoint { url = new.url, concurrency = 2, attempts = 2 } end
    rig:settle()
    assert.equal(2, #old.requests)
    assert.equal(6, #new.requests)
  end))
end)

describe("a failed delivery", function()
  it("is tried again after the policy's delay, until its attempts are used up", with(function(rig)
    local server = counting(rig, function() return answer(500) end)
    rig:endpoint { url = server.url, attempts = 4, retry_ms = 20 }
    rig:commit()
    local row = rig:settle()[1]
    assert.equal("dead", row.state)
    assert.equal(4, #row.attempts)
    assert.matches("4", row.reason)
    for i, attempt in ipairs(row.attempts) do
      assert.equal(i, attempt.number)
      assert.equal(i < 4 and "retrying" or "dead", attempt.state)
      if i > 1 then
        local gap = attempt.started_ms - row.attempts[i - 1].started_ms
        -- Less the millisecond between the due clock and the wall clock.
        assert.is_true(gap >= 19 and gap < 200, "after " .. gap .. " ms")
      end
    end
  end))

  it("does not hold up the ones behind it", with(function(rig)
    local server = counting(rig, function(request)
      return request.body == "bad" and answer(500) or ok()
    end)
    rig:endpoint { url = server.url, retry_ms = 60000, concurrency = 1 }
    rig:commit { body = "bad" }
    for _ = 1, 5 do rig:commit() end
    assert.is_true(rig:wait(function() return #server.requests == 6 end))
  end))

  it("waits as its Lua function says", with(function(rig)
    local server = counting(rig, function() return answer(500, { ["Retry-After"] = "3600" }) end)
    local seen
    rig.rig:hooks { retry = function(attempt)
      seen = attempt
      if attempt.number == 1 then return 0.03 end
      return false, "enough of it"
    end }
    rig:endpoint { url = server.url, retry_function = true }
    rig:commit()
    local row = rig:settle()[1]
    assert.equal("dead", row.state)
    assert.equal("enough of it", row.reason)
    assert.equal(2, #row.attempts)
    assert.equal(500, seen.status)
    assert.equal(3600000, seen.retry_after_ms)
  end))

  it("follows the declared policy where its function has no opinion", with(function(rig)
    local server = counting(rig, function() return answer(500) end)
    rig.rig:hooks { retry = function() end }
    rig:endpoint { url = server.url, retry_function = true, attempts = 2 }
    rig:commit()
    assert.equal(2, #rig:settle()[1].attempts)
  end))

  it("whose time is over dies without an attempt", with(function(rig)
    local server = counting(rig)
    rig:endpoint { url = server.url }
    rig:commit { expires_ms = 1 }
    local row = rig:settle()[1]
    assert.equal("dead", row.state)
    assert.matches("expired", row.reason)
    assert.equal(0, #row.attempts)
    assert.equal(0, #server.requests)
  end))
end)

describe("a delayed message", function()
  it("goes out when it is due, not before", with(function(rig)
    local server = counting(rig)
    rig:endpoint { url = server.url }
    rig:commit { delay_ms = 150, body = "late" }
    rig:commit { body = "soon" }
    rig:wait(nil, 100)
    assert.equal(1, #server.requests)
    assert.equal("soon", server.requests[1].body)
    rig:settle()
    assert.equal("late", server.requests[2].body)
  end))
end)

describe("the window", function()
  -- With 64 endpoints each has 256 places.
  local function many(url, options)
    local list = {}
    for i = 1, 64 do list[i] = { name = "e" .. i, id = i, url = url } end
    for name, value in pairs(options or {}) do list[1][name] = value end
    return list
  end

  it("holds what it has room for; the rest lies in the store and comes in turn", with(function(rig)
    local server = counting(rig)
    rig:endpoints(many(server.url, { state = "paused" }))
    rig:wait(nil, 20)
    for i = 1, 2000 do rig:commit({ body = tostring(i) }, "e1") end
    rig:wait(nil, 20)
    assert.is_true(rig.rig:counts().held <= 512)
    rig:endpoints(many(server.url, { concurrency = 4 }))
    local most = 0
    rig:wait(function()
      most = math.max(most, rig.rig:counts().held)
      return rig.rig:open_count() == 0
    end, 20000)
    assert.equal(2000, #server.requests)
    assert.is_true(most <= 512, most .. " held")
    local seen = {}
    for _, request in ipairs(server.requests) do
      assert.is_nil(seen[request.body], request.body .. " came twice")
      seen[request.body] = true
    end
  end))

  it("has all its room back when nothing is held", with(function(rig)
    local server = counting(rig)
    rig:endpoints(many(server.url))
    rig:wait(nil, 20)
    local before = rig.rig:counts().room[1]
    assert.is_true(before >= 4 and before <= 512, "room " .. before)
    for _ = 1, 1500 do rig:commit({}, "e1") end
    rig:settle(20000)
    rig:wait(nil, 30)
    assert.equal(before, rig.rig:counts().room[1])
    -- Open again: what comes is held at once.
    rig:commit({}, "e1")
    rig:settle()
    assert.equal(1501, #server.requests)
  end))

  it("is bounded by bytes too", with(function(rig)
    local server = rig:server(function() end)
    rig:endpoint { url = server.url, concurrency = 1 }
    local body = ("x"):rep(1024 * 1024)
    for _ = 1, 150 do
      rig:commit { body = body }
      rig:wait(nil, 1)
    end
    rig:wait(nil, 50)
    local held = rig.rig:counts().held
    assert.is_true(held <= 80, held .. " MiB held")
  end))
end)

describe("endpoints that do not answer", function()
  local COUNT, EACH = 100, 100

  it("share a part of the memory for deliveries, and those that answer find theirs", with(function(rig)
    local mute, live, list = rig:server(function() end), counting(rig), {}
    for i = 1, COUNT do list[i] = { name = "mute" .. i, id = i, url = mute.url, concurrency = 1 } end
    list[COUNT + 1] = { name = "live", id = COUNT + 1, url = live.url }
    rig:endpoints(list)
    rig:commit({}, "live")
    assert.is_true(rig:wait(function() return #live.requests == 1 end))
    for _ = 1, EACH do
      for i = 1, COUNT do rig:commit({}, "mute" .. i) end
      rig:wait(nil, 1)
    end
    assert.is_true(rig:wait(function() return #mute.requests == COUNT end))
    rig:wait(nil, 50)
    local held = rig.rig:counts().held
    assert.is_true(held >= send.silent_deliveries_max and held <= send.silent_deliveries_max + 2 * COUNT,
      held .. " held")
    for _ = 1, 1000 do rig:commit({}, "live") end
    assert.is_true(rig:wait(function() return #live.requests == 1001 end))
  end))

  it("wait for each other, and none for ever", with(function(rig)
    local server, list = rig:server(function() return { "", close = true } end), {}
    for i = 1, COUNT do
      list[i] = { name = "e" .. i, id = i, url = server.url, concurrency = 4, attempts = 1, failures = 0 }
    end
    rig:endpoints(list)
    for i = 1, COUNT do
      for _ = 1, EACH do rig:commit({}, "e" .. i) end
    end
    local rows = rig:settle(20000)
    assert.equal(COUNT * EACH, #rows)
    assert.equal("dead", rows[COUNT * EACH].state)
  end))
end)

describe("a restart", function()
  it("takes up what was held and what is due", with(function(rig)
    local mute = rig:server(function() end)
    rig:endpoint { url = mute.url, concurrency = 2 }
    for i = 1, 700 do rig:commit { body = tostring(i) } end
    assert.is_true(rig:wait(function() return #mute.requests == 2 end))
    rig:wait(nil, 20)
    rig.rig:restart(0)
    local server = counting(rig)
    rig:endpoint { url = server.url }
    rig.rig:start()
    rig:settle(20000)
    assert.equal(700, #server.requests)
  end))

  it("takes up what was held though the readers are busy at first", with(function(rig)
    local mute = rig:server(function() end)
    rig:endpoint { url = mute.url }
    rig:commit()
    assert.is_true(rig:wait(function() return #mute.requests == 1 end))
    rig.rig:restart(0)
    local server = counting(rig)
    rig.rig:faults { read_busy = 1 }
    rig:endpoint { url = server.url }
    rig.rig:start()
    rig:wait(nil, 50)
    assert.equal(0, #server.requests)
    rig.rig:faults {}
    rig:settle()
    assert.equal(1, #server.requests)
  end))

  it("lets running attempts end and their outcomes be written", with(function(rig)
    local answers = {}
    local server = rig:server(function(request)
      answers[#answers + 1] = request
      return { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }
    end)
    rig:endpoint { url = server.url, concurrency = 4 }
    for _ = 1, 4 do rig:commit() end
    assert.is_true(rig:wait(function() return rig.rig:counts().in_flight > 0 end))
    rig.rig:restart(2000)
    for i, row in ipairs(rig.rig:rows()) do
      if i <= #answers then assert.equal("succeeded", row.state) end
    end
  end))

  it("starts no attempt once it stops", with(function(rig)
    local server = rig:server(function() return answer(500) end)
    rig:endpoint { url = server.url, concurrency = 1, retry_ms = 1, attempts = 100000 }
    for _ = 1, 50 do rig:commit() end
    assert.is_true(rig:wait(function() return #server.requests > 5 end))
    rig.rig:restart(1000)
    local count = #server.requests
    rig:wait(nil, 30)
    assert.equal(count, #server.requests)
  end))
end)

describe("an outcome that the store did not take", function()
  it("is made good by another attempt", with(function(rig)
    local server = counting(rig)
    rig:endpoint { url = server.url }
    rig.rig:faults { settle_io = 1 }
    rig:commit()
    assert.is_true(rig:wait(function() return #server.requests >= 1 end))
    rig:wait(nil, 20)
    rig.rig:faults {}
    assert.equal("succeeded", rig:settle(5000)[1].state)
    assert.is_true(#server.requests >= 2)
  end))
end)
