-- SPDX-License-Identifier: MIT
-- anzol polls: what anzol.poll registered, when it runs, how often and why so.
local client = require "anzol.cli.client"
local routines = require "anzol.cli.routines"

local M = {
  name = "polls",
  summary = "List polls: last run, next run, interval and why, items, errors; run one now.",
  description = [[
List the polls: when each ran and runs next, how long it waits and why, what it found, what went
wrong. Why is one of rule (as registered), items (some came: shorter), no_items (none came:
longer), slow (the source takes long), max_age, rate_limit, retry_after (the source says so),
script (anzol.after), error (on_error), long (at once), stream (the stream ended badly) and crash
(the process ended in it three times: it rests until anzol reload). `run` makes it due now; one
that runs already is left alone.

  anzol polls
  anzol polls show tickets
  anzol polls run tickets
  anzol polls -o json]],
}

local function time(row, field) return client.plain(row[field]) or "-" end

local resource = {
  path = "/api/v1/poll", noun = "poll", nouns = "polls",
  columns = {
    { "NAME", "name" },
    { "LAST RUN", function(row) return time(row, "lastRun") end },
    { "NEXT RUN", function(row) return time(row, "nextRun") end },
    { "INTERVAL", function(row) return routines.duration(row.intervalMs) end, right = true },
    { "WHY", "why" },
    { "LAST", "lastItems", right = true },
    { "ITEMS", "items", right = true },
    { "ERROR", function(row) return routines.error_of(row) or "-" end },
  },
}

function resource.fields(row)
  return {
    { "name", row.name },
    { "rule", row.rule },
    { "registered", row.isRegistered and "yes" or "no: the scripts no longer have it" },
    { "last run", client.plain(row.lastRun) },
    { "took", client.plain(row.lastRun) and routines.duration(row.lastDurationMs) },
    { "next run", client.plain(row.nextRun) },
    { "interval", routines.duration(row.intervalMs) },
    { "why", row.why },
    { "source answers in", row.answerMs > 0 and routines.duration(row.answerMs) or nil },
    { "last items", row.lastItems },
    { "items", row.items },
    { "runs", row.runs },
    { "failures", row.failures },
  }
end

M.configure = routines.configure

function M.run(options, console) return routines.run(options, console, resource) end

return M
