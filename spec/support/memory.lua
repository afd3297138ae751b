-- SPDX-License-Identifier: MIT
-- Memory that runs out: a control file shared with core/test/preload/memory.c in the server.
local files = require "support.files"
local process = require "anzol_test.process"

local Memory = {}
Memory.__index = Memory

local words = { "left", "failing", "seen", "failed" }
local index_of = {}
for i, name in ipairs(words) do index_of[name] = i - 1 end

-- Its control file lies in dir.
function Memory.new(dir)
  local control = dir .. "/memory.control"
  return setmetatable({ control = control, shared = process.shared(control, #words) }, Memory)
end

-- The environment of a server with this memory.
function Memory:env()
  return {
    LD_PRELOAD = files.build_dir() .. "/test/preload/memory.so",
    ANZOL_SHIM_CONTROL = self.control,
  }
end

function Memory:get(name) return self.shared:get(index_of[name]) end
function Memory:set(name, value) self.shared:set(index_of[name], value) end

-- The n-th allocation from now on fails, and those behind it, count in all.
function Memory:fail_at(n, count)
  self:set("left", n - 1)
  self:set("failing", count)
end

-- As much as there is.
function Memory:free()
  self:set("failing", 0)
  self:set("left", 0)
end

return Memory
