-- SPDX-License-Identifier: MIT
-- What `anzol crons` and `anzol polls` share: list, show and run what runs by itself.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local span = require "anzol.cli.span"

local M = {}

-- 250 -> "250ms", 1500 -> "1.5s", 93784000 -> "1d 2h".
function M.duration(ms)
  if ms < 1000 then return ("%dms"):format(ms) end
  if ms < 60000 then return ("%.3g"):format(ms / 1000) .. "s" end
  return span.text(ms)
end

-- Its error's first line; nil: it went well.
function M.error_of(row)
  if not row.isRegistered then return "the scripts no longer have it" end
  local text = client.plain(row.error)
  return text and text:match "^[^\n]*"
end

function M.configure(parser, add_help)
  parser:require_command(false):command_target "action"
  local list = parser:command "list":summary "List them.":add_help(false)
  add_help(list)
  local show = parser:command "show":summary "Show one.":add_help(false)
  show:argument("name", "Its name."):argname "NAME"
  add_help(show)
  local run = parser:command "run":summary "Run now, whatever the time.":add_help(false)
  run:argument("names", "Their names."):args "+":argname "NAME"
  add_help(run)
end

local function show(options, console, resource, rows)
  local found = {}
  for _, row in ipairs(rows) do
    if row.name == options.name then found[#found + 1] = row end
  end
  if #found == 0 then
    failure.raise(failure.FAILED, "there is no %s '%s'; 'anzol %s' lists them", resource.noun,
      options.name, resource.nouns)
  end
  if console:is_json() then
    for _, row in ipairs(found) do -- one of another kind may have had the name before
      console:data(require "anzol.native".json.encode(row, { sort = true }) .. "\n")
    end
    return
  end
  for _, row in ipairs(found) do
    console:fields(resource.fields(row))
    local text = client.plain(row.error)
    if text then console:line(text) end
  end
end

-- resource: { path, noun, nouns, columns, fields(row) }
function M.run(options, console, resource)
  if options.action == "run" then
    return client.change(options, console, "run", options.names, function(name)
      return resource.path .. "/" .. client.escape_name(name)
    end)
  end
  local answer = client.request(options, console, { path = resource.path })
  if options.action == "show" then
    show(options, console, resource, client.decode(answer).data)
    return 0
  end
  if console:is_json() then
    client.print_json(console, answer)
    return 0
  end
  local rows = client.decode(answer).data
  if #rows > 0 then console:table(resource.columns, rows) end
  if #rows == 0 then console:say("no %s", resource.nouns) end
  return 0
end

return M
