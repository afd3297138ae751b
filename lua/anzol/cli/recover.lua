-- SPDX-License-Identifier: MIT
-- anzol recover: a receiver is well again, and gets what died meanwhile.
local client = require "anzol.cli.client"
local endpoints = require "anzol.cli.endpoints"
local span = require "anzol.cli.span"
local tasks = require "anzol.cli.tasks"

local M = {
  name = "recover",
  summary = "Retry every dead delivery of an endpoint since a time.",
  description = [[
Retry, oldest first, every delivery of an endpoint that is dead and was made since then.

  anzol recover crm --since 2h --dry-run
  anzol recover crm --since 2026-03-02T08:00:00Z --rate 20/s --detach]],
}

function M.configure(parser)
  parser:argument("endpoint", "Name of the endpoint."):argname "ENDPOINT"
  span.add(parser)
  tasks.add_following(parser)
end

function M.run(options, console)
  endpoints.find(options, console, options.endpoint)
  local path = ("/api/v1/endpoint/%s/recover"):format(client.escape_name(options.endpoint))
  return tasks.begin(options, console, path,
    { { "since", options.since }, { "until", options["until"] } })
end

return M
