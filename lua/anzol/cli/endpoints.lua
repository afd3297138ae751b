-- SPDX-License-Identifier: MIT
-- anzol endpoints: where messages go, how that is, and what an operator may do about it.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "endpoints",
  summary = "List endpoints, pause, resume, disable or enable them.",
  description = [[
List the endpoints with what is still to be sent to them; or change the state of some.

  anzol endpoints list
  anzol endpoints show crm
  anzol endpoints pause crm --reason "they move their servers"
  anzol endpoints resume crm
  anzol endpoints disable crm chat
  anzol endpoints enable crm

While an endpoint is paused or disabled nothing is sent to it and its deliveries wait. The
command ends when no attempt starts any more under the old state; one that is under way goes on to
its end.]],
}

local PAGE_ROWS = 250

local function pending(row) return row.pending .. (row.pendingIsLeast and "+" or "") end

-- What keeps it from its full pace; nil: nothing.
local function pace(row)
  local paused_until, per_hour = client.plain(row.pausedUntil), client.plain(row.slowedPerHour)
  if row.breaker ~= "closed" then return "breaker " .. row.breaker end
  if paused_until then return "until " .. paused_until end
  return per_hour and ("slowed to %d/h"):format(per_hour) or nil
end

-- Why it does not send what it should; nil: there is nothing to say.
local function reason(row)
  if not row.isRegistered then return "the scripts no longer have it" end
  local blocking = row.blockingDead or 0
  return client.plain(row.reason) or blocking > 0
    and ("%d dead %s an order key: anzol dead list --endpoint %s"):format(blocking,
      blocking == 1 and "letter blocks" or "letters block, each", row.name) or nil
end

-- Whose it is and what they call it, as paths of the API name both; nil: a script has it.
local function owner(row)
  local application = client.plain(row.applicationUid) or client.plain(row.application)
  return application and application .. "/" .. (client.plain(row.uid) or "") or nil
end

local columns = {
  { "NAME", "name" },
  { "STATE", "state", is_state = true },
  { "PENDING", pending, right = true },
  { "PACE", function(row) return pace(row) or "-" end },
  { "FAILING SINCE", function(row) return client.plain(row.failingSince) or "-" end },
  { "REASON", reason },
}

-- Those of a table of these; whose they are only if some are an application's.
function M.columns(rows)
  local list = table.move(columns, 1, #columns, 1, {})
  for _, row in ipairs(rows) do
    if owner(row) then
      table.insert(list, 2, { "OF", function(each) return owner(each) or "-" end })
      break
    end
  end
  return list
end

function M.configure(parser, add_help)
  parser:require_command(false):command_target "action"
  local function command(name, summary)
    local sub = parser:command(name):summary(summary):add_help(false)
    add_help(sub)
    return sub
  end
  local function verb(name, summary)
    local sub = command(name, summary)
    sub:argument("names", "Names of endpoints."):argname "NAME":args "+":convert(function(text)
      if text == "" then return nil, "NAME is empty: an endpoint's is wanted" end
      return text
    end)
    return sub
  end
  command("list", "List them.")
  command("show", "Show one."):argument("name", "Its name."):argname "NAME"
  verb("pause", "Send nothing until it is resumed."):option("--reason", "Why, for the record.")
    :argname "TEXT"
  verb("resume", "Send again what waits; of a paused one.")
  verb("disable", "Send nothing until it is enabled."):option("--reason", "Why, for the record.")
    :argname "TEXT"
  verb("enable", "Send again what waits; of a disabled one.")
end

-- All of them, page by page; the first that was registered comes first.
function M.rows(options, console)
  local rows, page = {}, {}
  repeat
    page = client.decode(client.request(options, console, { path = "/api/v1/endpoint",
      query = { { "limit", PAGE_ROWS }, { "iterator", client.plain(page.iterator) } } }))
    for _, row in ipairs(page.data) do rows[#rows + 1] = row end
  until page.done ~= false
  local turned = {}
  for i = #rows, 1, -1 do turned[#turned + 1] = rows[i] end
  return turned
end

local function list(options, console)
  local rows = M.rows(options, console)
  if console:is_json() then
    local json = require "anzol.native".json
    console:data(json.encode({ data = json.array(rows), done = true }, { sort = true }) .. "\n")
    return 0
  end
  if #rows > 0 then console:table(M.columns(rows), rows) else console:say "no endpoints" end
  return 0
end

-- The endpoint of a name, as the API gives it; that there is none ends the command.
function M.find(options, console, name)
  for _, row in ipairs(M.rows(options, console)) do
    if row.name == name then return row end
  end
  failure.raise(failure.FAILED, "there is no endpoint '%s'", name)
end

local function show(options, console)
  local row = M.find(options, console, options.name)
  if console:is_json() then
    console:data(require "anzol.native".json.encode(row, { sort = true }) .. "\n")
    return 0
  end
  console:fields {
    { "name", row.name },
    { "id", row.id },
    { "of", owner(row) },
    { "state", row.state, is_state = true },
    { "reason", client.plain(row.reason) },
    { "registered", row.isRegistered and "yes" or "no: the scripts no longer have it" },
    { "pending", pending(row) },
    { "blocked by dead", (row.blockingDead or 0) > 0 and row.blockingDead or nil },
    { "pace", pace(row) or "full" },
    { "failing since", client.plain(row.failingSince) },
  }
  return 0
end

function M.run(options, console)
  if options.action == "show" then return show(options, console) end
  if not options.names then return list(options, console) end
  return client.change(options, console, options.action, options.names, function(name)
    return "/api/v1/endpoint/" .. client.escape_name(name)
  end)
end

return M
