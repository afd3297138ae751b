-- SPDX-License-Identifier: MIT
-- anzol health: whether the server takes webhooks, for containers and scripts.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "health",
  summary = "Say whether the server takes webhooks.",
  description = [[
Ask the server whether it takes webhooks, and say ok, or why not: starting, draining, stuck,
unwritable (the disk is full). Needs no token.

  anzol health -q || tell-somebody
  anzol health --url http://127.0.0.1:8081

Exit code 0: ok, 1: it does not, 69: no server there, 75: no answer in time.]],
}

function M.configure() end

function M.run(options, console)
  local answer = client.request(options, console, { path = "/healthz", accept = { [503] = true } })
  local status = client.decode(answer).status
  if console:is_json() then
    client.print_json(console, answer)
  else
    console:line(status)
  end
  return answer.status == 200 and 0 or failure.FAILED
end

return M
