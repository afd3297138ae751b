-- SPDX-License-Identifier: MIT
-- anzol crons: what anzol.cron and anzol.every registered, and when it runs.
local client = require "anzol.cli.client"
local routines = require "anzol.cli.routines"

local M = {
  name = "crons",
  summary = "List what runs at its times: last run, next run, errors; run it now.",
  description = [[
List what anzol.cron and anzol.every registered: when each ran and runs next, and what went wrong.
`run` makes it due now; one that runs already is left alone.

  anzol crons
  anzol crons show daily-digest
  anzol crons run daily-digest
  anzol crons -o json]],
}

local function time(row, field) return client.plain(row[field]) or "-" end

local resource = {
  path = "/api/v1/cron", noun = "cron", nouns = "crons",
  columns = {
    { "NAME", "name" },
    { "KIND", "kind" },
    { "SCHEDULE", "rule" },
    { "LAST RUN", function(row) return time(row, "lastRun") end },
    { "NEXT RUN", function(row) return time(row, "nextRun") end },
    { "RUNS", "runs", right = true },
    { "ERROR", function(row) return routines.error_of(row) or "-" end },
  },
}

function resource.fields(row)
  return {
    { "name", row.name },
    { "kind", row.kind },
    { "schedule", row.rule },
    { "registered", row.isRegistered and "yes" or "no: the scripts no longer have it" },
    { "last run", client.plain(row.lastRun) },
    { "took", client.plain(row.lastRun) and routines.duration(row.lastDurationMs) },
    { "next run", client.plain(row.nextRun) },
    { "why", row.why },
    { "runs", row.runs },
    { "failures", row.failures },
  }
end

M.configure = routines.configure

function M.run(options, console) return routines.run(options, console, resource) end

return M
