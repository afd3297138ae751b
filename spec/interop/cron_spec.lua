-- SPDX-License-Identifier: MIT
-- npm's croner as the referee of schedules: random ones, at random times and about changes of clocks,
-- in five zones. Each is asked as it is in UTC, and in its zone in the words that mean the same to
-- croner, which differs in three things:
--
--   * It takes a schedule with * or a step in its second, minute or hour for an interval, whatever its
--     hours, so 30 */2 * * * does not run on a day whose 2:30 the clocks skip. Here a schedule that
--     runs in every hour is one, and each other is about the clock: croner gets the lists that say so.
--   * It joins the day fields by "or" unless one of them is a plain *; Vixie's cron, and so Anzol, by
--     "and" when one begins with *, as in */2. croner's word for this is a + before the weekday.
--   * A time that clocks skip runs at the end of the gap only if that is the same day: so none of
--     2011-12-30 runs in Apia, which had no such day. Here it is what every skipped time is.
local base = require "anzol_test.base"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"
local model = require "anzol_test.model"

local LIMIT_MS = 600000
local is_long = os.getenv "ANZOL_LONG" == "1"
local CASES = is_long and 100000 or 2000
local COUNT = 4
local YEAR_1980, YEAR_2037 = 315532800, 2114380800 -- seconds
local APIA_GAP_END = 1325239200000

local zones = { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
  "Pacific/Apia" }

local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
math.randomseed(seed)

local function pick(list) return list[math.random(#list)] end
local function chance(part) return math.random() < part end

-- ---- Random fields: the text, and the set of numbers that it means ----

local function plain_item(row)
  local kind = math.random(4)
  local text
  local first, last, step = row.least, row.most, 1
  if kind == 1 then
    first = math.random(row.least, row.most)
    last, text = first, row.names and chance(0.5) and row.names[first - row.least + 1] or first
  elseif kind == 2 then
    step = math.random(1, row.most - row.least)
    text = "*/" .. step
  else
    first = math.random(row.least, row.most)
    last = math.random(first, row.most)
    text = first .. "-" .. last
    if kind == 4 then
      step = math.random(1, row.most - row.least)
      text = text .. "/" .. step
    end
  end
  return tostring(text), first, last, step
end

-- row: { least, most, names?, special? (items that are no set) }
local function field(row, part_open)
  if chance(part_open) then return "*" end
  local items, set = {}, {}
  for i = 1, chance(0.3) and math.random(2, 4) or 1 do
    if row.special and chance(0.3) then
      items[i] = row.special()
    else
      local text, first, last, step = plain_item(row)
      items[i] = text
      for value = first, last, step do set[value] = true end
    end
  end
  return table.concat(items, ","), set
end

local weekdays = { "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT" }
local rows = {
  sixty = { least = 0, most = 59 },
  hour = { least = 0, most = 23 },
  day = { least = 1, most = 31, special = function() return "L" end },
  month = { least = 1, most = 12, names = { "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG",
    "SEP", "OCT", "NOV", "DEC" } },
  weekday = { least = 0, most = 6, names = weekdays, special = function()
    local day = chance(0.5) and pick(weekdays) or tostring(math.random(0, 6))
    return chance(0.5) and day .. "L" or day .. "#" .. math.random(5)
  end },
}

local function list_of(set, row)
  local list = {}
  for value = row.least, row.most do if set[value] then list[#list + 1] = value end end
  return table.concat(list, ",")
end

-- ---- What croner is told ----

local function is_open(text) return text:sub(1, 1) == "*" end

-- The same days: the fields as one text.
local function tell(fields, first)
  local told = { table.unpack(fields) }
  local has_both = fields[4] ~= "*" and fields[6] ~= "*"
  if has_both and (is_open(fields[4]) or is_open(fields[6])) then told[6] = "+" .. told[6] end
  return table.concat(told, " ", first)
end

local function full_set(row)
  local set = {}
  for value = row.least, row.most do set[value] = true end
  return set
end

local every_hour = list_of(full_set(rows.hour), rows.hour)

-- An interval or not, as it is here.
local function tell_kind(fields, sets)
  local hours = list_of(sets[3] or full_set(rows.hour), rows.hour)
  local told = { table.unpack(fields) }
  told[3] = hours == every_hour and "*" or hours
  for i = 1, 2 do
    if told[3] ~= "*" then told[i] = list_of(sets[i] or full_set(rows.sixty), rows.sixty) end
  end
  return told
end

-- The schedule, and how croner is asked for it in UTC and in a zone.
local function random_case()
  local fields, sets = { "0" }, { { [0] = true } }
  local first = chance(0.3) and 1 or 2
  if first == 1 then fields[1], sets[1] = field(rows.sixty, 0.2) end
  fields[2], sets[2] = field(rows.sixty, 0.1)
  fields[3], sets[3] = field(rows.hour, 0.3)
  fields[4] = field(rows.day, 0.6)
  fields[5] = field(rows.month, 0.8)
  fields[6] = field(rows.weekday, 0.6)
  return table.concat(fields, " ", first), tell(fields, first), tell(tell_kind(fields, sets), 1)
end

-- Any instant, or one about a change of the zone's clocks, most within the hour behind it, in which
-- they may show the times of the hour before it again.
local function random_time(zone)
  local at = math.random(YEAR_1980, YEAR_2037)
  local change = base.zone(zone, at)["until"]
  if chance(0.6) and change < YEAR_2037 then
    local hours = pick { 0, 0, math.random(-3, 3), math.random(-36, -3) }
    at = change + hours * 3600 + math.random(0, 3599)
  end
  return at * 1000 + math.random(0, 999)
end

-- ---- Both ----

-- One more is asked for, since the gap's end is taken out of both.
local function without_gap_end(times)
  local kept = {}
  for _, time in ipairs(times) do
    if time ~= APIA_GAP_END and #kept < COUNT then kept[#kept + 1] = time end
  end
  return kept
end

describe("croner", function()
  local dir

  lazy_setup(function() dir = files.temp_dir() end)
  lazy_teardown(function() files.remove(dir) end)

  it(("says the same next times of %d schedules"):format(CASES), function()
    clients.install("croner", dir)
    local cases, asked = {}, {}
    while #cases < CASES do
      local raw, plain, told = random_case()
      local zone = pick(zones)
      local after = random_time(zone)
      local here, err = model.cron_next(raw, zone, after, COUNT + 1)
      assert(here or err:find("never comes", 1, true), err)
      if here then
        cases[#cases + 1] = { raw = raw, told = told, zone = zone, after = after, here = here }
        asked[#asked + 1] = { schedule = plain, zone = "UTC", afterMs = after, count = COUNT }
        asked[#asked + 1] = { schedule = told, zone = zone, afterMs = after, count = COUNT + 1 }
      end
    end
    files.write(dir .. "/asked", json.encode(asked))
    local answers = json.decode(clients.run({ "node", "next_cron.mjs", dir .. "/asked" }, dir, LIMIT_MS))
    for i, case in ipairs(cases) do
      local where = ("%s (croner: %s) in %s after %d, ANZOL_SEED=%d"):format(case.raw, case.told,
        case.zone, case.after, seed)
      assert.same(answers[2 * i - 1], model.cron_next(case.raw, "UTC", case.after, COUNT),
        "UTC: " .. where)
      assert.same(without_gap_end(answers[2 * i]), without_gap_end(case.here), where)
    end
  end)
end)
