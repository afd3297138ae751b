-- SPDX-License-Identifier: MIT
-- The rules of what runs by itself (core/model/routine.c): when a cron, an every and a poll run
-- next, and why.
local base = require "anzol_test.base"
local model = require "anzol_test.model"

local function ms(text) return base.parse_iso(text) end
local function iso(instant) return (base.iso(instant):gsub("%.000Z$", "Z")) end

local SECOND, MINUTE, HOUR, DAY = 1000, 60000, 3600000, 86400000

-- A routine that has been planned at a time.
local function planned(fields, now)
  local it = model.routine(fields)
  assert.is_true(it:plan(now))
  return it
end

-- Runs all that is due until then, each at its time (or late, after a pause); when it ran for what.
local function walk(it, from, to, pause)
  local ran = {}
  local now = from
  while true do
    local due = math.max(it:row().due_ms, now)
    if pause and due >= pause[1] and due < pause[2] then due = pause[2] end
    if due > to then return ran end
    now = due
    local turn = it:take(now)
    if turn == "run" then
      ran[#ran + 1] = iso(it:row().tick_ms)
      it:go_on { started_ms = now }
    end
  end
end

describe("a cron", function()
  local NOON = ms "2026-03-02T12:00:00Z"
  local function cron(fields, now)
    fields.kind = "cron"
    return planned(fields, now or NOON)
  end

  it("runs at its times, and each knows the one before", function()
    local it = cron { schedule = "0 9 * * *" }
    assert.same({ "2026-03-03T09:00:00Z", "2026-03-04T09:00:00Z" }, walk(it, NOON, NOON + 2 * DAY))
    assert.equal(ms "2026-03-04T09:00:00Z", it:row().previous_ms)
    assert.equal(ms "2026-03-05T09:00:00Z", it:row().tick_ms)
  end)

  describe("that missed times while the server was down", function()
    local pause = { NOON + 30 * SECOND, NOON + 5 * HOUR + 10 * MINUTE }
    local function runs(missed)
      return walk(cron { schedule = "0 * * * *", missed = missed }, NOON, NOON + 6 * HOUR, pause)
    end
    it("makes up for the latest", function()
      assert.same({ "2026-03-02T17:00:00Z", "2026-03-02T18:00:00Z" }, runs())
      assert.same(runs(), runs "latest")
    end)
    it("makes up for all of them, in order", function()
      assert.same({ "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z", "2026-03-02T15:00:00Z",
        "2026-03-02T16:00:00Z", "2026-03-02T17:00:00Z", "2026-03-02T18:00:00Z" }, runs "all")
    end)
    it("lets them go", function()
      assert.same({ "2026-03-02T18:00:00Z" }, runs "none")
    end)
    it("runs even so where it is late by no more than a minute", function()
      local it = cron { schedule = "0 * * * *", missed = "none" }
      assert.equal("run", it:take(NOON + HOUR + MINUTE))
      assert.equal("skipped", it:take(NOON + HOUR + MINUTE + 1))
    end)
    it("runs once for several that are late by no more than a minute, whatever was before", function()
      local it = cron { schedule = "*/10 * * * * *", missed = "none" }
      for _, late in ipairs { 35 * SECOND, HOUR + 5 * SECOND } do
        local at = it:row().tick_ms + late
        assert.equal("run", it:take(at))
        assert.equal(iso(at - at % (10 * SECOND)), iso(it:row().tick_ms))
        it:go_on { started_ms = at }
        assert.equal("early", it:take(at))
      end
    end)
    it("makes up for no more than 31 days", function()
      local it = cron { schedule = "0 0 * * *", missed = "all" }
      assert.equal("run", it:take(NOON + 40 * DAY))
      assert.equal("2026-03-12T00:00:00Z", iso(it:row().tick_ms))
    end)
    it("finds the latest at once, though each second of ten years is one", function()
      local it = cron { schedule = "* * * * * *" }
      local later = ms "2036-03-02T12:00:00Z" + 500
      local before = os.clock()
      assert.equal("run", it:take(later))
      assert.is_true(os.clock() - before < 1)
      assert.equal("2036-03-02T12:00:00Z", iso(it:row().tick_ms))
    end)
  end)

  it("whose run fails is tried again at 1, 5, 30 s, 2 and 10 min, then goes on", function()
    local it = cron { schedule = "0 9 * * *" }
    local at = ms "2026-03-03T09:00:00Z"
    for _, wait in ipairs { 1, 5, 30, 120, 600 } do
      assert.equal("run", it:take(at))
      assert.is_true(it:go_on { started_ms = at, error = "no" })
      assert.equal(at + wait * SECOND, it:row().due_ms)
      assert.equal("2026-03-03T09:00:00Z", iso(it:row().tick_ms))
      at = it:row().due_ms
    end
    assert.is_false(it:go_on { started_ms = at, error = "no" })
    assert.equal("2026-03-04T09:00:00Z", iso(it:row().due_ms))
    assert.equal("no", it:row().error)
  end)

  it("tells of a time that was given up, once a minute at most", function()
    local it = cron { schedule = "* * * * * *" } -- the next comes before it would be tried again
    local told = {}
    for second = 1, 130 do
      local at = NOON + second * SECOND
      assert.equal("run", it:take(at))
      it:go_on { started_ms = at, error = second ~= 70 and "no" or nil }
      if it:news() ~= "" then told[#told + 1] = { second, it:news() } end
    end
    assert.same({ { 1, "gave_up" }, { 61, "gave_up" }, { 121, "gave_up" } }, told)
  end)

  it("does not try again what the next time overtakes; unless all are wanted", function()
    for missed, wanted in pairs { latest = "2026-03-02T12:02:00Z", all = "2026-03-02T12:01:00Z" } do
      local it = cron { schedule = "* * * * *", missed = missed }
      local at = NOON + MINUTE
      for _ = 1, 4 do
        it:take(at)
        it:go_on { started_ms = at, error = "no" }
        at = it:row().due_ms
      end
      assert.equal(wanted, iso(it:row().tick_ms))
    end
  end)

  describe("whose clock is set", function()
    -- Looks each second by a clock that is stepped at a time; the ticks that ran.
    local function stepped(steps, schedule, seconds)
      local it = cron { schedule = schedule or "* * * * *" }
      local offset, ran = 0, {}
      for second = 0, seconds or 3 * 3600 do
        if steps[second] then
          offset = offset + steps[second]
          it:plan(NOON + second * SECOND + offset)
        end
        local now = NOON + second * SECOND + offset
        while it:take(now) == "run" do
          ran[#ran + 1] = it:row().tick_ms
          it:go_on { started_ms = now }
        end
      end
      return ran
    end
    local function assert_once(ran)
      local seen = {}
      for _, tick in ipairs(ran) do
        assert.is_nil(seen[tick], "twice: " .. iso(tick))
        seen[tick] = true
      end
    end

    it("an hour forward runs once for the hour, and goes on", function()
      local ran = stepped { [600] = HOUR }
      assert_once(ran)
      assert.equal(180, #ran)
    end)
    it("an hour back waits until it is past what it has run", function()
      local ran = stepped { [4000] = -HOUR }
      assert_once(ran)
      assert.equal(120, #ran)
    end)
    it("ten years forward runs once for them, and back again as before", function()
      local ran = stepped { [610] = 3650 * DAY, [1210] = -3650 * DAY }
      assert_once(ran)
      assert.is_true(#ran >= 179 and #ran <= 181, #ran) -- one for the ten years
    end)
    it("forth and back with each second runs nothing twice, and misses nothing for long", function()
      local steps = {}
      for second = 1, 3600 do steps[second] = second % 2 == 1 and HOUR or -HOUR end
      local ran = stepped(steps)
      assert_once(ran)
      assert.is_true(#ran >= 119, #ran)
    end)
  end)

  describe("where clocks change", function()
    local zones = { -- the spring gap's night and the autumn's, an hour that each has
      { "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "30 2 * * *" },
      { "America/New_York", "2026-03-07T12:00:00Z", "2026-10-31T12:00:00Z", "30 2 * * *" },
      { "Australia/Lord_Howe", "2026-10-03T06:00:00Z", "2026-04-04T06:00:00Z", "15 2 * * *" },
      { "America/Santiago", "2026-09-05T12:00:00Z", "2026-04-04T12:00:00Z", "30 0 * * *" },
      { "Europe/Lisbon", "2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z", "30 1 * * *" },
    }
    for _, zone in ipairs(zones) do
      it("runs once for each stated time in " .. zone[1], function()
        for place = 2, 3 do
          local from = ms(zone[place])
          local it = cron({ schedule = zone[4], timezone = zone[1] }, from)
          assert.equal(3, #walk(it, from, from + 3 * DAY), zone[place])
        end
      end)
      it("makes up for what it missed in that night once in " .. zone[1], function()
        for place = 2, 3 do
          local from = ms(zone[place])
          for missed, count in pairs { latest = 2, all = 3, none = 1 } do
            local it = cron({ schedule = zone[4], timezone = zone[1], missed = missed }, from)
            local ran = walk(it, from, from + 3 * DAY, { from + 1, from + 2 * DAY })
            assert.equal(count, #ran, missed)
          end
        end
      end)
    end
  end)

  it("that is registered with another schedule follows that one, and never goes back", function()
    local it = cron { schedule = "0 9 * * *" }
    walk(it, NOON, NOON + DAY)
    it:rule "another"
    assert.is_true(it:plan(NOON + DAY))
    assert.is_true(it:row().due_ms > NOON + DAY)
  end)

  it("keeps its place when it is registered again as it was", function()
    local it = cron { schedule = "0 9 * * *" }
    assert.is_false(it:plan(NOON + 10 * DAY))
    assert.equal("2026-03-03T09:00:00Z", iso(it:row().due_ms))
  end)
end)

describe("an every", function()
  local function every(min_ms) return planned({ kind = "every", rule = "x", min_ms = min_ms }, 0) end
  local function due(it) return it:row().due_ms end

  it("runs each time its interval has gone by", function()
    local it = every(MINUTE)
    local times = {}
    for i = 1, 3 do
      times[i] = due(it)
      it:go_on { started_ms = due(it) + 5, ended_ms = due(it) + 20 }
    end
    assert.same({ MINUTE, 2 * MINUTE, 3 * MINUTE }, times)
  end)

  it("leaves out the times that its own run, or a pause, went over", function()
    local it = every(MINUTE)
    it:go_on { started_ms = MINUTE, ended_ms = 3 * MINUTE + 10 }
    assert.equal(4 * MINUTE, due(it))
    assert.equal(MINUTE, it:row().previous_ms)
    assert.equal("run", it:take(10 * MINUTE + 5))
    it:go_on { started_ms = 10 * MINUTE + 5 }
    assert.equal(11 * MINUTE, due(it))
  end)

  it("is tried again before the next time comes", function()
    local it = every(10 * SECOND)
    it:go_on { started_ms = 10 * SECOND, error = "no" }
    assert.equal(11 * SECOND, due(it))
    it:go_on { started_ms = 11 * SECOND, error = "no" }
    assert.equal(16 * SECOND, due(it))
    it:go_on { started_ms = 16 * SECOND, error = "no" }
    assert.equal(20 * SECOND, due(it))
    assert.equal(0, it:row().failures)
  end)

  it("is planned anew when its interval changes, or the clock was far ahead", function()
    local it = every(HOUR)
    it:rule "y"
    assert.is_true(it:plan(5 * MINUTE))
    assert.equal(HOUR + 5 * MINUTE, due(it))
    assert.is_true(it:plan(-DAY))
    assert.equal(HOUR - DAY, due(it))
  end)
end)

describe("a regular poll", function()
  local function poll(min_ms, name)
    return planned({ kind = "poll", rule = "x", min_ms = min_ms, name = name, error_ms = 10 * SECOND }, 0)
  end
  local function run(it, fields)
    fields = fields or {}
    fields.started_ms = fields.started_ms or it:row().due_ms
    it:go_on(fields)
    return it:row().due_ms - fields.started_ms, it:row().why
  end

  it("begins within its interval, or a minute", function()
    for i = 1, 100 do
      assert.is_true(poll(5 * SECOND, "p" .. i):row().due_ms < 5 * SECOND)
      assert.is_true(poll(HOUR, "p" .. i):row().due_ms < MINUTE)
    end
  end)

  it("runs at its interval, whatever it finds", function()
    local it = poll(30 * SECOND)
    for items = 0, 3 do
      local gap, why = run(it, { items = items })
      assert.equal(30 * SECOND, gap)
      assert.equal("rule", why)
    end
    assert.equal(6, it:row().items)
  end)

  it("never runs twice within its interval, less a tenth", function()
    local it = poll(10 * SECOND)
    run(it)
    local last = -math.huge
    for _, late in ipairs { 0, 900, 0, 5000, 0, 9999, 12000, 0, 0, 1001 } do
      local started = it:row().due_ms + late
      assert.is_true(started - last >= 9 * SECOND)
      last = started
      it:go_on { started_ms = started, ended_ms = started + 50 }
    end
  end)

  it("spreads those registered together over the interval, and stays there", function()
    local counts = {}
    for i = 1, 1000 do
      local it = poll(10 * MINUTE, "poll-" .. i)
      run(it)
      local due = it:row().due_ms
      run(it)
      assert.equal(due + 10 * MINUTE, it:row().due_ms)
      local minute = due // MINUTE % 10
      counts[minute] = (counts[minute] or 0) + 1
    end
    for minute = 0, 9 do assert.is_true(counts[minute] > 60 and counts[minute] < 140, counts[minute]) end
  end)

  it("waits as long as the source says with Retry-After", function()
    local it = poll(30 * SECOND)
    local gap, why = run(it, { retry_after_ms = 2 * MINUTE })
    assert.equal(2 * MINUTE, gap)
    assert.equal("retry_after", why)
  end)

  it("asks no more often than the rate limit lets it, but as often as it says otherwise", function()
    local it = poll(30 * SECOND)
    local gap, why = run(it, { rate_ms = 45 * SECOND })
    assert.equal(45 * SECOND, gap)
    assert.equal("rate_limit", why)
    local again = run(it, { rate_ms = SECOND, max_age_ms = HOUR, answer_ms = 20 * SECOND })
    assert.is_true(again <= 60 * SECOND)
    assert.equal("rule", it:row().why)
  end)

  it("that fails waits by on_error, or longer if the source says so", function()
    local it = poll(30 * SECOND)
    local gap, why = run(it, { error = "no" })
    assert.equal(10 * SECOND, gap)
    assert.equal("error", why)
    assert.equal("no", it:row().error)
    gap, why = run(it, { error = "429", retry_after_ms = 3 * MINUTE })
    assert.equal(3 * MINUTE, gap)
    assert.equal("retry_after", why)
    assert.equal(2, it:row().failures)
    run(it)
    assert.equal(0, it:row().failures)
    assert.is_nil(it:row().error)
  end)

  it("goes by anzol.after, for once", function()
    local it = poll(30 * SECOND)
    local gap, why = run(it, { after_ms = 5000 })
    assert.equal(5 * SECOND, gap)
    assert.equal("script", why)
    run(it)
    assert.equal("rule", it:row().why)
  end)
end)

describe("an adaptive poll", function()
  local function poll(fields)
    local all = { kind = "poll", rule = "x", min_ms = 5 * SECOND, max_ms = 10 * MINUTE, error_ms = 10 * SECOND }
    for key, value in pairs(fields or {}) do all[key] = value end
    return planned(all, 0)
  end
  local function run(it, fields)
    fields = fields or {}
    fields.started_ms = it:row().due_ms
    it:go_on(fields)
    return it:row().due_ms - fields.started_ms, it:row().why
  end
  local function runs(it, count, fields)
    local gap
    for _ = 1, count do gap = run(it, fields) end
    return gap
  end

  it("grows when nothing comes, up to its max", function()
    local it = poll()
    local gap, why = run(it)
    assert.equal(7500, gap)
    assert.equal("no_items", why)
    assert.equal(11250, (run(it)))
    assert.equal(10 * MINUTE, runs(it, 20))
  end)

  it("shrinks when items come, down to its min", function()
    local it = poll()
    runs(it, 20)
    local gap, why = run(it, { items = 3 })
    assert.equal(150 * SECOND, gap)
    assert.equal("items", why)
    assert.equal(5 * SECOND, runs(it, 5, { items = 1 }))
  end)

  it("is off by its jitter at most, both ways", function()
    local it = poll { jitter = 0.1 }
    runs(it, 20)
    assert.equal(9 * MINUTE, (run(it, { random = 0 })))
    assert.equal(11 * MINUTE, (run(it, { random = 1 })))
  end)

  it("asks a source that takes long for a tenth of the time at most", function()
    local it = poll()
    local gap, why = run(it, { items = 1, answer_ms = 2000 })
    assert.equal(20 * SECOND, gap)
    assert.equal("slow", why)
    run(it, { items = 1, answer_ms = 6000 })
    assert.equal(3000, it:row().answer_ms) -- smoothed: a quarter of what is new
    assert.equal(10 * MINUTE, runs(it, 10, { items = 1, answer_ms = 10 * MINUTE }))
  end)

  it("waits for as long as an answer is fresh, up to its max", function()
    local it = poll()
    local gap, why = run(it, { items = 1, max_age_ms = MINUTE })
    assert.equal(MINUTE, gap)
    assert.equal("max_age", why)
    assert.equal(10 * MINUTE, (run(it, { items = 1, max_age_ms = HOUR })))
    assert.equal(5 * SECOND, (run(it, { items = 1 })))
  end)

  it("goes by the rate limit beyond its max", function()
    assert.equal(HOUR, (run(poll(), { items = 1, rate_ms = HOUR })))
  end)

  it("grows when the source is busy", function()
    local it = poll()
    run(it, { error = "503", is_busy = true })
    assert.equal(7500, it:row().interval_ms)
    assert.equal("error", it:row().why)
    local gap = run(it)
    assert.equal(11250, gap)
  end)
end)

describe("a long poll", function()
  local function poll() return planned({ kind = "poll", is_long = true, min_ms = 0, rule = "long",
    error_ms = 10 * SECOND }, 0) end
  local function gap(fields)
    local it = poll()
    fields.started_ms = 0
    it:go_on(fields)
    return it:row().due_ms - (fields.ended_ms or 0), it:row().why
  end

  it("asks again at once after an answer", function()
    local wait, why = gap { ended_ms = 30 * SECOND, items = 2 }
    assert.equal(0, wait)
    assert.equal("long", why)
    assert.equal(0, (gap { ended_ms = 10, items = 2 }))
    assert.equal(0, (gap { ended_ms = 30 * SECOND }))
  end)
  it("takes a timeout for an answer without items", function()
    local it = poll()
    assert.is_true(it:go_on { started_ms = 0, ended_ms = 30 * SECOND, error = "timeout", is_timeout = true })
    assert.equal(30 * SECOND, it:row().due_ms)
    assert.is_nil(it:row().error)
  end)
  it("asks a source that answers at once with nothing each second", function()
    assert.equal(SECOND - 10, (gap { ended_ms = 10 }))
  end)
  it("backs off when it fails", function()
    assert.equal(10 * SECOND, (gap { ended_ms = 10, error = "connect" }))
  end)
end)

describe("a routine that is run by hand", function()
  local NOON = ms "2026-03-02T12:00:00Z"

  it("runs for now, and its times go on", function()
    for _, missed in ipairs { "latest", "all", "none" } do
      local it = planned({ kind = "cron", schedule = "0 9 * * *", missed = missed }, NOON)
      it:hasten(NOON + 5 * SECOND)
      assert.equal("run", it:take(NOON + 5 * SECOND))
      assert.equal("2026-03-02T12:00:05Z", iso(it:row().tick_ms))
      it:go_on { started_ms = NOON + 5 * SECOND }
      assert.equal("2026-03-03T09:00:00Z", iso(it:row().due_ms))
    end
  end)

  it("runs for the time that it is late for, unless that is let go", function()
    local late = ms "2026-03-03T10:00:00Z"
    for missed, tick in pairs { latest = "2026-03-03T09:00:00Z", all = "2026-03-03T09:00:00Z",
      none = "2026-03-03T10:00:00Z" } do
      local it = planned({ kind = "cron", schedule = "0 9 * * *", missed = missed }, NOON)
      it:hasten(late)
      assert.equal("run", it:take(late))
      assert.equal(tick, iso(it:row().tick_ms))
    end
  end)

  it("is tried again for the same time when it fails", function()
    local it = planned({ kind = "cron", schedule = "0 9 * * *" }, NOON)
    it:hasten(NOON + 5 * SECOND)
    it:take(NOON + 5 * SECOND)
    it:go_on { started_ms = NOON + 5 * SECOND, error = "no" }
    assert.equal("run", it:take(NOON + 6 * SECOND))
    assert.equal("2026-03-02T12:00:05Z", iso(it:row().tick_ms))
  end)

  it("counts from there if it is an every; a regular poll keeps its place", function()
    local every = planned({ kind = "every", rule = "10m", min_ms = 10 * MINUTE }, NOON)
    every:hasten(NOON + 7 * MINUTE)
    assert.equal("run", every:take(NOON + 7 * MINUTE))
    every:go_on { started_ms = NOON + 7 * MINUTE }
    assert.equal(NOON + 17 * MINUTE, every:row().due_ms)

    local poll = planned({ kind = "poll", rule = "10m", min_ms = 10 * MINUTE }, NOON)
    poll:go_on { started_ms = poll:row().due_ms }
    local place = poll:row().due_ms
    poll:hasten(place - MINUTE)
    assert.equal("run", poll:take(place - MINUTE))
    poll:go_on { started_ms = place - MINUTE }
    assert.equal(place + 10 * MINUTE, poll:row().due_ms)
  end)
end)

describe("a poll that keeps failing", function()
  it("is told once, at the sixth time in a row, and again when it was well meanwhile", function()
    local it = planned({ kind = "poll", min_ms = SECOND, error_ms = SECOND }, 0)
    local told = {}
    for run = 1, 20 do
      it:go_on { started_ms = it:row().due_ms, error = run ~= 10 and "no" or nil }
      if it:news() ~= "" then told[#told + 1] = { run, it:news(), it:row().failures } end
    end
    assert.same({ { 6, "failing", 6 }, { 16, "failing", 6 } }, told)
  end)
end)

describe("a stream", function()
  local stream
  before_each(function()
    stream = planned({ kind = "sse", is_long = true, min_ms = 0, rule = "stream", error_ms = SECOND }, 0)
  end)
  local function fails(place)
    return stream:go_on { started_ms = stream:row().due_ms, error = "no", place = place }
  end

  it("lets a message go that failed six times, which is told", function()
    for _ = 1, 5 do
      assert.is_true(fails "a")
      assert.same({ "", "error" }, { stream:news(), stream:row().why })
    end
    assert.is_false(fails "a")
    assert.same({ "gave_up", 0, "a", "no" },
      { stream:news(), stream:row().failures, stream:row().place, stream:row().error })
  end)

  it("that could not be opened for long is told, and takes no try from its first message", function()
    for run = 1, 8 do
      assert.is_true(fails())
      assert.same({ run == 6 and "failing" or "", "stream" },
        { stream:news(), stream:row().why })
    end
    stream:heard()
    for run = 1, 5 do
      assert.is_true(fails "a")
      stream:heard() -- what came meanwhile changes nothing for the one that fails
      assert.equal(run, stream:row().failures)
    end
    assert.is_false(fails "a")
  end)
end)
