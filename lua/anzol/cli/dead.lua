-- SPDX-License-Identifier: MIT
-- anzol dead: what was given up, of handlers and of deliveries: looked at, tried again, or let go.
local client = require "anzol.cli.client"
local deliveries = require "anzol.cli.deliveries"
local events = require "anzol.cli.events"
local failure = require "anzol.cli.failure"
local known = require "anzol.cli.known"
local listing = require "anzol.cli.listing"
local span = require "anzol.cli.span"
local tasks = require "anzol.cli.tasks"

local M = {
  name = "dead",
  summary = "List what was given up, try it again or let it go.",
  description = [[
Dead letters: events whose handler failed too often, and deliveries that nobody took.

  anzol dead list                     both, newest first
  anzol dead list --kind delivery --endpoint crm
  anzol dead show dlv_0EJPp3QZQQ2     why, with every attempt
  anzol dead retry dlv_0EJPp3QZQQ2 evt_0EJPp3QZQQ1
  anzol dead drop dlv_0EJPp3QZQQ2 --reason "sent by hand"
  anzol dead retry --endpoint crm --since 2h --contains "connect" --rate 20/s

With filters there is a task for deliveries and one for events; -o json is { "data": [ task, … ] }.

What is retried gets a fresh chance: it is due now and its policy begins anew.]],
}

-- What an id is of: the resource's path.
local resources = { evt = "/api/v1/event", dlv = "/api/v1/delivery" }

local function resource_of(id)
  local resource = resources[id:match "^(%a+)_%w+$"]
  if not resource then
    failure.raise(failure.USAGE, "'%s' is no id of a dead letter: evt_... or dlv_...", id)
  end
  return resource
end

local function path_of(id) return resource_of(id) .. "/" .. id end

local function add_filters(parser)
  parser:option("--endpoint", "Only deliveries to this endpoint."):argname "NAME"
  parser:option("--source", "Only of this source."):argname "NAME"
  parser:option("--type", "Only of types that match: order.paid, 'order.*'."):argname "PATTERN"
  parser:option("--contains", "Only with this text in the reason or error."):argname "TEXT"
  span.add(parser)
end

local function filters(options)
  return { { "source", options.source }, { "type", options.type },
    { "contains", options.contains }, { "since", options.since }, { "until", options["until"] } }
end

-- Ids, or filters for many at once.
local function add_choice(parser)
  parser:argument("ids", "Ids of events (evt_...) and deliveries (dlv_...)."):argname "ID":args "*"
  parser:option("--kind", "Without ids: of this kind.", "all")
    :choices { "all", "handler", "delivery" }
  parser:flag("--all", "Without ids and filters: really all.")
  add_filters(parser)
  tasks.add_following(parser)
end

function M.configure(parser, add_help)
  parser:require_command(true):command_target "action"
  local function command(name, summary)
    local sub = parser:command(name):summary(summary):add_help(false)
    add_help(sub)
    return sub
  end
  local list = command("list", "List them, newest first.")
  list:option("--kind", "Only of this kind.", "all"):choices { "all", "handler", "delivery" }
  add_filters(list)
  listing.add_page(list)
  command("show", "Show one, with why it died."):argument("id", "Its id."):argname "ID"
  add_choice(command("retry", "Try again: due now, with a fresh chance."))
  local drop = command("drop", "Let go: a delivery is cancelled, a run is skipped.")
  add_choice(drop)
  drop:option("--reason", "Why, for the record."):argname "TEXT"
end

local function rows_of(options, console, path, query)
  query[#query + 1] = { "state", "dead" }
  query[#query + 1] = { "limit", options.limit }
  local page = client.decode(client.request(options, console, { path = path, query = query }))
  return page.data, not page.done
end

-- The first line of a reason: those of handlers are tracebacks.
local function reason(row)
  local text = client.plain(row.reason)
  return text and text:match "[^\n]*"
end

local columns = {
  { "ID", "id" },
  { "KIND", "kind" },
  { "CREATED", "createdAt" },
  { "OF", "of" },
  { "TYPE", "type" },
  { "LAST", deliveries.last },
  { "REASON", reason },
}

-- The two lists as one, newest first.
local function list(options, console)
  local rows, is_cut = {}, false
  if options.kind ~= "handler" then
    local query = filters(options)
    query[#query + 1] = { "endpoint", options.endpoint }
    local page, more = rows_of(options, console, "/api/v1/delivery", query)
    is_cut = more
    for _, row in ipairs(page) do
      rows[#rows + 1] = { id = row.id, kind = "delivery", createdAt = row.createdAt,
        of = row.endpoint, type = row.type, lastStatus = row.lastStatus, lastError = row.lastError,
        reason = row.reason }
    end
  end
  if options.kind ~= "delivery" and not options.endpoint then
    local page, more = rows_of(options, console, "/api/v1/event", filters(options))
    is_cut = is_cut or more
    for _, row in ipairs(page) do
      rows[#rows + 1] = { id = row.id, kind = "handler", createdAt = row.receivedAt,
        of = row.source, type = row.type, reason = row.error }
    end
  end
  if #rows == 0 and not is_cut then known.check(options, console, options) end
  table.sort(rows, function(a, b) return a.createdAt > b.createdAt end)
  for i = #rows, math.tointeger(options.limit) + 1, -1 do rows[i], is_cut = nil, true end
  if console:is_json() then
    local json = require "anzol.native".json
    console:data(json.encode({ data = json.array(rows), done = not is_cut },
      { sort = true }) .. "\n")
    return 0
  end
  if #rows > 0 then console:table(columns, rows) else console:say "no dead letters" end
  if is_cut then console:say("there are more: --limit, or --kind with --iterator of `anzol "
    .. "deliveries` and `anzol events`") end
  return 0
end

local function show(options, console)
  local answer = listing.get(options, console, resource_of(options.id), options.id)
  if console:is_json() then
    client.print_json(console, answer)
  else
    (options.id:find "^evt_" and events or deliveries).show(console, client.decode(answer))
  end
  return 0
end

-- One task for each kind that is meant.
local function change_many(options, console)
  local has_filter = options.endpoint ~= nil or options.kind ~= "all" or options.all
  for _, row in ipairs(filters(options)) do has_filter = has_filter or row[2] ~= nil end
  if not has_filter then
    failure.raise(failure.USAGE, "name ids, say which (--endpoint, --since, ...), or --all")
  end
  known.check(options, console, options)
  local code, results = 0, {}
  for _, kind in ipairs { "delivery", "event" } do
    local name = kind == "event" and "handler" or kind
    local is_meant = options.kind == "all" or options.kind == name
    if is_meant and not (kind == "event" and options.endpoint) then
      local query = filters(options)
      query[#query + 1] = { "kind", kind }
      query[#query + 1] = { "endpoint", options.endpoint }
      query[#query + 1] = { "reason", options.reason }
      local path = "/api/v1/dead-letter/" .. options.action
      local ended = tasks.begin(options, console, path, query, results)
      code = math.max(code, ended)
    end
  end
  if console:is_json() then
    local json = require "anzol.native".json
    console:data(json.encode({ data = json.array(results) }, { sort = true }) .. "\n")
  end
  return code
end

local function change(options, console)
  if #options.ids == 0 then return change_many(options, console) end
  if options.dry_run then
    failure.raise(failure.USAGE, "--dry-run goes with filters: ids name what is meant")
  end
  return client.change(options, console, options.action, options.ids, path_of)
end

local actions = { list = list, show = show, retry = change, drop = change }

function M.run(options, console)
  return actions[options.action](options, console)
end

return M
