-- SPDX-License-Identifier: MIT
-- When the next attempt at an endpoint may start (core/send: rate, circuit, slow-down), under a
-- clock of the spec's own.
local send = require "anzol_test.send"

local START_MS = 1000000

local function pace(options)
  options.url = options.url or "https://e.example/"
  return send.pace(options)
end

-- How many attempts start in `ms` if whoever waits comes back up to `late_ms` late.
local function count(it, from_ms, ms, late_ms)
  local now, started = from_ms, 0
  while now < from_ms + ms do
    local taken, wait_ms = it:take(now)
    if taken then
      started = started + 1
    else
      now = now + wait_ms + math.random() * late_ms
    end
  end
  return started
end

-- How many things are done in `ms` by who looks each 20 ms, up to late_ms late, and does at most
-- `most` at a time.
local function count_many(it, from_ms, ms, late_ms, most)
  local now, done = from_ms, 0
  while now < from_ms + ms do
    done = done + it:take_many(now, most)
    now = now + 20 + math.random() * late_ms
  end
  return done
end

describe("a rate of many, in steps", function()
  for _, rate in ipairs { 0.5, 1, 7, 50, 333, 2000 } do
    it(("of %.3g a second is kept within 1 %% over minutes"):format(rate), function()
      math.randomseed(7)
      local it = pace { rate = rate }
      assert.equal(math.max(1, rate // 10), it:take_many(START_MS, 1000))
      for minute = 0, 2 do
        local done = count_many(it, START_MS + minute * 60000, 60000, 30, 1000)
        assert.is_true(math.abs(done - rate * 60) <= math.max(0.01 * rate * 60, 1),
          ("%d instead of %.1f"):format(done, rate * 60))
      end
    end)
  end

  it("does each at its time, and no more of what was missed than a tenth of a second's worth",
    function()
      local it, at_ms = pace { rate = 20 }, {}
      for now = START_MS, START_MS + 500 do
        for _ = 1, it:take_many(now, 100) do at_ms[#at_ms + 1] = now - START_MS end
      end
      assert.same({ 0, 0, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500 }, at_ms)
      it:let_go()
      assert.equal(2, it:take_many(START_MS + 60000, 100))
    end)

  it("gets back what was taken and not used", function()
    local it = pace { rate = 1 }
    assert.equal(1, it:take_many(START_MS, 100))
    it:put_back(1)
    assert.equal(1, it:take_many(START_MS, 100))
    assert.equal(0, it:take_many(START_MS, 100))
  end)

  it("that is not given is as many as are wanted", function()
    assert.equal(100, pace({}):take_many(START_MS, 100))
  end)
end)

describe("a rate", function()
  local rates = { 1, 7, 50, 333, 1000, 0.5, 30 / 60, 1000 / 3600 }
  for _, rate in ipairs(rates) do
    it(("of %.3g a second is kept within 1 %% over a minute, by timers that are late"):format(rate),
      function()
        math.randomseed(7)
        local it = pace { rate = rate }
        local burst = math.max(rate, 1)
        local ms = rate < 1 and 3600000 or 60000
        assert.equal(math.floor(burst), count(it, START_MS, 0.0001, 0))
        for minute = 0, 4 do
          local started = count(it, START_MS + minute * ms, ms, 30)
          local wanted = rate * ms / 1000
          assert.is_true(math.abs(started - wanted) <= math.max(0.01 * wanted, 1),
            ("%d instead of %.1f"):format(started, wanted))
        end
      end)
  end

  it("lets a burst go at once, after a pause as large again, and no larger", function()
    local it = pace { rate = 10, burst = 25 }
    assert.equal(25, count(it, START_MS, 0.0001, 0))
    assert.is_false((it:take(START_MS + 99)))
    assert.is_true((it:take(START_MS + 100)))
    assert.equal(25, count(it, START_MS + 3600000, 0.0001, 0))
  end)

  it("has one second's worth at once unless it is said", function()
    assert.equal(50, count(pace { rate = 50 }, START_MS, 0.0001, 0))
    assert.equal(1, count(pace { rate = 0.1 }, START_MS, 0.0001, 0))
  end)

  it("keeps no more than the burst for one who was told when, and does not come then", function()
    local it = pace { rate = 100, burst = 1 }
    assert.is_true((it:take(START_MS)))
    assert.is_false((it:take(START_MS)))
    it:let_go()
    assert.equal(1, count(it, START_MS + 200, 0.0001, 0))
  end)

  it("says when there is a token", function()
    local it = pace { rate = 4, burst = 1 }
    assert.is_true((it:take(START_MS)))
    local taken, wait_ms = it:take(START_MS)
    assert.same({ false, 251 }, { taken, wait_ms })
    assert.is_true((it:take(START_MS + wait_ms)))
  end)
end)

local GOOD, BAD = { status = 200, is_success = true }, { status = 500 }
local HUNG = { error = 1 }

-- One attempt that takes no time. nil: it may not start; true: the circuit changed.
local function attempt(it, now_ms, answer)
  if not it:take(now_ms) then return nil end
  return it:finish(it:start(now_ms), now_ms, answer)
end

describe("a circuit", function()
  local breaker = { failures = 4, failure_rate = 0.5, window_ms = 10000, cooldown_ms = 5000 }

  local function circuit()
    local options = {}
    for name, value in pairs(breaker) do options[name] = value end
    return pace(options)
  end

  local function opened()
    local it = circuit()
    for _ = 1, 3 do assert.is_false(attempt(it, START_MS, BAD)) end
    assert.is_true(attempt(it, START_MS, HUNG))
    assert.equal("open", it:show(START_MS).circuit)
    return it
  end

  it("opens with so many failures, if they are such a part of the attempts", function()
    opened()
    local it = circuit()
    for _ = 1, 5 do attempt(it, START_MS, GOOD) end
    for _ = 1, 4 do assert.is_false(attempt(it, START_MS, BAD)) end
    assert.is_true(attempt(it, START_MS, BAD)) -- five of ten
  end)

  it("forgets what is older than its window", function()
    local it = circuit()
    for i = 0, 11 do assert.is_false(attempt(it, START_MS + i * 4000, BAD)) end
    assert.equal("closed", it:show(START_MS).circuit)
    for i = 0, 2 do attempt(it, START_MS + 100000 + i, BAD) end
    assert.is_true(attempt(it, START_MS + 108000, BAD))
  end)

  it("lets nothing go while it is open, and says when it will", function()
    local it = opened()
    assert.same({ false, 5000 }, { it:take(START_MS) })
    assert.same({ false, 1 }, { it:take(START_MS + 4999) })
  end)

  it("lets one probe go then, which closes it or opens it again", function()
    local it = opened()
    assert.is_true((it:take(START_MS + 5000)))
    local probe = it:start(START_MS + 5000)
    assert.equal("half_open", it:show(START_MS + 5000).circuit)
    assert.same({ false, -1 }, { it:take(START_MS + 5001) })
    assert.is_true(it:finish(probe, START_MS + 6000, BAD))
    assert.same({ false, 5000 }, { it:take(START_MS + 6000) })
    assert.is_true(attempt(it, START_MS + 11000, GOOD))
    assert.equal("closed", it:show(START_MS + 11000).circuit)
    for _ = 1, 3 do assert.is_false(attempt(it, START_MS + 11001, BAD)) end
  end)

  it("takes the next for a probe if the first told nothing", function()
    local it = opened()
    assert.is_false(attempt(it, START_MS + 5000, { error = 8 }))
    assert.equal("half_open", it:show(START_MS + 5000).circuit)
    assert.is_true(attempt(it, START_MS + 5000, GOOD))
  end)

  it("does not hear those that began before its state changed", function()
    local it = circuit()
    local early = it:start(START_MS)
    for _ = 1, 4 do attempt(it, START_MS, BAD) end
    assert.is_false(it:finish(early, START_MS + 5000, GOOD))
    assert.equal("open", it:show(START_MS + 4000).circuit)
  end)

  it("counts no answer and 5xx that is no success, and neither scripts nor the guard", function()
    for _, answer in ipairs { { status = 404 }, { status = 429 }, { status = 301 }, { error = 8 },
      { error = 6 }, { status = 503, is_success = true } } do
      local it = circuit()
      for _ = 1, 20 do assert.is_false(attempt(it, START_MS, answer)) end
    end
    for error = 1, 7 do
      local it, changes = circuit(), 0
      for _ = 1, 4 do if attempt(it, START_MS, { error = error }) then changes = changes + 1 end end
      assert.equal(error == 6 and 0 or 1, changes, "error " .. error)
    end
  end)

  it("without a number of failures never opens", function()
    local it = pace {}
    for _ = 1, 10000 do assert.is_false(attempt(it, START_MS, HUNG)) end
  end)
end)

describe("a receiver that is overloaded", function()
  local BUSY = { status = 429 }

  it("gets half as much, and half of that if it still says so", function()
    local it = pace { rate = 40, slow_down = true }
    for _ = 1, 18 do attempt(it, START_MS, GOOD) end
    local late = it:start(START_MS)
    it:finish(it:start(START_MS), START_MS + 10, BUSY)
    assert.equal(10, it:show(START_MS + 10).per_s) -- of the 20 that it got
    it:finish(late, START_MS + 20, BUSY) -- was under way: tells nothing new
    assert.equal(10, it:show(START_MS + 20).per_s)
    it:finish(it:start(START_MS + 20), START_MS + 30, BUSY)
    assert.equal(5, it:show(START_MS + 30).per_s)
  end)

  it("is never slowed to less than one in ten seconds", function()
    local it, now = pace { slow_down = true }, START_MS
    for _ = 1, 20 do
      it:finish(it:start(now), now, { status = 503 })
      now = now + 1
    end
    assert.equal(0.1, it:show(now).per_s)
    assert.is_true(count(it, now, 999, 0) <= 1)
  end)

  it("gets a tenth more with each second, until it has what it had", function()
    local it = pace { rate = 40, slow_down = true }
    for _ = 1, 19 do it:start(START_MS) end
    it:finish(it:start(START_MS), START_MS, BUSY)
    for second = 0, 4 do
      local shown = it:show(START_MS + second * 1000)
      assert.is_near(10 + 2 * second, shown.per_s, 1e-9)
      assert.is_near(5000 - second * 1000, shown.slowed_left_ms, 1)
    end
    local shown = it:show(START_MS + 5000)
    assert.same({ 40, 0 }, { shown.per_s, shown.slowed_left_ms })
  end)

  it("gets nothing until its Retry-After is over, an hour at most", function()
    for _, status in ipairs { 429, 503 } do
      local it = pace { slow_down = true }
      attempt(it, START_MS, { status = status, retry_after_ms = 90000 })
      assert.same({ false, 90000 }, { it:take(START_MS) })
      assert.is_true((it:take(START_MS + 90000)))
      attempt(it, START_MS + 100000, { status = status, retry_after_ms = 86400000 })
      assert.equal(START_MS + 100000 + 3600000, it:show(START_MS).paused_until_ms)
    end
  end)

  it("is told by no other answer, nor by one that is a success", function()
    for _, answer in ipairs { { status = 500, retry_after_ms = 60000 }, { error = 1 },
      { status = 503, retry_after_ms = 60000, is_success = true } } do
      local it = pace { slow_down = true }
      attempt(it, START_MS, answer)
      assert.equal(0, it:show(START_MS).per_s)
      assert.is_true((it:take(START_MS)))
    end
  end)

  it("is not spared where the endpoint says so", function()
    local it = pace {}
    attempt(it, START_MS, { status = 429, retry_after_ms = 60000 })
    assert.is_true((it:take(START_MS)))
  end)
end)

describe("the attempts of a worker", function()
  it("are shared: two hundred endpoints that hang leave room for the others", function()
    local own, all, is_more = {}, 0, true
    for i = 1, 200 do own[i] = 0 end
    while is_more do
      is_more = false
      for i = 1, 200 do
        if own[i] < 20 and send.has_slot(own[i], all) then
          own[i], all, is_more = own[i] + 1, all + 1, true
        end
      end
    end
    assert.is_true(all < send.silent_attempts_max, all .. " under way")
    for more = 0, 1 do assert.is_true(send.has_slot(more, all + more)) end
  end)

  it("of those that do not answer are a part", function()
    local most = send.silent_attempts_max
    assert.is_true(most < send.attempts_max)
    assert.is_true(send.has_slot(0, most - 1, false))
    assert.is_false(send.has_slot(0, most, false))
    assert.is_true(send.has_slot(most // 2 - 1, most // 2, false))
    assert.is_false(send.has_slot(most // 2, most // 2, false))
  end)

  it("of one application are no more than it leaves for the others, whatever its endpoints are", function()
    for _, is_answering in ipairs { true, false } do
      local most = is_answering and send.attempts_max or send.silent_attempts_max
      local own, all = 0, 0
      while send.has_slot(1, all, is_answering, own) do own, all = own + 1, all + 1 end
      assert.equal(most // 2, own)
      assert.is_true(send.has_slot(most // 2 - 1, all, is_answering, most // 2 - 1))
    end
    local most = send.attempts_max
    assert.is_true(send.has_slot(0, most, true, most - 1))
    assert.is_false(send.has_slot(0, most, true, most))
  end)

  it("are one more for who answered the last time, until there are twice as many", function()
    local most = send.attempts_max
    assert.is_true(send.has_slot(0, most, true))
    assert.is_true(send.has_slot(0, 2 * most - 1, true))
    assert.is_false(send.has_slot(0, 2 * most, true))
    assert.is_false(send.has_slot(1, most, true))
    assert.is_true(send.has_slot(most // 2 - 1, most // 2, true))
    assert.is_true(send.has_slot(1, most - 2, true))
    assert.is_false(send.has_slot(1, most - 1, true))
  end)
end)
