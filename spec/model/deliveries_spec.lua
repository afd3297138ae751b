-- SPDX-License-Identifier: MIT
-- Random schedules of messages, failures, deaths of the process, reloads, pauses and clock steps,
-- through the real sender and the real store, against a plain model of queue and policy
-- (model/model.lua). ANZOL_SEED=n runs the schedule of one seed; ANZOL_LONG=1 thousands.
local runs = require "model.runs"

local LONG = os.getenv "ANZOL_LONG" == "1"
local SIDES, RUNS = 8, LONG and 4000 or 320

describe("sender and store, against a model", function()
  local only = math.tointeger(os.getenv "ANZOL_SEED")
  if only then
    it(("keep what they promise in the run of seed %d"):format(only), function()
      local report = runs.run(only, 1, 1)
      assert(not report, report)
    end)
    return
  end
  local first = os.time() * 10000
  print(("\nmodel of deliveries: seeds %d to %d"):format(first, first + RUNS - 1))
  it(("keep what they promise, in %d runs"):format(RUNS), function()
    local reports = runs.run_all(first, RUNS, SIDES)
    assert(#reports == 0, table.concat(reports, "\n\n"))
  end)
end)
