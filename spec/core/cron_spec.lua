-- SPDX-License-Identifier: MIT
-- Schedules (core/model/cron.c): what an expression means, what it may not say, what happens when
-- clocks change. spec/interop holds them against another implementation.
local base = require "anzol_test.base"
local model = require "anzol_test.model"

local function ms(text) return base.parse_iso(text) end
local function iso(instant) return (base.iso(instant):gsub("%.000Z$", "Z")) end

-- The next times in UTC, as many as are wanted.
local function assert_next(wanted, schedule, zone, after)
  local times = assert(model.cron_next(schedule, zone, ms(after), #wanted))
  for i, time in ipairs(times) do times[i] = iso(time) end
  assert.same(wanted, times, schedule)
end

-- A Monday.
local AFTER = "2026-03-02T08:00:00Z"

describe("a schedule", function()
  local meanings = {
    ["* * * * *"] = "2026-03-02T08:01:00Z",
    ["* * * * * *"] = "2026-03-02T08:00:01Z",
    ["*/20 * * * * *"] = "2026-03-02T08:00:20Z",
    ["0 8 * * *"] = "2026-03-03T08:00:00Z",
    ["1 8 * * *"] = "2026-03-02T08:01:00Z",
    ["59 59 23 31 12 *"] = "2026-12-31T23:59:59Z",
    ["5,10,15 7,9 * * *"] = "2026-03-02T09:05:00Z",
    ["10-20/5 9 * * *"] = "2026-03-02T09:10:00Z",
    ["11-20/5 8 * * *"] = "2026-03-02T08:11:00Z",
    ["0-10/7,50 8 * * *"] = "2026-03-02T08:07:00Z",
    ["*/25 * * * *"] = "2026-03-02T08:25:00Z",
    ["0 0 1 * *"] = "2026-04-01T00:00:00Z",
    ["0 0 31 * *"] = "2026-03-31T00:00:00Z",
    ["0 0 31 4,6,7 *"] = "2026-07-31T00:00:00Z",
    ["0 0 1 JAN *"] = "2027-01-01T00:00:00Z",
    ["0 0 1 feb-apr/2 *"] = "2026-04-01T00:00:00Z",
    ["0 0 29 2 *"] = "2028-02-29T00:00:00Z",
    ["0 0 * * 0"] = "2026-03-08T00:00:00Z",
    ["0 0 * * 7"] = "2026-03-08T00:00:00Z",
    ["0 0 * * SUN"] = "2026-03-08T00:00:00Z",
    ["0 0 * * sat"] = "2026-03-07T00:00:00Z",
    ["0 0 * * TUE-THU"] = "2026-03-03T00:00:00Z",
    ["0 0 * * FRI-SUN"] = "2026-03-06T00:00:00Z",
    ["0 0 * * 6-7"] = "2026-03-07T00:00:00Z",
    ["0 0 * * */6"] = "2026-03-07T00:00:00Z",
    ["0 0 L * *"] = "2026-03-31T00:00:00Z",
    ["0 0 l FEB ?"] = "2027-02-28T00:00:00Z",
    ["0 0 15,L * *"] = "2026-03-15T00:00:00Z",
    ["0 0 * * 5L"] = "2026-03-27T00:00:00Z",
    ["0 0 * * monL"] = "2026-03-30T00:00:00Z",
    ["0 0 * * 7L"] = "2026-03-29T00:00:00Z",
    ["0 0 * * MON#2"] = "2026-03-09T00:00:00Z",
    ["0 0 * * 0#5"] = "2026-03-29T00:00:00Z",
    ["0 0 * * 7#1"] = "2026-04-05T00:00:00Z",
    ["0 0 * * SAT#5"] = "2026-05-30T00:00:00Z",
    ["0 0 * * MON#1,FRI#1"] = "2026-03-06T00:00:00Z",
    ["0 0 ? * ?"] = "2026-03-03T00:00:00Z",
    ["  0\t0  1 *   *  "] = "2026-04-01T00:00:00Z",
    ["@yearly"] = "2027-01-01T00:00:00Z",
    ["@annually"] = "2027-01-01T00:00:00Z",
    ["@monthly"] = "2026-04-01T00:00:00Z",
    ["@weekly"] = "2026-03-08T00:00:00Z",
    ["@daily"] = "2026-03-03T00:00:00Z",
    ["@midnight"] = "2026-03-03T00:00:00Z",
    ["@Hourly"] = "2026-03-02T09:00:00Z",
  }
  for schedule, wanted in pairs(meanings) do
    it(("such as %s comes next"):format(schedule), function()
      assert_next({ wanted }, schedule, "UTC", AFTER)
    end)
  end

  it("comes after an instant, never at it, and at whole seconds", function()
    assert_next({ "2026-03-02T08:00:00Z" }, "0 8 * * *", "UTC", "2026-03-02T07:59:59.999Z")
    assert_next({ "2026-03-03T08:00:00Z" }, "0 8 * * *", "UTC", "2026-03-02T08:00:00.001Z")
    assert_next({ "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z" }, "* * * * * *", "UTC",
      "1969-12-31T23:59:58.500Z")
  end)

  it("runs on either day if both day fields say which", function()
    assert_next({ "2026-03-04T00:00:00Z", "2026-03-11T00:00:00Z", "2026-03-15T00:00:00Z",
      "2026-03-18T00:00:00Z" }, "0 0 15 * WED", "UTC", AFTER)
    assert_next({ "2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z" }, "0 0 L * 5L", "UTC", AFTER)
  end)

  it("runs on days that fit both if a day field begins with *", function()
    assert_next({ "2026-03-09T00:00:00Z", "2026-03-23T00:00:00Z", "2026-04-13T00:00:00Z" },
      "0 0 */2 * MON", "UTC", AFTER)
    assert_next({ "2026-11-13T00:00:00Z", "2026-12-13T00:00:00Z", "2027-06-13T00:00:00Z" },
      "0 0 13 * */5", "UTC", "2026-09-13T00:00:00Z")
  end)

  it("may be forty years away, and is told to be over after the year 9999", function()
    -- Every 29 February that is a Monday; 2100, 2200 and 2300 have none.
    assert_next({ "2044-02-29T00:00:00Z" }, "0 0 */28 2 MON#5", "UTC", AFTER)
    assert_next({ "2112-02-29T00:00:00Z" }, "0 0 */28 2 MON#5", "UTC", "2072-02-29T00:00:00Z")
    assert.same({}, model.cron_next("0 0 * * *", "UTC", ms "9999-12-31T00:00:00Z", 1))
    assert_next({ "9999-12-31T23:59:59Z" }, "59 59 23 * * *", "UTC", "9999-12-31T00:00:00Z")
    assert.same({}, model.cron_next("* * * * *", "UTC", math.maxinteger, 1))
    assert.same({}, model.cron_next("* * * * *", "UTC", math.mininteger, 1))
  end)
end)

describe("a schedule that is wrong", function()
  local WEEKDAY = "may be *, 0 to 7 (0 and 7 are Sunday), or SUN to SAT, 5L for the last Friday, "
    .. "FRI#2 for the second"
  local COUNT = " where there are 5 (minute, hour, day of month, month, day of week) or 6 "
    .. "(a second before them)"
  local SHORT = "may be @yearly, @annually, @monthly, @weekly, @daily, @midnight or @hourly"
  local errors = {
    [""] = "0 fields" .. COUNT,
    ["*"] = "1 field" .. COUNT,
    ["* * * *"] = "4 fields" .. COUNT,
    ["* * * * * * *"] = "7 fields" .. COUNT,
    ["@dayly"] = SHORT .. "; did you mean @daily?",
    ["@reboot"] = SHORT,
    ["@"] = SHORT,
    ["60 * * * * *"] = 'second "60": may be *, 0 to 59',
    ["60 * * * *"] = 'minute "60": may be *, 0 to 59',
    ["-1 * * * *"] = 'minute "-1": may be *, 0 to 59',
    ["1- * * * *"] = 'minute "1-": may be *, 0 to 59',
    ["1-2-3 * * * *"] = 'minute "1-2-3": may be *, 0 to 59',
    ["00001 * * * *"] = 'minute "00001": may be *, 0 to 59',
    ["x * * * *"] = 'minute "x": may be *, 0 to 59',
    ["? * * * *"] = 'minute "?": may be *, 0 to 59',
    ["** * * * *"] = 'minute "**": may be *, 0 to 59',
    ["*-5 * * * *"] = 'minute "*-5": may be *, 0 to 59',
    ["1,,2 * * * *"] = 'minute "": an item of the list is empty',
    ["1, * * * *"] = 'minute "": an item of the list is empty',
    [",1 * * * *"] = 'minute "": an item of the list is empty',
    ["* 24 * * *"] = 'hour "24": may be *, 0 to 23',
    ["* * 0 * *"] = 'day of month "0": may be *, 1 to 31, or L for the last',
    ["* * 32 * *"] = 'day of month "32": may be *, 1 to 31, or L for the last',
    ["* * 15W * *"] = 'day of month "15W": may be *, 1 to 31, or L for the last',
    ["* * L-3 * *"] = 'day of month "L-3": may be *, 1 to 31, or L for the last',
    ["* * MON * *"] = 'day of month "MON": may be *, 1 to 31, or L for the last',
    ["* * * 0 *"] = 'month "0": may be *, 1 to 12, or JAN to DEC',
    ["* * * 13 *"] = 'month "13": may be *, 1 to 12, or JAN to DEC',
    ["* * * MAI *"] = 'month "MAI": may be *, 1 to 12, or JAN to DEC',
    ["* * * ? *"] = 'month "?": may be *, 1 to 12, or JAN to DEC',
    ["* * * * 8"] = 'day of week "8": ' .. WEEKDAY,
    ["* * * * L"] = 'day of week "L": ' .. WEEKDAY,
    ["* * * * 8L"] = 'day of week "8L": ' .. WEEKDAY,
    ["* * * * MONDAY"] = 'day of week "MONDAY": ' .. WEEKDAY,
    ["* * * * X#1"] = 'day of week "X#1": ' .. WEEKDAY,
    ["* * * * FRI#0"] = 'day of week "FRI#0": behind # may be 1 to 5',
    ["* * * * FRI#6"] = 'day of week "FRI#6": behind # may be 1 to 5',
    ["* * * * FRI#"] = 'day of week "FRI#": behind # may be 1 to 5',
    ["*/0 * * * *"] = 'minute "*/0": a step may be 1 to 59',
    ["*/60 * * * *"] = 'minute "*/60": a step may be 1 to 59',
    ["*/ * * * *"] = 'minute "*/": a step may be 1 to 59',
    ["*/2/2 * * * *"] = 'minute "*/2/2": a step may be 1 to 59',
    ["* */24 * * *"] = 'hour "*/24": a step may be 1 to 23',
    ["5/15 * * * *"] = 'minute "5/15": a step stands behind * or a range, such as */5 or 10-40/5',
    ["50-10 * * * *"] = 'minute "50-10": goes backwards: write 50-59,0-10',
    ["* 22-2/2 * * *"] = 'hour "22-2/2": goes backwards: write 22-23,0-2',
    ["* * * NOV-FEB *"] = 'month "NOV-FEB": goes backwards: write 11-12,1-2',
    ["* * * * SAT-MON"] = 'day of week "SAT-MON": goes backwards: write 6-6,0-1',
    ["0 0 30 2 *"] = "never comes: no year has such a day in such a month",
    ["0 0 31 4,6,9,11 *"] = "never comes: no year has such a day in such a month",
  }
  for schedule, wanted in pairs(errors) do
    it(("such as '%s' is told by its field"):format(schedule), function()
      assert.same({ nil, ('schedule "%s": %s'):format(schedule, wanted), "invalid" },
        { model.cron_next(schedule, "UTC", 0) })
    end)
  end

  it("is one of more than 256 bytes", function()
    local padding = (" "):rep(256 - #"* * * * *")
    assert.truthy(model.cron_next("* * * * *" .. padding, "UTC", 0))
    assert.same({ nil, "a schedule has at most 256 bytes", "invalid" },
      { model.cron_next("* * * * * " .. padding, "UTC", 0) })
  end)
end)

describe("when clocks change, a time that is stated", function()
  it("and does not exist comes once, right after the gap", function()
    assert_next({ "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z" },
      "30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z")
    assert_next({ "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z" }, "30 2 * * *",
      "America/New_York", "2026-03-07T12:00:00Z")
    assert_next({ "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z" }, "15 2 * * *",
      "Australia/Lord_Howe", "2026-10-03T12:00:00Z")
    assert_next({ "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z" }, "0 0 * * *",
      "America/Sao_Paulo", "2018-11-03T12:00:00Z")
    assert_next({ "2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z" },
      "0 9 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z")
  end)

  it("of several within the gap, or at its end too, comes once", function()
    assert_next({ "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z" }, "*/20 2 * * *",
      "Europe/Berlin", "2026-03-28T12:00:00Z")
    assert_next({ "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z" }, "0,30 2,3 * * *",
      "Europe/Berlin", "2026-03-29T00:30:00Z")
    assert_next({ "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z" }, "0 0 * * *", "Pacific/Apia",
      "2011-12-29T12:00:00Z")
    assert_next({ "2011-12-30T10:00:00Z", "2012-01-29T10:00:00Z" }, "0 0 30 * *", "Pacific/Apia",
      "2011-12-29T12:00:00Z")
  end)

  it("and exists twice comes once, the first time", function()
    assert_next({ "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" }, "30 2 * * *", "Europe/Berlin",
      "2026-10-24T12:00:00Z")
    assert_next({ "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z" }, "30 1 * * *",
      "America/New_York", "2026-10-31T12:00:00Z")
    assert_next({ "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z" }, "45 1 * * *",
      "Australia/Lord_Howe", "2026-04-04T12:00:00Z")
    assert_next({ "2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z" }, "30 23 * * *",
      "America/Sao_Paulo", "2018-02-17T12:00:00Z")
  end)

  it("does not come again when it is asked for while clocks show it again", function()
    assert_next({ "2026-10-26T01:30:00Z" }, "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z")
    assert_next({ "2026-10-25T02:00:00Z" }, "0 0-22 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z")
  end)
end)

describe("when clocks change, a schedule of every hour", function()
  it("goes on with the time", function()
    local function assert_steps(schedule, zone, after, count, step_s)
      local from = ms(after)
      for i, time in ipairs(model.cron_next(schedule, zone, from, count)) do
        assert.equal(iso(from + i * step_s * 1000), iso(time))
      end
    end
    assert_steps("*/5 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 36, 300)
    assert_steps("*/5 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 36, 300)
    assert_steps("0 * * * *", "America/New_York", "2026-03-08T00:00:00Z", 20, 3600)
    assert_steps("0 */1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 20, 3600)
    assert_steps("15 0-23 * * *", "America/Sao_Paulo", "2018-11-03T20:15:00Z", 20, 3600)
    assert_steps("*/10 * * * *", "Pacific/Apia", "2011-12-30T08:00:00Z", 36, 600)
    assert_steps("*/30 * * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", 300, 30)
  end)

  it("keeps to the minutes that clocks show, where they change by half an hour", function()
    assert_next({ "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z" },
      "45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z")
    assert_next({ "2026-10-03T14:45:00Z", "2026-10-03T16:15:00Z" }, "15 * * * *",
      "Australia/Lord_Howe", "2026-10-03T14:00:00Z")
  end)

  it("skips a day that a place does not have", function()
    assert_next({ "2012-01-29T10:00:00Z", "2012-01-29T11:00:00Z" }, "0 * 30 * *", "Pacific/Apia",
      "2011-12-01T10:00:00Z")
  end)
end)

-- ---- Against a plain model: minute by minute through the days about a change ----

local ROUNDS = os.getenv "ANZOL_LONG" == "1" and 1000 or 30
local DAYS = 4
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
math.randomseed(seed)

local function random_set(least, most, part)
  local list, set = {}, {}
  for value = least, most do
    if math.random() < part then
      list[#list + 1] = value
      set[value] = true
    end
  end
  if #list > 0 then return table.concat(list, ","), set, #list end
  set[least] = true
  return tostring(least), set, 1
end

-- The minutes from from_s on at which it runs. high: what the clocks have shown at most.
local function walk(zone, from_s, until_s, minutes, hours, is_interval)
  local span = base.zone(zone, from_s)
  local high = span.shown
  local times = {}
  for at = from_s + 60, until_s, 60 do
    if at >= span["until"] then span = base.zone(zone, at) end
    local shown = at + span.offset
    local is_due = false
    for minute = is_interval and shown or high - high % 60 + 60, shown, 60 do
      is_due = is_due or hours[minute // 3600 % 24] and minutes[minute // 60 % 60]
    end
    high = math.max(high, shown)
    if is_due then times[#times + 1] = iso(at * 1000) end
  end
  return times
end

describe("a walk through the minutes", function()
  for _, zone in ipairs { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Pacific/Apia", "Asia/Tehran" } do
    it(("finds the same times about changes of clocks in %s"):format(zone), function()
      for _ = 1, ROUNDS do
        local at = math.random(ms "1980-01-01T00:00:00Z", ms "2022-01-01T00:00:00Z") // 1000
        local change = math.min(base.zone(zone, at)["until"], ms "2022-03-01T00:00:00Z" // 1000)
        local from = change + (math.random() < 0.5 and math.random(3600) or math.random(-86400, 10800))
        from = from // 60 * 60
        local minute_text, minutes = random_set(0, 59, math.random() < 0.5 and 0.02 or 0.2)
        local hour_text, hours, hour_count = random_set(0, 23, math.random() < 0.4 and 1 or 0.3)
        local schedule = ("%s %s * * *"):format(minute_text, hour_text)
        local wanted = walk(zone, from, from + DAYS * 86400, minutes, hours, hour_count == 24)
        local times = model.cron_next(schedule, zone, from * 1000, #wanted)
        for i, time in ipairs(times) do times[i] = iso(time) end
        assert.same(wanted, times, ("%s after %d, ANZOL_SEED=%d"):format(schedule, from, seed))
      end
    end)
  end
end)
