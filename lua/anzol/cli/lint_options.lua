-- SPDX-License-Identifier: MIT
-- Options that no call takes, in code that never ran: tables that are written out where
-- `anzol.….…`, `event:…` or a method of what `local x = anzol.…` made is called.
local known = require "anzol.cli.options"
local lexer = require "anzol.cli.lexer"

local M = {}

local DISTANCE_MAX = 2

-- How many letters to change, add or take away.
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local corner
    corner, row[0] = row[0], i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      corner, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, corner + cost)
    end
  end
  return row[#b]
end

local function nearest(name, names)
  local best, least
  for other in names:gmatch "%S+" do
    local far = distance(name, other)
    if far <= DISTANCE_MAX and (not least or far < least) then best, least = other, far end
  end
  return best
end

-- "anzol.http.get" or "event:send" at a name that begins it, and the position behind it.
local function read_path(tokens, at, aliases)
  local path = aliases[tokens[at].text] or tokens[at].text
  at = at + 1
  while tokens[at] and tokens[at + 1] and tokens[at + 1].kind == "name"
    and (tokens[at].text == "." or tokens[at].text == ":") do
    path = path .. tokens[at].text .. tokens[at + 1].text
    at = at + 2
  end
  return path, at
end

-- local http, json = anzol.http, anzol.json; local lookups = anzol.cache "geo"
local function note_aliases(tokens, at, aliases)
  local names = {}
  at = at + 1
  while tokens[at] and tokens[at].kind == "name" do
    names[#names + 1] = tokens[at].text
    at = at + 1
    if not tokens[at] or tokens[at].text ~= "," then break end
    at = at + 1
  end
  if not tokens[at] or tokens[at].text ~= "=" then return end
  for _, name in ipairs(names) do
    at = at + 1
    if not tokens[at] or tokens[at].kind ~= "name" then return end
    local path
    path, at = read_path(tokens, at, aliases)
    local behind = tokens[at] or {}
    local is_called = behind.kind == "string" or behind.text == "(" or behind.text == "{"
    if is_called then
      aliases[name] = known[path] and known[path].makes
    elseif path:find "^anzol%.[%w_.]+$" then
      aliases[name] = path
    end
    if behind.text ~= "," then return end
  end
end

local function check_table(tokens, at, path, names, problems)
  for _, i in ipairs(lexer.arguments(tokens, at)) do
    local token, sign, behind = tokens[i], tokens[i + 1], tokens[i + 2]
    local is_key = token.kind == "name" and sign and sign.text == "=" and behind.text ~= "="
    if is_key and not (" " .. names .. " "):find(" " .. token.text .. " ", 1, true) then
      local meant = nearest(token.text, names)
      problems[#problems + 1] = { line = token.line, message = ("unknown option '%s' for %s%s")
        :format(token.text, path, meant and ("; did you mean '%s'?"):format(meant) or "") }
    end
  end
end

local function check_call(tokens, at, path, arguments, problems)
  local open = tokens[at]
  if not open then return end
  if open.text == "{" and arguments[1] then
    check_table(tokens, at, path, arguments[1], problems)
  elseif open.text == "(" then
    for number, start in ipairs(lexer.arguments(tokens, at)) do
      if arguments[number] and tokens[start].text == "{" then
        check_table(tokens, start, path, arguments[number], problems)
      end
    end
  end
end

-- problems(tokens) -> { { line, message } }
function M.problems(tokens)
  local problems, aliases = {}, {}
  for at, token in ipairs(tokens) do
    local before = tokens[at - 1] and tokens[at - 1].text
    if token.text == "local" and token.kind == "name" then
      note_aliases(tokens, at, aliases)
    elseif token.kind == "name" and before ~= "." and before ~= ":" then
      local path, behind = read_path(tokens, at, aliases)
      if known[path] then check_call(tokens, behind, path, known[path], problems) end
    end
  end
  return problems
end

return M
