-- SPDX-License-Identifier: MIT
-- anzol queues: endpoints whose receivers ask, what lies there and who waits for it.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "queues",
  summary = "List queues: messages that wait or are leased, receivers.",
  description = [[
List the endpoints of kind "long_poll": how many messages wait there, how many receivers have, how
old the oldest of both is, and how many receivers wait right now. One that the scripts no longer
have keeps its messages and has no path.

  anzol queues
  anzol queues show jobs
  anzol queues list -o json
  anzol deliveries list --endpoint jobs
  anzol endpoints pause jobs]],
}

local GONE = "the scripts no longer have it"

local function waiting(row) return row.waiting .. (row.waitingIsLeast and "+" or "") end

local columns = {
  { "NAME", "name" },
  { "STATE", "state", is_state = true },
  { "WAITING", waiting, right = true },
  { "LEASED", "leased", right = true },
  { "OLDEST", function(row) return client.plain(row.oldestAt) or "-" end },
  { "RECEIVERS", "receivers", right = true },
  { "PATH", function(row) return client.plain(row.path) or ("- (%s)"):format(GONE) end },
}

function M.configure(parser, add_help)
  parser:require_command(false):command_target "action"
  local function command(name, summary)
    local sub = parser:command(name):summary(summary):add_help(false)
    add_help(sub)
    return sub
  end
  command("list", "List them.")
  command("show", "Show one."):argument("name", "Its name."):argname "NAME"
end

local function list(options, console)
  local answer = client.request(options, console, { path = "/api/v1/queue" })
  if console:is_json() then
    client.print_json(console, answer)
    return 0
  end
  local rows = client.decode(answer).data
  if #rows > 0 then console:table(columns, rows) else console:say "no queues" end
  return 0
end

local function find(options, console)
  local answer = client.request(options, console, { path = "/api/v1/queue" })
  for _, row in ipairs(client.decode(answer).data) do
    if row.name == options.name then return row end
  end
  failure.raise(failure.FAILED, "there is no queue '%s'; `anzol queues` lists them", options.name)
end

local function show(options, console)
  local row = find(options, console)
  if console:is_json() then
    console:data(require "anzol.native".json.encode(row, { sort = true }) .. "\n")
    return 0
  end
  console:fields {
    { "name", row.name },
    { "state", row.state, is_state = true },
    { "reason", client.plain(row.reason) },
    { "registered", row.isRegistered and "yes" or "no: " .. GONE },
    { "path", client.plain(row.path) },
    { "waiting", waiting(row) },
    { "leased", row.leased },
    { "oldest", client.plain(row.oldestAt) },
    { "receivers", row.receivers },
  }
  return 0
end

function M.run(options, console)
  if options.action == "show" then return show(options, console) end
  return list(options, console)
end

return M
