-- SPDX-License-Identifier: MIT
-- The sender of the specs: threads that post GitHub-signed webhooks on keep-alive connections and
-- write every 2xx to a synced ledger ("id key hash" a line).
local process = require "anzol_test.process"

local M = {}

-- { port, ledger, secret, connections?, seed?, body_bytes_max?, pause_us?, post_count_max?,
--   repeat_percent?, forge_percent?, path?, event?, prefix? } -> sender with counts, is_over,
-- set_port, stop.
function M.start(options)
  return process.sender(options)
end

return M
