-- SPDX-License-Identifier: MIT
-- Waiting for what another process does: asks again and again until a limit, never sleeps blindly.
local process = require "anzol_test.process"

local M = {}

-- Sanitizers slow the server down: the limits stretch.
M.patience = os.getenv "ANZOL_SANITIZER" and 6 or 1

-- Asks every few ms; returns what ask returned as soon as it is true, or raises after limit_ms.
function M.until_true(what, limit_ms, ask)
  local deadline = process.mono_ms() + limit_ms * M.patience
  while true do
    local answer = ask()
    if answer then return answer end
    if process.mono_ms() > deadline then
      error(("not within %d ms: %s"):format(limit_ms * M.patience, what), 2)
    end
    process.sleep_ms(3)
  end
end

return M
