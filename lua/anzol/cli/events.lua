-- SPDX-License-Identifier: MIT
-- anzol events: what came in, newest first, and what became of it.
local client = require "anzol.cli.client"
local listing = require "anzol.cli.listing"
local span = require "anzol.cli.span"

local M = {
  name = "events",
  summary = "List events, or show one with its runs and body.",
  description = [[
List the events that came in, newest first; or show one with its headers, runs and body.

  anzol events --state dead           what was given up
  anzol events list --source github --limit 10
  anzol events show evt_0EJPp3QZQQ1   everything about one
  anzol events -o json                as the REST API gives it]],
}

local columns = {
  { "ID", "id" },
  { "RECEIVED", "receivedAt" },
  { "SOURCE", "source" },
  { "TYPE", "type" },
  { "STATE", "state", is_state = true },
  { "BYTES", "bodyBytes", right = true },
}

function M.configure(parser, add_help)
  parser:option("--source", "Only of this source."):argname "NAME"
  parser:option("--type", "Only of types that match: order.paid, 'order.*'."):argname "PATTERN"
  parser:option("--state", "Only in this state.")
    :choices { "pending", "retrying", "handled", "skipped", "dead" }
  span.add(parser)
  listing.configure(parser, add_help, "event")
end

-- A batch that is closed has one state, which the run of its first event tells.
local function batch_words(closes_at)
  local native = require "anzol.native"
  local now = os.date("!%Y-%m-%dT%H:%M:%S", native.now_ms() // 1000)
  if closes_at > now then return "in a batch that closes at " .. closes_at end
  return ("in a batch that closed at %s: the run of its first event tells how it is")
    :format(closes_at)
end

local function show_runs(console, runs)
  local json = require "anzol.native".json
  for _, run in ipairs(runs) do
    local next_at = client.plain(run.nextAt)
    console:line(("\nrun of %s: %s, number %d%s"):format(run.subscription,
      run.state, run.number, next_at and ", again at " .. next_at or ""))
    local closes_at = client.plain(run.batchClosesAt)
    if closes_at then console:line("  " .. batch_words(closes_at)) end
    for _, step in ipairs(run.steps or {}) do
      console:line(("  step %s: %s"):format(step.name, json.encode(step.results)))
    end
    local err = client.plain(run.error)
    if err then console:line("  " .. err:gsub("\n", "\n  ")) end
  end
end

function M.show(console, event)
  local plain = client.plain
  console:fields {
    { "id", event.id },
    { "state", event.state, is_state = true },
    { "source", event.source },
    { "type", event.type },
    { "received", event.receivedAt },
    { "from", plain(event.remoteIp) },
    { "request", plain(event.method) and event.method .. " " .. event.path
      .. (plain(event.query) and "?" .. event.query or "") },
    { "idempotency key", plain(event.idempotencyKey) },
    { "parent", plain(event.parentId) },
  }
  listing.show_headers(console, event.headers)
  show_runs(console, event.runs)
  if event.sealed == true then
    console:line(("\n%s, %d bytes, sealed: it is not shown"):format(console:paint("body", "bold"),
      event.bodyBytes))
  end
  listing.show_body(console, "body", event.body, event.bodyEncoding, event.bodyBytes)
end

function M.run(options, console)
  return listing.run(options, console, {
    path = "/api/v1/event", columns = columns, show = M.show, noun = "events",
    query = { { "source", options.source }, { "type", options.type }, { "state", options.state },
      { "since", options.since }, { "until", options["until"] } },
  })
end

return M
