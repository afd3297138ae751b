-- SPDX-License-Identifier: MIT
-- anzol replay: what went well or not, once more.
local failure = require "anzol.cli.failure"
local known = require "anzol.cli.known"
local replay_to = require "anzol.cli.replay_to"
local span = require "anzol.cli.span"
local tasks = require "anzol.cli.tasks"

local M = {
  name = "replay",
  summary = "Run handlers, or send messages, once more.",
  description = [[
Once more: the handlers of events as the scripts are now (evt_...), or one more delivery of a
message, to where it went (msg_..., dlv_...). Message ids stay, so that receivers can drop what they
had; --new-ids asks for others.

  anzol replay evt_0EJPp3QZQQ1 dlv_0EJPp3QZQQ2
  anzol replay --since 2h --source github --type github.push --rate 20/s
  anzol replay --since 1d --endpoint crm --state succeeded --dry-run
  anzol replay evt_0EJPp3QZQQ1 --to http://localhost:3000/hooks

Without ids the filters choose: events, or deliveries if an endpoint is named (or --kind says so).
It is a task of the server: it goes on if this command ends (see `anzol tasks`).

With --to the deliveries (of an event or a message: all that it has) go to that URL, from where the
command runs: made and signed anew by the server, without headers that may hold secrets. No handler
runs and nothing is recorded. Exit code 1: one was not answered with 2xx.]],
}

local ID_DIGITS = 11
local kinds = { evt = true, msg = true, dlv = true }

function M.configure(parser)
  parser:argument("ids", "Ids of events, messages, deliveries."):argname "ID":args "*"
  parser:option("--kind", "What the filters choose from."):choices { "event", "delivery" }
  parser:option("--source", "Only of this source."):argname "NAME"
  parser:option("--type", "Only of types that match: order.paid, 'order.*'."):argname "PATTERN"
  parser:option("--endpoint", "Only deliveries to this endpoint."):argname "NAME"
  parser:option("--state", "Only in this state."):argname "STATE"
  parser:option("--subscription", "Of events: only this one's handler."):argname "NAME"
  span.add(parser)
  parser:flag("--new-ids", "Messages get new ids: receivers take them for new ones.")
  parser:option("--to", "Send what was delivered to this URL instead, from here."):argname "URL"
  tasks.add_following(parser)
end

local function filters(options)
  return { { "source", options.source }, { "type", options.type },
    { "endpoint", options.endpoint }, { "state", options.state }, { "since", options.since },
    { "until", options["until"] } }
end

local function check(options)
  local has_filter = options.kind ~= nil
  for _, row in ipairs(filters(options)) do has_filter = has_filter or row[2] ~= nil end
  for _, id in ipairs(options.ids) do
    local kind, digits = id:match "^(%l+)_(%w+)$"
    if not kinds[kind] or #digits ~= ID_DIGITS then
      failure.raise(failure.USAGE, "'%s' is no id of an event, a message or a delivery", id)
    end
  end
  if #options.ids > 0 and has_filter then
    failure.raise(failure.USAGE, "ids or filters, not both")
  end
  if #options.ids == 0 and not has_filter then
    failure.raise(failure.USAGE, "name ids, or say which: --since, --source, --endpoint, ...")
  end
end

function M.run(options, console)
  check(options)
  if options.to then replay_to.check(options) end
  if options.dry_run and #options.ids > 0 then
    failure.raise(failure.USAGE, "--dry-run goes with filters: ids name what is replayed")
  end
  known.check(options, console, options)
  local query = filters(options)
  if options.to and not options.dry_run then return replay_to.run(options, console, query) end
  query[#query + 1] = { "kind", options.to and "delivery" or options.kind }
  query[#query + 1] = { "subscription", options.subscription }
  query[#query + 1] = { "newIds", options.new_ids and "true" or nil }
  if #options.ids > 0 then query[#query + 1] = { "ids", table.concat(options.ids, " ") } end
  local code, task = tasks.begin(options, console, "/api/v1/replay", query)
  if #options.ids == 0 or not task or task.skipped == 0 then return code end
  console:talk(("%d of them not replayed: not there, or an event whose handlers did not run yet")
    :format(task.skipped))
  return failure.FAILED
end

return M
