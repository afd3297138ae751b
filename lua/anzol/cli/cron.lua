-- SPDX-License-Identifier: MIT
-- anzol cron: when a schedule comes next. No server, no project.
local failure = require "anzol.cli.failure"
local span = require "anzol.cli.span"

local COUNT_MAX = 1000

local M = {
  name = "cron",
  summary = "Say when a schedule comes next.",
  description = [[
Print the next times of a schedule, as clocks of a time zone show them and in UTC:

  anzol cron next '0 9 * * MON-FRI' --timezone Europe/Berlin
  anzol cron next '30 2 * * *' --timezone America/New_York --from 2026-03-07T12:00:00Z --count 3
  anzol cron next @hourly -o json

Five fields (minute, hour, day of month, month, day of week), or six with a second before them.]],
}

local function count(text)
  local number = math.tointeger(tonumber(text))
  if number and number >= 1 and number <= COUNT_MAX then return number end
  return nil, ("--count: a whole number from 1 to %d"):format(COUNT_MAX)
end

function M.configure(parser, add_help)
  parser:command_target "action"
  local sub = parser:command "next":summary "Print the next times.":add_help(false)
  add_help(sub)
  sub:argument("schedule", "The schedule, as one word: in quotes."):argname "EXPR"
  sub:option("--timezone", "Whose clocks it goes by.", "UTC"):argname "ZONE"
  sub:option("--count", ("How many times, 1 to %d."):format(COUNT_MAX), "10"):argname "N"
    :convert(count)
  sub:option("--from", "After this instant, such as 2026-03-02T08:00:00Z (default: now).")
    :argname "TIME"
end

local function distance(ms)
  local text = span.text(math.abs(ms))
  if text == "" then return "now" end
  return text .. (ms < 0 and " ago" or "")
end

function M.run(options, console)
  local native = require "anzol.native"
  local now_ms = native.now_ms()
  local times, err = native.cron_next(options.schedule, options.timezone, options.from or now_ms,
    options.count)
  if not times then failure.raise(failure.USAGE, "%s", err) end
  if console:is_json() then
    local rows = native.json.array {}
    for i, time in ipairs(times) do
      rows[i] = { ["local"] = time["local"], utc = time.utc, inMs = time.at_ms - now_ms }
    end
    console:data(native.json.encode({ schedule = options.schedule, timezone = options.timezone,
      times = rows }, { sort = true }) .. "\n")
    return 0
  end
  console:table({
    { "LOCAL", "local" },
    { "UTC", "utc" },
    { "IN", function(time) return distance(time.at_ms - now_ms) end },
  }, times)
  return 0
end

return M
