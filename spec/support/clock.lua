-- SPDX-License-Identifier: MIT
-- The wall clock that is set, and the machine that sleeps: a control file shared with
-- core/test/preload/clock.c in the server.
local files = require "support.files"
local process = require "anzol_test.process"

local Clock = {}
Clock.__index = Clock

local SET_S, SLEPT_S = 0, 1

-- Of servers whose env is clock:env().
function Clock.new(dir)
  local control = dir .. "/clock.control"
  return setmetatable({ control = control, shared = process.shared(control, 2) }, Clock)
end

-- A sanitizer wants to be first and is not.
function Clock:env()
  return {
    LD_PRELOAD = files.build_dir() .. "/test/preload/clock.so",
    ANZOL_SHIM_CLOCK = self.control,
    ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
  }
end

-- The wall clock shows so much more, or less, than it should.
function Clock:set(s) self.shared:set(SET_S, s) end
-- The machine sleeps so long, all at once.
function Clock:sleep(s) self.shared:set(SLEPT_S, self.shared:get(SLEPT_S) + s) end

return Clock
