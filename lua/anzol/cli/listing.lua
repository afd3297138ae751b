-- SPDX-License-Identifier: MIT
-- What `anzol events`, `anzol deliveries` and `anzol capture` share: list and show of a resource.
local client = require "anzol.cli.client"
local clean = require "anzol.cli.console".clean
local failure = require "anzol.cli.failure"
local known = require "anzol.cli.known"

local M = { PAGE_ROWS = 50 }

local function limit(text)
  local number = math.tointeger(tonumber(text))
  if number and number >= 1 and number <= 250 then return number end
  return nil, "--limit: a whole number from 1 to 250"
end

function M.add_page(parser)
  parser:option("--limit", "Rows of a page, 1 to 250.", tostring(M.PAGE_ROWS)):argname "N"
    :convert(limit)
end

-- The options of a list stand before or behind the word `list`, which may be left out.
function M.configure(parser, add_help, noun)
  parser:require_command(false):command_target "action"
  M.add_page(parser)
  parser:option("--iterator", "Where to go on: what the page before gave."):argname "ID"
  local list = parser:command "list":summary "List them, newest first.":add_help(false)
  add_help(list)
  local show = parser:command "show":summary("Show one " .. noun .. "."):add_help(false)
  show:argument("id", "Its id."):argname "ID"
  add_help(show)
end

-- A word for a shell.
local function quote(text)
  if text:find "^[%w_.:+-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The words behind the command that choose the same rows again.
local function same_choice(options, resource)
  local words = {}
  for _, row in ipairs(resource.query) do
    if row[2] then words[#words + 1] = (" --%s %s"):format(row[1], quote(row[2])) end
  end
  if options.limit ~= M.PAGE_ROWS then words[#words + 1] = " --limit " .. options.limit end
  return table.concat(words)
end

-- A page is put together from so many answers: where few of very many rows are wanted, each comes
-- short.
local ANSWERS_MAX = 100

-- A page, and the one answer that it is; nil: it is more than one.
local function get_page(options, console, resource)
  local page, iterator = { data = {} }, options.iterator
  local is_backward = iterator and iterator:sub(1, 1) == "-"
  for i = 1, ANSWERS_MAX do
    local query = { { "limit", options.limit - #page.data }, { "iterator", iterator } }
    for _, row in ipairs(resource.query) do query[#query + 1] = row end
    local answer = client.request(options, console, { path = resource.path, query = query })
    local part = client.decode(answer)
    local is_whole = part.done or #page.data + #part.data >= options.limit or is_backward
    if i == 1 and is_whole then return part, answer end
    for _, row in ipairs(part.data) do page.data[#page.data + 1] = row end
    page.prevIterator = page.prevIterator or client.plain(part.prevIterator)
    page.iterator, page.done = part.iterator, part.done
    iterator = client.plain(part.iterator)
    if is_whole or not iterator then break end
  end
  return page
end

local function list(options, console, resource)
  local page, answer = get_page(options, console, resource)
  if #page.data == 0 and page.done then known.check(options, console, options) end
  if console:is_json() then
    if answer then return client.print_json(console, answer) end
    local json = require "anzol.native".json
    page.data = json.array(page.data)
    return console:data(json.encode(page, { sort = true }) .. "\n")
  end
  if #page.data > 0 then console:table(resource.columns, page.data) end
  if #page.data == 0 and page.done then console:say("no %s", resource.noun) end
  local iterator = client.plain(page.iterator)
  if not page.done and iterator then
    console:say("more: anzol %s%s --iterator %s", resource.command or resource.noun,
      same_choice(options, resource), clean(iterator))
  end
end

-- The answer with one row of a resource; that there is none ends the command.
function M.get(options, console, path, id)
  local answer = client.request(options, console, {
    path = path .. "/" .. client.escape_part(id), accept = { [404] = true },
  })
  if answer.status == 404 then
    failure.raise(failure.FAILED, "%s: %s", id, client.detail(answer))
  end
  return answer
end

local function show(options, console, resource)
  local answer = M.get(options, console, resource.path, options.id)
  if console:is_json() then return client.print_json(console, answer) end
  resource.show(console, client.decode(answer))
end

-- resource: { path, query, columns, noun, command? (noun, unless it is another word),
-- show(console, value) }
function M.run(options, console, resource)
  if options.action == "show" then
    show(options, console, resource)
  else
    list(options, console, resource)
  end
  return 0
end

function M.show_headers(console, headers)
  if not headers or #headers == 0 then return end
  console:data "\n"
  for _, header in ipairs(headers) do
    console:line(("  %s: %s"):format(clean(header.name), clean(header.value)))
  end
end

function M.show_body(console, title, body, encoding, bytes)
  if not body or body == "" then return end
  local size = bytes and (", %d bytes"):format(bytes) or ""
  local form = encoding == "base64" and ", base64" or ""
  console:data(("\n%s%s%s\n"):format(console:paint(title, "bold"), size, form))
  console:line(body)
end

return M
