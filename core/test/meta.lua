-- SPDX-License-Identifier: MIT
-- Reads lua/meta, the one source of the API's documents: LuaCATS comments above `function` lines,
-- fields of classes, aliases. Used by docs.lua, which makes the reference, and by the specs that
-- hold the names against those that exist.
local M = {}

local ROOT = "lua/meta"

-- "anzol.HttpOptions? How it is asked." -> type, text. A type ends at the first space outside of
-- brackets, but goes on behind a colon, a comma or a bar.
function M.split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local char = text:sub(at, at)
    if char:find "[%[({<]" then depth = depth + 1
    elseif char:find "[%])}>]" then depth = depth - 1
    elseif char == " " and depth == 0 and not text:sub(1, at - 1):find "[:,|]$" then break end
    at = at + 1
  end
  return text:sub(1, at - 1), text:sub(at + 1)
end

local function read_field(text)
  local key, rest = text:match "^(%[[^%]]+%])%s+(.*)$"
  if not key then key, rest = text:match "^(%S+)%s+(.*)$" end
  local name, mark = key:match "^(.-)(%??)$"
  local kind, doc = M.split_type(rest)
  return { name = name, is_optional = mark == "?", type = kind, doc = doc }
end

local tags = {}

function tags.class(block, text)
  local name, parent = text:match "^([%w_.]+)%s*:?%s*([%w_.]*)"
  block.class = { name = name, parent = parent ~= "" and parent or nil, doc = block.doc,
    fields = {}, functions = {}, overloads = {} }
end

function tags.field(block, text) table.insert(block.class.fields, read_field(text)) end

function tags.alias(block, text)
  local name, rest = text:match "^(%S+)%s+(.*)$"
  block.alias = { name = name, type = rest, doc = block.doc }
end

function tags.param(block, text) table.insert(block.params, read_field(text)) end

function tags.overload(block, text)
  local list = block.class and block.class.overloads or block.overloads
  table.insert(list, text)
end

tags["return"] = function(block, text)
  local kind, rest = M.split_type(text)
  local name, doc = rest:match "^([%a_][%w_]*)%s*(.*)$"
  table.insert(block.returns, { type = kind, name = name, doc = doc or "" })
end

function tags.generic() end

function tags.meta() end

local function new_block(line)
  return { doc = {}, params = {}, returns = {}, overloads = {}, line = line }
end

local function read_comment(block, text, place)
  local tag, rest = text:match "^@(%a+)%s*(.*)$"
  if not tag then
    table.insert(block.doc, text)
  else
    if not tags[tag] then error(place .. ": this reader knows no tag @" .. tag) end
    tags[tag](block, rest)
  end
end

-- "anzol.http.get", "Event:send".
function M.title(entry)
  return entry.owner.name:gsub("^anzol%.(%u)", "%1") .. (entry.is_method and ":" or ".")
    .. entry.name
end

-- A line of code below a comment: `local X = {}`, `anzol.x = {}`, `function X:y(…) end`.
local function read_code(page, block, text, names)
  local variable = text:match "^local ([%w_]+) = {}$" or text:match "^([%w_.]+) = {}$"
  if variable and block.class then
    names[variable] = block.class
  end
  local owner, mark, name, arguments = text:match "^function ([%w_.]+)([.:])([%w_]+)(%b()) end$"
  if not owner then return end
  local class = names[owner]
  if not class then error(("%s:%d: %s is no class"):format(page.path, block.line, owner)) end
  local entry = { name = name, is_method = mark == ":", arguments = arguments, doc = block.doc,
    params = block.params, returns = block.returns, overloads = block.overloads,
    path = page.path, line = block.line, owner = class }
  table.insert(class.functions, entry)
  table.insert(page.items, entry)
end

-- A class that is declared again grows.
local function merge(class, more)
  for _, field in ipairs(more.fields) do table.insert(class.fields, field) end
  return class
end

local function finish_block(page, block, known)
  if block.class then
    local class = block.class
    if known[class.name] then
      block.class = merge(known[class.name], class)
      return
    end
    known[class.name] = class
    table.insert(page.classes, class)
    table.insert(page.items, class)
  elseif block.alias then
    table.insert(page.aliases, block.alias)
  end
end

local function read_page(path, names, known)
  local page = { path = path, name = path:match "([^/]+)%.lua$", doc = {}, classes = {},
    aliases = {}, items = {} }
  local block
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    -- What stands in an ordinary comment at the top is about the page.
    local words = #page.items == 0 and not block and line:match "^%-%- (.*)$"
    if words then page.doc[#page.doc + 1] = words end
    local text = line:match "^%-%-%-(.*)$"
    if text then
      block = block or new_block(number)
      read_comment(block, text, path .. ":" .. number)
    elseif block then
      finish_block(page, block, known)
      read_code(page, block, line, names)
      block = nil
    end
  end
  return page
end

-- All pages: the root first, then one a module in the order of their names.
function M.read()
  local pages, names, known = {}, {}, {}
  local pipe = assert(io.popen("ls " .. ROOT .. "/*.lua " .. ROOT .. "/anzol/*.lua"))
  for path in pipe:lines() do pages[#pages + 1] = read_page(path, names, known) end
  pipe:close()
  return pages
end

-- Name -> class of all pages.
function M.classes(pages)
  local classes = {}
  for _, page in ipairs(pages) do
    for _, class in ipairs(page.classes) do classes[class.name] = class end
  end
  return classes
end

return M
