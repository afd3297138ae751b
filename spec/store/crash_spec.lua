-- SPDX-License-Identifier: MIT
-- A process that ends at a crash point of the store: what it had acknowledged is there.
local S = require "anzol_test.store"
local process = require "anzol_test.process"
local rig = require "store.rig"

local is_long = os.getenv "ANZOL_LONG" == "1"

-- The child: ingests one by one and says each id that was acknowledged.
local child = [[
  package.cpath = %q
  local store = assert(require("anzol_test.store").open { path = %q })
  for i = 1, 1000 do
    local op = store:ingest { source = "s", type = "t", body = "body " .. i }
    store:wait()
    if op.status == "ok" then io.write(op.id, "\n") io.flush() end
  end
]]

-- What it said, and how it ended.
local function run_child(folder, point)
  local script, output = folder .. "/child.lua", folder .. "/output"
  local file = assert(io.open(script, "wb"))
  file:write(child:format(package.cpath, folder .. "/anzol.db"))
  file:close()
  local started = process.spawn { argv = { "lua5.4", script }, output = output,
                                  env = { ANZOL_CRASH_AT = point } }
  local kind, code = started:wait(30000)
  local acknowledged = {}
  for line in io.lines(output) do acknowledged[#acknowledged + 1] = math.tointeger(line) end
  return acknowledged, kind == "exit" and code
end

describe("a crash of the store", function()
  local folder

  before_each(function()
    folder = rig.folder()
  end)

  after_each(function()
    rig.remove(folder)
  end)

  for _, point in ipairs { "queued", "in_group", "after_write", "after_sync", "before_wake" } do
    it(("at \"%s\" keeps what was acknowledged"):format(point), function()
      for nth = 1, is_long and 20 or 2 do
        rig.remove(folder)
        folder = rig.folder()
        local path = folder .. "/anzol.db"
        local acknowledged, code = run_child(folder, ("%s:%d"):format(point, nth * 3))
        assert.equal(137, code)
        assert.equal(nth * 3 - 1, #acknowledged)
        local store = assert(S.open { path = path })
        local reads = {}
        for i, id in ipairs(acknowledged) do reads[i] = store:get_event(id) end
        store:wait()
        store:close()
        for i, read in ipairs(reads) do assert.equal("body " .. i, read.row.body) end
        assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
      end
    end)
  end
end)
