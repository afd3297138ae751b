-- SPDX-License-Identifier: MIT
-- anzol stop: ask the server to end as a signal would, and wait until it is gone.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "stop",
  summary = "Stop the server when what runs has ended.",
  description = [[
Stop the server of this project: it takes no more webhooks, lets handlers and attempts that are
under way end, and is gone when the command returns. What is still to be done is done after the
next start.

  anzol stop
  anzol stop --drain 5s

Exit code 0: it is gone, 69: no server there, 75: it starts or stops already, or is still there a
while after its drain was over.]],
}

local POLL_MS = 100
local MORE_MS = 5000 -- than the drain may take: threads and files end too

function M.configure(parser)
  parser:option("--drain", "How long what runs may take (default: the setting drain).")
    :argname "TIME"
end

-- Until nobody answers. False: somebody still does.
local function is_gone(options, within_ms)
  local native = require "anzol.native"
  local ends_ms = native.now_ms() + within_ms
  while native.now_ms() < ends_ms do
    if not client.is_there(options) then return true end
    native.sleep_ms(POLL_MS)
  end
  return false
end

function M.run(options, console)
  local answer = client.request(options, console, { method = "POST", path = "/api/v1/stop",
    query = { { "drain", options.drain } }, body = "{}" })
  local drain_ms = client.decode(answer).drainMs
  if console:is_json() then client.print_json(console, answer) end
  console:say("draining, within %d ms", drain_ms)
  if not is_gone(options, drain_ms + MORE_MS) then
    failure.raise(failure.TRY_AGAIN, "the server is still there; see its log")
  end
  console:say "stopped"
  return 0
end

return M
