-- SPDX-License-Identifier: MIT
-- Whether a Lua pattern, or what gsub puts in its place, is well formed: what the matcher would
-- only say when a text reaches the place.
local M = {}

local CAPTURES_MAX = 32

-- Behind a set that begins at `at`.
local function set_end(pattern, at)
  at = at + 1
  if pattern:sub(at, at) == "^" then at = at + 1 end
  repeat
    if at > #pattern then return nil, "missing ']'" end
    if pattern:sub(at, at) == "%" then
      if at == #pattern then return nil, "it ends with '%'" end
      at = at + 1
    end
    at = at + 1
  until pattern:sub(at, at) == "]"
  return at + 1
end

-- Behind an escape.
local function escape_end(pattern, at, captures)
  local char = pattern:sub(at + 1, at + 1)
  if char == "" then return nil, "it ends with '%'" end
  if char == "b" then
    if #pattern < at + 3 then return nil, "missing arguments to '%b'" end
    return at + 4
  elseif char == "f" then
    if pattern:sub(at + 2, at + 2) ~= "[" then return nil, "missing '[' after '%f'" end
    return set_end(pattern, at + 2)
  elseif char:find "%d" then
    local number = tonumber(char)
    if number == 0 or number > captures.count or captures.open[number] then
      return nil, "invalid capture index %" .. char
    end
  end
  return at + 2
end

local function open_capture(captures)
  captures.count = captures.count + 1
  if captures.count > CAPTURES_MAX then return nil, "too many captures" end
  captures.open[captures.count] = true
  captures.stack[#captures.stack + 1] = captures.count
  return true
end

local function close_capture(captures)
  local number = table.remove(captures.stack)
  if not number then return nil, "')' without '('" end
  captures.open[number] = nil
  return true
end

local function step(pattern, at, captures)
  local char = pattern:sub(at, at)
  local ok, err = true, nil
  if char == "[" then return set_end(pattern, at) end
  if char == "%" then return escape_end(pattern, at, captures) end
  if char == "(" then ok, err = open_capture(captures)
  elseif char == ")" then ok, err = close_capture(captures) end
  if not ok then return nil, err end
  return at + 1
end

-- nil, or what is wrong with it.
function M.problem(pattern)
  local captures = { count = 0, open = {}, stack = {} }
  local at = pattern:sub(1, 1) == "^" and 2 or 1
  while at <= #pattern do
    local behind, err = step(pattern, at, captures)
    if not behind then return "malformed pattern (" .. err .. ")" end
    at = behind
  end
  if #captures.stack > 0 then return "malformed pattern (a '(' is never closed)" end
end

-- The same for the text that gsub puts in.
function M.replacement_problem(text)
  for char in text:gmatch "%%(.?)" do
    if not char:find "^[%d%%]$" then
      return "invalid use of '%' in what gsub puts in: write %% for the sign itself"
    end
  end
end

return M
