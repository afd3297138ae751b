-- SPDX-License-Identifier: MIT
-- The calls of the API in a file: of `anzol.….…`, of `event:…`, of what a local stands for
-- (`local http = anzol.http`), and of what it made (`local seen = anzol.cache "seen"`).
local known = require "anzol.cli.options"

local M = {}

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

-- The names behind `local`, and the position of the `=` behind them; nil: there is none.
local function read_locals(tokens, at)
  local names = {}
  while tokens[at] and tokens[at].kind == "name" do
    names[#names + 1] = tokens[at].text
    at = at + 1
    if not tokens[at] or tokens[at].text ~= "," then break end
    at = at + 1
  end
  return names, tokens[at] and tokens[at].text == "=" and at or nil
end

-- local http, json = anzol.http, anzol.json; local lookups = anzol.cache "geo"
local function note_aliases(tokens, at, aliases)
  local names, behind = read_locals(tokens, at + 1)
  if not behind then return end
  at = behind
  for _, name in ipairs(names) do
    at = at + 1
    if not tokens[at] or tokens[at].kind ~= "name" then return end
    local path
    path, at = read_path(tokens, at, aliases)
    local next_token = tokens[at] or {}
    local is_called = next_token.kind == "string" or next_token.text == "("
      or next_token.text == "{"
    if is_called then
      aliases[name] = known[path] and known[path].makes
    elseif path:find "^anzol%.[%w_.]+$" then
      aliases[name] = path
    end
    if next_token.text ~= "," then return end
  end
end

-- in_file(tokens) -> { { path, at } }; at: the position behind the name, where the arguments begin.
function M.in_file(tokens)
  local list, aliases = {}, {}
  for at, token in ipairs(tokens) do
    local before = tokens[at - 1] and tokens[at - 1].text
    if token.text == "local" and token.kind == "name" then
      note_aliases(tokens, at, aliases)
    elseif token.kind == "name" and before ~= "." and before ~= ":" then
      local path, behind = read_path(tokens, at, aliases)
      if tokens[behind] then list[#list + 1] = { path = path, at = behind } end
    end
  end
  return list
end

return M
