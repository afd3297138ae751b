-- SPDX-License-Identifier: MIT
-- Finds functions and files that grew too long: `lua5.4 core/test/top_length.lua`, in the root.
-- C functions are found by their braces in column 1 (clang-format puts them there), Lua functions
-- and specs by their indentation; of the pages' files only the lines count.
local FUNCTION_LINES_MAX = 70
local FILE_LINES_MAX = 600

local findings = 0
local function complain(file, line, text, ...)
  findings = findings + 1
  io.write(("%s:%d: "):format(file, line), text:format(...), "\n")
end

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

local function check_length(file, first, last, name)
  if last - first + 1 > FUNCTION_LINES_MAX then
    complain(file, first, "%s has %d lines, the limit is %d: split it", name, last - first + 1,
      FUNCTION_LINES_MAX)
  end
end

-- The line where the signature before the brace at `brace` begins.
local function signature(lines, brace)
  local first = brace
  while first > 1 and lines[first - 1]:match "^[%a_%s].*[%),]$" do first = first - 1 end
  return first
end

local function check_c(file, lines)
  local brace
  for number, text in ipairs(lines) do
    if text == "{" then
      brace = number
    elseif brace and text:match "^}" then
      local first = signature(lines, brace)
      check_length(file, first, number, (lines[first]:match "([%w_]+)%(" or "a function"))
      brace = nil
    end
  end
end

-- A block that counts: a named function, or the body of an `it`. A `describe` is only a heading.
local function block_name(text)
  return text:match "^%s*local function ([%w_.:]+)" or text:match "^%s*function ([%w_.:]+)"
    or text:match "^%s*([%w_.]+) = function" or text:match "^%s*it%((.-),? function"
end

local function check_lua(file, lines)
  local open = {} -- indentation -> { name, line }
  for number, text in ipairs(lines) do
    local indentation = #text:match "^%s*"
    local name = block_name(text)
    if name and not text:match "%f[%w]end[%s,)}]*$" then
      open[indentation] = { name = name, line = number }
    elseif open[indentation] and text:match "^%s*end%f[%W]" then
      check_length(file, open[indentation].line, number, open[indentation].name)
      open[indentation] = nil
    end
  end
end

local checks = { c = check_c, h = check_c, lua = check_lua }

local pipe = assert(io.popen("find core lua spec -name node_modules -prune -o -name '*.[ch]' -print"
  .. " -o -name '*.lua' -print -o -name '*.mjs' -print -o -name '*.css' -print | sort"))
for file in pipe:lines() do
  local lines = lines_of(file)
  if #lines > FILE_LINES_MAX then
    complain(file, 1, "%d lines, the limit is %d: split it by job", #lines, FILE_LINES_MAX)
  end
  local check = checks[file:match "%.(%a+)$"]
  if check then check(file, lines) end
end
pipe:close()
if findings > 0 then
  io.write(("%d too long\n"):format(findings))
  os.exit(1)
end
