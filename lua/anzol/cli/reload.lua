-- SPDX-License-Identifier: MIT
-- anzol reload: load the scripts anew and wait until they serve, or say why not.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local findings = require "anzol.cli.findings"

local M = {
  name = "reload",
  summary = "Load the scripts anew; the old ones serve on if the new ones are refused.",
  description = [[
Load all scripts anew and wait until they serve. A broken script changes nothing: the server
keeps what it runs, the file, line and reason are printed, and the exit code is 78.]],
}

function M.configure() end

function M.run(options, console)
  local answer = client.request(options, console, {
    method = "POST", path = "/api/v1/script/reload", body = "{}", accept = { [422] = true },
  })
  local result = client.decode(answer)
  if console:is_json() then
    client.print_json(console, answer)
  else
    findings.print(console, result.findings or {})
  end
  if answer.status == 200 then
    console:say("generation %d serves", result.generation)
    return 0
  end
  failure.raise(failure.CONFIG, "refused, generation %d serves on: %s", result.generation or 0,
    client.detail(answer))
end

return M
