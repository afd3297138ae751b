-- SPDX-License-Identifier: MIT
-- What the project's server has that the scripts have no more: deliveries for endpoints that are
-- gone, and transforms that endpoints of applications name.
local client = require "anzol.cli.client"

local M = {}

local PAGE_ROWS = 250

local function count(n, noun, is_least)
  return ("%s%d %s"):format(is_least and "at least " or "", n, n == 1 and noun
    or noun:gsub("y$", "ie") .. "s")
end

-- Those that applications registered are called by their ids.
local function is_registered(name) return name:find "^ep_%w+$" ~= nil end

-- on_row(row) for each row of a list, page by page.
local function each(ask, path, on_row)
  local iterator
  repeat
    local page = ask(path, { { "limit", PAGE_ROWS }, { "iterator", iterator } })
    for _, row in ipairs(page.data) do on_row(row) end
    iterator = client.plain(page.iterator)
  until page.done or not iterator
end

local function add_pending(ask, found)
  local names = {}
  for _, endpoint in ipairs(found.endpoints) do names[endpoint.name] = true end
  each(ask, "/api/v1/endpoint", function(row)
    if row.pending == 0 or names[row.name] or is_registered(row.name) then return end
    found[#found + 1] = { level = "warning", file = "", line = 0, phase = "running",
      message = ("%s pending for removed endpoint %s"):format(
        count(row.pending, "delivery", row.pendingIsLeast), row.name),
      hint = "they wait until it is registered again" }
  end)
end

local function add_transforms(ask, found)
  local known, unknown, names = {}, {}, {}
  for _, name in ipairs(found.transforms) do known[name] = true end
  each(ask, "/api/v1/app", function(application)
    local path = "/api/v1/app/" .. client.escape_part(application.id) .. "/endpoint"
    each(ask, path, function(endpoint)
      local name = (client.plain(endpoint.metadata) or {}).transform or ""
      if name == "" or known[name] then return end
      if not unknown[name] then
        unknown[name] = { count = 0, first = endpoint.id, application = application.id }
        names[#names + 1] = name
      end
      unknown[name].count = unknown[name].count + 1
    end)
  end)
  for _, name in ipairs(names) do
    local it = unknown[name]
    found[#found + 1] = { level = "warning", file = "", line = 0, phase = "running",
      message = ("the metadata of %s names the transform '%s', which no script registers (%s of "
        .. "%s)"):format(count(it.count, "endpoint"), name, it.first, it.application),
      hint = ("their attempts fail without anzol.transform(\"%s\", fn)"):format(name) }
  end
end

-- Adds what it finds; found.endpoints, found.transforms: those of the scripts.
function M.add(options, console, found)
  local function ask(path, query)
    return client.decode(client.request(options, console, { path = path, query = query }))
  end
  add_pending(ask, found)
  add_transforms(ask, found)
end

return M
