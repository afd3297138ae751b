-- SPDX-License-Identifier: MIT
-- Options that no call takes, in code that never ran: tables that are written out as arguments.
local known = require "anzol.cli.options"
local lexer = require "anzol.cli.lexer"

local M = {}

local function nearest(name, names)
  local list = {}
  for other in names:gmatch "%S+" do list[#list + 1] = other end
  return require "anzol.native".nearest(name, list)
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

-- What registers is met by loading too, which knows only the line where the call begins: there a
-- finding is told once.
local at_load = { ["anzol.cron"] = true, ["anzol.endpoint"] = true, ["anzol.on"] = true,
  ["anzol.poll"] = true, ["anzol.source"] = true }

-- problems(tokens, calls) -> { { line, message } }
function M.problems(tokens, calls)
  local problems = {}
  for _, call in ipairs(calls) do
    if known[call.path] then
      local before = #problems
      check_call(tokens, call.at, call.path, known[call.path], problems)
      for i = at_load[call.path] and before + 1 or #problems + 1, #problems do
        problems[i].line = tokens[call.at - 1].line
      end
    end
  end
  return problems
end

return M
