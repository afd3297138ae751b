-- SPDX-License-Identifier: MIT
-- What can be seen in the files of a project without running them: names that are nowhere defined,
-- patterns that do not compile, conditions that JSON null passes, endpoints that nothing names,
-- what is published where it cannot be.
-- Code that never ran is seen too.
local bytecode = require "anzol.cli.bytecode"
local calls = require "anzol.cli.calls"
local lexer = require "anzol.cli.lexer"
local lint_null = require "anzol.cli.lint_null"
local lint_options = require "anzol.cli.lint_options"
local lint_publish = require "anzol.cli.lint_publish"
local pattern = require "anzol.cli.pattern"

local M = {}

local function add(findings, level, file, line, message)
  local text, hint = message:match "^(.-); (.*)$"
  findings[#findings + 1] = { level = level, file = file, line = line, phase = "check",
    message = text or message, hint = hint }
end

-- ---- Names ----

local function full_name(use) return use.field and use.name .. "." .. use.field or use.name end

-- Globals that the files themselves set while they are loaded.
local function own_globals(uses)
  local names = {}
  for _, list in pairs(uses) do
    for _, use in ipairs(list) do
      if use.is_write and use.is_main then names[use.name] = true end
    end
  end
  return names
end

local function check_use(findings, path, use, names)
  local unknown, removed = names.unknown, names.removed
  if names.own[use.name] then return end
  if use.is_write then
    if not use.is_main and unknown[use.name] then
      add(findings, "error", path, use.line, ("assignment to undeclared global '%s'; did you "
        .. "forget 'local'?"):format(use.name))
    end
    return
  end
  local name = full_name(use)
  local problem = unknown[name] or unknown[use.name]
  if problem then add(findings, "error", path, use.line, problem) end
  -- Code that runs elsewhere too may look for it, and never call it.
  problem = not names.is_full and (removed[name] or removed[use.name])
  if problem then add(findings, "warning", path, use.line, problem) end
end

-- resolve(list): { [name] = what is wrong with it } of names that are nowhere, and of those that
-- the sandbox took out.
local function check_names(findings, files, options)
  local uses, names = {}, {}
  for _, file in ipairs(files) do
    uses[file.path] = bytecode.uses(file.text, file.path)
    for _, use in ipairs(uses[file.path]) do
      names[use.name] = true
      names[full_name(use)] = true
    end
  end
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  local unknown, removed = options.resolve(list)
  local known = { unknown = unknown, removed = removed, own = own_globals(uses),
    is_full = options.is_full }
  for _, file in ipairs(files) do
    for _, use in ipairs(uses[file.path]) do
      check_use(findings, file.path, use, known)
    end
  end
end

-- ---- Patterns ----

local with_pattern = { find = true, gmatch = true, gsub = true, match = true }
-- A string literal that is a whole argument.
local function literal(tokens, at)
  local token, behind = tokens[at or 0], tokens[(at or 0) + 1]
  if token and token.kind == "string" and behind and (behind.text == "," or behind.text == ")") then
    return token
  end
end

-- text:match "…" | text:match("…") | string.match(text, "…"): the pattern, and gsub's replacement.
local function pattern_of(tokens, at)
  local before, open = tokens[at - 1], tokens[at + 1]
  local is_method = before.text == ":"
  if not is_method and not (before.text == "." and tokens[at - 2].text == "string") then return end
  if open.kind == "string" then return is_method and open or nil end
  if open.text ~= "(" then return end
  local list = lexer.arguments(tokens, at + 1)
  local first = is_method and 1 or 2
  if tokens[at].text == "find" and list[first + 2] then return end -- plain
  local replacement = tokens[at].text == "gsub" and literal(tokens, list[first + 1])
  return literal(tokens, list[first]), replacement
end

local function check_patterns(findings, file, tokens)
  for at = 3, #tokens - 1 do
    local token = tokens[at]
    if token.kind == "name" and with_pattern[token.text] then
      local text, replacement = pattern_of(tokens, at)
      local problem = text and pattern.problem(text.value)
      if problem then add(findings, "error", file.path, text.line, problem) end
      problem = replacement and pattern.replacement_problem(replacement.value)
      if problem then add(findings, "error", file.path, replacement.line, problem) end
    end
  end
end

-- ---- Regular expressions ----

-- Which argument is the expression.
local regex_argument = {
  ["anzol.re.compile"] = 1, ["anzol.re.find"] = 2, ["anzol.re.gmatch"] = 2,
  ["anzol.re.groups"] = 2, ["anzol.re.gsub"] = 2, ["anzol.re.match"] = 2, ["anzol.re.split"] = 2,
}

-- Adds { pattern, flags?, file, line } for each that is written out.
local function note_regexes(regexes, file, tokens, calls_of)
  for _, call in ipairs(calls_of) do
    local number = regex_argument[call.path]
    local open = tokens[call.at]
    local text, flags
    if number == 1 and open.kind == "string" then
      text = open
    elseif number and open.text == "(" then
      local list = lexer.arguments(tokens, call.at)
      text = literal(tokens, list[number])
      flags = number == 1 and literal(tokens, list[2]) or nil
    end
    if text then
      regexes[#regexes + 1] = { pattern = text.value, flags = flags and flags.value,
        file = file.path, line = text.line }
    end
  end
end

-- try(regexes): { [position] = what is wrong with it }.
local function check_regexes(findings, regexes, try)
  if #regexes == 0 then return end
  for i, problem in pairs(try(regexes)) do
    add(findings, "error", regexes[i].file, regexes[i].line, problem)
  end
end

-- ---- Endpoints ----

local function text_at(tokens, at) return tokens[at] and tokens[at].text end

-- endpoint "crm" | endpoint("crm": the name is given, not used.
local function is_registration(tokens, at)
  if text_at(tokens, at - 1) == "(" then at = at - 1 end
  return text_at(tokens, at - 1) == "endpoint"
end

-- event:send(event.data.to), event:send(choose(event)): whatever is registered may be meant.
local function is_send_by_value(tokens, at)
  local argument, behind = tokens[at + 2], text_at(tokens, at + 3)
  return tokens[at].text == "send" and text_at(tokens, at - 1) == ":"
    and text_at(tokens, at + 1) == "(" and argument ~= nil and argument.kind == "name"
    and (behind == "." or behind == "[" or behind == "(" or behind == ":")
end

-- Literals by which something is named: whole ones, and beginnings that `..` goes on.
local function note_literals(tokens, named)
  for at, token in ipairs(tokens) do
    named.is_any = named.is_any or is_send_by_value(tokens, at)
    if token.kind == "string" and not is_registration(tokens, at) then
      local kind = text_at(tokens, at + 1) == ".." and "beginnings" or "whole"
      named[kind][token.value] = true
    end
  end
end

local function is_named(named, name)
  if named.is_any or named.whole[name] then return true end
  for beginning in pairs(named.beginnings) do
    if name:sub(1, #beginning) == beginning then return true end
  end
  return false
end

local function check_endpoints(findings, named, endpoints)
  for _, endpoint in ipairs(endpoints) do
    if not is_named(named, endpoint.name) then
      add(findings, "warning", endpoint.file, endpoint.line, ("nothing in the scripts sends to "
        .. "endpoint '%s'"):format(endpoint.name))
    end
  end
end

-- files: { { path, text } }; options: { endpoints = { { name, file, line } }, resolve, try_regexes,
-- is_full (the project trusts its scripts) }.
function M.findings(files, options)
  local findings, named = {}, { whole = {}, beginnings = {} }
  local good, regexes = {}, {}
  for _, file in ipairs(files) do
    if load(file.text:gsub("^#[^\n]*", ""), "=", "t") then good[#good + 1] = file end
  end
  check_names(findings, good, options)
  local has_source, deciding = false, {}
  for _, file in ipairs(good) do
    file.tokens = lexer.tokens(file.text)
    file.calls = calls.in_file(file.tokens)
    has_source = has_source or lint_publish.has_source(file.tokens, file.calls)
    lint_publish.note_deciding(file.tokens, file.calls, deciding)
  end
  for _, file in ipairs(good) do
    local tokens, calls_of = file.tokens, file.calls
    check_patterns(findings, file, tokens)
    note_regexes(regexes, file, tokens, calls_of)
    for _, problem in ipairs(lint_options.problems(tokens, calls_of)) do
      add(findings, "error", file.path, problem.line, problem.message)
    end
    for _, problem in ipairs(lint_publish.problems(tokens, calls_of, has_source, deciding)) do
      add(findings, problem.level, file.path, problem.line, problem.message)
    end
    for _, problem in ipairs(lint_null.problems(tokens, calls_of)) do
      add(findings, "warning", file.path, problem.line, problem.message)
    end
    note_literals(tokens, named)
  end
  check_regexes(findings, regexes, options.try_regexes)
  check_endpoints(findings, named, options.endpoints)
  return findings
end

return M
