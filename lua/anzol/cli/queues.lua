-- SPDX-License-Identifier: MIT
-- anzol queues: endpoints whose receivers ask, what lies there and who waits for it.
local client = require "anzol.cli.client"

local M = {
  name = "queues",
  summary = "List queues: messages that wait or are leased, receivers.",
  description = [[
List the endpoints of kind "long_poll": how many messages wait there, how many receivers have, how
old the oldest of both is, and how many receivers wait right now.

  anzol queues
  anzol queues -o json
  anzol deliveries list --endpoint jobs
  anzol endpoints pause jobs]],
}

local function waiting(row) return row.waiting .. (row.waitingIsLeast and "+" or "") end

local columns = {
  { "NAME", "name" },
  { "STATE", "state", is_state = true },
  { "WAITING", waiting, right = true },
  { "LEASED", "leased", right = true },
  { "OLDEST", function(row) return client.plain(row.oldestAt) or "-" end },
  { "RECEIVERS", "receivers", right = true },
  { "PATH", "path" },
}

function M.configure() end

function M.run(options, console)
  local answer = client.request(options, console, { path = "/api/v1/queue" })
  if console:is_json() then
    client.print_json(console, answer)
    return 0
  end
  local rows = client.decode(answer).data
  if #rows > 0 then console:table(columns, rows) else console:say "no queues" end
  return 0
end

return M
