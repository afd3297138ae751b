-- SPDX-License-Identifier: MIT
-- Runs the schedules of many seeds, each in turn, and says of the first that fails what was wrong
-- and which few steps do it. As a program, one of several side by side: runs mostly wait.
--   lua5.4 spec/model/runs.lua FIRST COUNT STRIDE
local schedules = require "model.schedule"
local run = require "model.run"
local store = require "anzol_test.store"

local M = {}

local SHRINK_S = 20
local SHOWN, HISTORY = 10, 60

local function quiet_run(schedule)
  return store.quiet(function() return run(schedule) end)
end

-- Run twice: threads and sockets have a will of their own.
local function fails(schedule)
  for _ = 1, 2 do
    local problems = quiet_run(schedule)
    if #problems > 0 then return problems end
  end
end

local function report(schedule, problems)
  local text = { ("ANZOL_SEED=%d:"):format(schedule.seed), table.unpack(problems, 1, SHOWN) }
  local small, left = schedules.shrink(schedule, problems, fails, SHRINK_S)
  text[#text + 1] = ("%d of its %d steps do:"):format(#small.steps, #schedule.steps)
  for i = 1, math.min(#left, SHOWN) do text[#text + 1] = left[i] end
  text[#text + 1] = schedules.list(small)
  text[#text + 1] = "what was seen of it:"
  for i = math.max(1, #left.history - HISTORY), #left.history do text[#text + 1] = left.history[i] end
  return table.concat(text, "\n  ")
end

-- nil: nothing was wrong.
function M.run(first, count, stride)
  for seed = first, first + (count - 1) * stride, stride do
    local schedule = schedules.make(seed)
    local problems = quiet_run(schedule)
    if #problems > 0 then return report(schedule, problems) end
  end
end

-- Side by side; a list of reports.
function M.run_all(first, count, sides)
  local folder = os.getenv "ANZOL_BUILD" or "build"
  local command = ("LUA_PATH='./spec/?.lua;;' LUA_CPATH='./%s/test/?.so;;' lua5.4 spec/model/runs.lua"):format(folder)
  local programs, reports = {}, {}
  for i = 1, sides do
    programs[i] = assert(io.popen(("%s %d %d %d"):format(command, first + i - 1, count // sides, sides)))
  end
  for i, program in ipairs(programs) do
    local text = program:read "a"
    local ok, _, code = program:close()
    if not ok then reports[#reports + 1] = ("the %d. of %d: ended with %d\n%s"):format(i, sides, code, text) end
  end
  return reports
end

if arg and arg[0] == "spec/model/runs.lua" then
  local report_text = M.run(math.tointeger(arg[1]), math.tointeger(arg[2]), math.tointeger(arg[3]))
  if report_text then
    print(report_text)
    os.exit(1)
  end
end

return M
