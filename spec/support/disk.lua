-- SPDX-License-Identifier: MIT
-- The disk that fails: a control file shared with core/test/preload/disk.c in the server.
local files = require "support.files"
local process = require "anzol_test.process"

local Disk = {}
Disk.__index = Disk

local words = { "writes_left", "syncs_left", "sync_delay_ms", "writes", "writes_failed", "syncs",
  "syncs_failed", "syncs_after_failure" }
local index_of = {}
for i, name in ipairs(words) do index_of[name] = i - 1 end

-- Acts on files below dir. Give it to server.start as disk.
function Disk.new(dir)
  local control = dir .. "/disk.control"
  return setmetatable({ dir = dir, control = control, shared = process.shared(control, #words) },
    Disk)
end

-- The environment of a server on this disk. A sanitizer wants to be first and is not.
function Disk:env()
  return {
    LD_PRELOAD = files.build_dir() .. "/test/preload/disk.so",
    ANZOL_SHIM_DIR = self.dir,
    ANZOL_SHIM_CONTROL = self.control,
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  }
end

function Disk:get(name) return self.shared:get(index_of[name]) end
function Disk:set(name, value) self.shared:set(index_of[name], value) end

-- The n-th write from now on and all later ones find no space.
function Disk:fill_at(n) self:set("writes_left", n) end
function Disk:free() self:set("writes_left", 0) end
-- The n-th sync from now on fails, once.
function Disk:fail_sync_at(n) self:set("syncs_left", n) end
function Disk:delay_syncs(ms) self:set("sync_delay_ms", ms) end

return Disk
