-- SPDX-License-Identifier: MIT
-- Names of what the scripts of a server registered. A filter by a name that nothing has would show
-- as little as one by a name that had nothing to do.
local client = require "anzol.cli.client"
local endpoints = require "anzol.cli.endpoints"
local failure = require "anzol.cli.failure"

local M = {}

local NAMES_TOLD_MAX = 20

-- The rows of sources, endpoints or subscriptions. Of endpoints also those that are gone.
function M.rows(options, console, noun)
  if noun == "endpoint" then return endpoints.rows(options, console) end
  return client.decode(client.request(options, console, { path = "/api/v1/" .. noun })).data
end

local function sorted_names(rows)
  local names = {}
  for i, row in ipairs(rows) do names[i] = row.name end
  table.sort(names)
  return names
end

-- Ends the command: there is no such source, endpoint or subscription.
function M.refuse(noun, name, rows)
  local names = sorted_names(rows)
  local nearest = require "anzol.native".nearest(name, names)
  local told = table.concat(names, ", ", 1, math.min(#names, NAMES_TOLD_MAX))
  failure.raise(failure.FAILED, "the server has no %s '%s'%s; %s", noun, name,
    nearest and (" (did you mean '%s'?)"):format(nearest) or "",
    #names == 0 and "it has none at all"
      or "it has " .. told .. (#names > NAMES_TOLD_MAX and ", and more" or ""))
end

local function has_events(options, console, source)
  local page = client.decode(client.request(options, console,
    { path = "/api/v1/event", query = { { "limit", 1 }, { "source", source } } }))
  return #page.data > 0 or not page.done
end

-- For a list that is empty: ends the command if a name that it was filtered by is not known. What
-- was removed from the scripts and still has rows is known; an empty name the server refuses.
function M.check(options, console, names)
  for _, noun in ipairs { "source", "endpoint", "subscription" } do
    local name = names[noun] ~= "" and names[noun] or nil
    local rows, is_known = name and M.rows(options, console, noun), false
    for _, row in ipairs(rows or {}) do is_known = is_known or row.name == name end
    if noun == "source" and name and not is_known then
      is_known = has_events(options, console, name)
    end
    if name and not is_known then M.refuse(noun, name, rows) end
  end
end

return M
