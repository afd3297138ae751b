-- SPDX-License-Identifier: MIT
-- What `./dev run --once` shows (core/test/demo.lua): a webhook goes through, over a kill -9.
local files = require "support.files"
local process = require "anzol_test.process"

local WITHIN_MS = 60000

describe("the demonstration of ./dev run", function()
  it("ends with 0 once the webhook has arrived", function()
    local dir = files.temp_dir()
    finally(function() files.remove(dir) end)
    local child = process.spawn {
      argv = { "lua5.4", "core/test/demo.lua", files.program(), dir, "--once" },
      env = { LD_PRELOAD = false }, output = dir .. "/out", errors = dir .. "/err" }
    local _, code = child:wait(WITHIN_MS)
    local pid = files.read(dir .. "/server.pid")
    if pid then os.execute("kill " .. pid:match "%d+" .. " 2>/dev/null") end
    assert.equal(0, code, files.read(dir .. "/out") .. files.read(dir .. "/err"))
    assert.matches("delivered  200 from the receiver, recorded", files.read(dir .. "/out"), 1, true)
  end)
end)
