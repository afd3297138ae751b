-- SPDX-License-Identifier: MIT
-- anzol status: what the server is and what waits for it, on one screen.
local client = require "anzol.cli.client"
local endpoints = require "anzol.cli.endpoints"
local failure = require "anzol.cli.failure"

local M = {
  name = "status",
  summary = "Show what the server runs, and what waits for it.",
  description = [[
Show what the server of this project runs: its version, since when, which generation of scripts, how
its store is; and the endpoints that have something to do or are not as they should be.

  anzol status
  anzol status -o json     as the REST API gives it, without endpoints

Exit code 0: it takes webhooks, 1: it does not (starting, draining, stuck), 69: no server there.]],
}

function M.configure() end

local function show(console, status)
  local store = status.store
  console:fields {
    { "status", status.status, is_state = true },
    { "version", status.version },
    { "started", status.startedAt },
    { "generation", status.generation },
    { "scripts", ("%d sources, %d endpoints, %d subscriptions"):format(status.sources,
      status.endpoints, status.subscriptions) },
    { "workers", status.workers },
    { "store", ("%s, %d operations in %d commits, %d queued, last sync %.1f ms"):format(
      store.isWritable and "writable" or "not writable", store.operations, store.commits,
      store.queued, store.lastSyncUs / 1000) },
    { "secrets", status.secrets.isSealed and "sealed with key " .. status.secrets.key
      or "stored as they are: there is no key (anzol secrets --help)" },
  }
end

local function show_endpoints(options, console)
  local rows = {}
  for _, row in ipairs(endpoints.rows(options, console)) do
    if row.pending > 0 or row.state ~= "enabled" or row.breaker ~= "closed"
      or (row.blockingDead or 0) > 0 then
      rows[#rows + 1] = row
    end
  end
  if #rows > 0 then
    console:data "\n"
    console:table(endpoints.columns(rows), rows)
  end
end

function M.run(options, console)
  local answer = client.request(options, console, { path = "/api/v1/status" })
  local status = client.decode(answer)
  if console:is_json() then
    client.print_json(console, answer)
  else
    show(console, status)
    show_endpoints(options, console)
  end
  return status.status == "ok" and 0 or failure.FAILED
end

return M
