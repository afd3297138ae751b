-- SPDX-License-Identifier: MIT
-- A process that ends at a crash point of the store: what it had acknowledged is there.
local S = require "anzol_test.store"
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

local function run_child(path, point)
  local script = path .. ".lua"
  local file = assert(io.open(script, "wb"))
  file:write(child:format(package.cpath, path))
  file:close()
  local pipe = assert(io.popen(("ANZOL_CRASH_AT=%s lua5.4 %s"):format(point, script)))
  local acknowledged = {}
  for line in pipe:lines() do acknowledged[#acknowledged + 1] = math.tointeger(line) end
  local _, _, code = pipe:close()
  return acknowledged, code
end

describe("a crash of the store", function()
  for _, point in ipairs { "queued", "in_group", "after_write", "after_sync", "before_wake" } do
    it(("at \"%s\" keeps what was acknowledged"):format(point), function()
      for nth = 1, is_long and 20 or 2 do
        local folder = rig.folder()
        local path = folder .. "/anzol.db"
        local acknowledged, code = run_child(path, ("%s:%d"):format(point, nth * 3))
        assert.equal(137, code)
        assert.equal(nth * 3 - 1, #acknowledged)
        local store = assert(S.open { path = path })
        local reads = {}
        for i, id in ipairs(acknowledged) do reads[i] = store:get_event(id) end
        store:wait()
        for i, read in ipairs(reads) do assert.equal("body " .. i, read.row.body) end
        store:close()
        assert.equal("ok", S.sql(path, "PRAGMA integrity_check")[1][1])
        rig.remove(folder)
      end
    end)
  end
end)
