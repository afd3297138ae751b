-- SPDX-License-Identifier: MIT
-- The tokens of a Lua file, for checks that look at literals. The file is known to compile.
local M = {}

-- Skips blanks and comments; returns the position behind them.
local function skip_blank(text, at)
  while true do
    local behind = text:match("^%s+()", at)
    if not behind and text:find("^%-%-", at) then
      local level = text:match("^%-%-%[(=*)%[", at)
      if level then
        behind = select(2, text:find("]" .. level .. "]", at, true)) + 1
      else
        behind = text:match("^[^\n]*()", at)
      end
    end
    if not behind then return at end
    at = behind
  end
end

-- The position behind a quoted string that begins at `at`.
local function quoted_end(text, at)
  local quote = text:sub(at, at)
  at = at + 1
  while true do
    local char = text:sub(at, at)
    if char == quote then return at + 1 end
    at = at + (char == "\\" and 2 or 1)
  end
end

local function string_end(text, at)
  if text:find("^[\"']", at) then return quoted_end(text, at) end
  local level = text:match("^%[(=*)%[", at)
  return level and select(2, text:find("]" .. level .. "]", at, true)) + 1
end

local function count_lines(text, from, to)
  local count = 0
  for _ in text:sub(from, to):gmatch "\n" do count = count + 1 end
  return count
end

-- One token: kind ("name", "string", "number", "other"), text, the position behind it.
local function read(text, at)
  local behind = string_end(text, at)
  if behind then return "string", behind end
  behind = text:match("^[%a_][%w_]*()", at)
  if behind then return "name", behind end
  behind = text:match("^%.?%d[%w.]*()", at)
  if behind then return "number", behind end
  return "other", text:match("^%.%.%.?()", at) or text:match("^::()", at) or at + 1
end

-- tokens(text) -> { { kind, text, line, value? } }; value: what a string holds.
function M.tokens(text)
  local list, line = {}, 1
  text = text:gsub("^#[^\n]*", "")
  local at = 1
  while true do
    local start = skip_blank(text, at)
    line = line + count_lines(text, at, start - 1)
    if start > #text then return list end
    local kind, behind = read(text, start)
    local token = { kind = kind, text = text:sub(start, behind - 1), line = line }
    if kind == "string" then token.value = load("return " .. token.text)() end
    list[#list + 1] = token
    line = line + count_lines(text, start, behind - 1)
    at = behind
  end
end

local opening = { ["("] = true, ["{"] = true, ["["] = true }
local closing = { [")"] = true, ["}"] = true, ["]"] = true }
-- Blocks of a function within: a `while` and a `for` have their `do`.
local begins = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local ends = { ["end"] = true, ["until"] = true }

-- 1: the token begins a block of its own, -1: it ends one, 0: neither.
function M.nesting(token)
  if token.kind ~= "name" then return 0 end
  return begins[token.text] and 1 or ends[token.text] and -1 or 0
end

-- Where each item begins of what the bracket at `at` holds.
function M.arguments(tokens, at)
  local list, depth = {}, 0
  local is_start = true
  for i = at + 1, #tokens do
    local token = tokens[i]
    if is_start and not closing[token.text] then list[#list + 1] = i end
    is_start = false
    depth = depth + M.nesting(token)
    if token.kind == "other" then
      if opening[token.text] then depth = depth + 1
      elseif closing[token.text] then
        if depth == 0 then return list end
        depth = depth - 1
      elseif depth == 0 and (token.text == "," or token.text == ";") then is_start = true end
    end
  end
  return list
end

return M
