-- SPDX-License-Identifier: MIT
-- What handlers say of events that are published over the API, and of those that the server makes:
-- event:publish where it always fails or never comes, and patterns that can never match.
local lexer = require "anzol.cli.lexer"
local type_pattern = require "anzol.cli.type_pattern"

local M = {}

-- What the server tells scripts, as model/meta.h names it: nothing else begins with "anzol.".
M.META_TYPES = { "anzol.delivery.dead", "anzol.delivery.succeeded", "anzol.endpoint.disabled",
  "anzol.reload.refused", "anzol.routine.failed", "anzol.source.handshake",
  "anzol.source.unverified" }

local function text_at(tokens, at) return tokens[at] and tokens[at].text end

-- The patterns that are written out at a position; nil: some are not.
local function patterns_at(tokens, at)
  if tokens[at].kind == "string" then return { tokens[at] } end
  if tokens[at].text ~= "{" then return nil end
  local list = {}
  for _, i in ipairs(lexer.arguments(tokens, at)) do
    local behind = text_at(tokens, i + 1)
    if tokens[i].kind ~= "string" or (behind ~= "," and behind ~= ";" and behind ~= "}") then
      return nil
    end
    list[#list + 1] = tokens[i]
  end
  return #list > 0 and list or nil
end

local function is_published(pattern) return pattern.value:find "^api%." ~= nil end

-- ---- Patterns ----

local function check_pattern(pattern, has_source, problems)
  local text = pattern.value
  if text == "api" and not has_source then
    problems[#problems + 1] = { level = "warning", line = pattern.line,
      message = "nothing matches the pattern 'api': what is published has a type behind it; "
        .. "did you mean 'api.**'?" }
  end
  if not text:find "^anzol%." then return end
  local ok, matches = pcall(type_pattern.matcher, text)
  if not ok then return end -- loading says it
  for _, type in ipairs(M.META_TYPES) do
    if matches(type) then return end
  end
  local meant = require "anzol.native".nearest(text, M.META_TYPES)
  problems[#problems + 1] = { level = "warning", line = pattern.line,
    message = ("nothing matches the pattern '%s': the server tells no such event%s"):format(text,
      meant and ("; did you mean '%s'?"):format(meant) or "") }
end

-- ---- Handlers ----

-- fn(position, depth) for each token of the function that begins there; depth 1: its own block.
local function each_token(tokens, at, fn)
  local depth = 0
  for i = at, #tokens do
    depth = depth + lexer.nesting(tokens[i])
    if depth == 0 then return end
    fn(i, depth)
  end
end

local function check_handler(tokens, at, is_of_api, problems)
  local name = text_at(tokens, at + 1) == "(" and text_at(tokens, at + 2)
  local is_done = false
  each_token(tokens, at, function(i, depth)
    local is_call = tokens[i].text == name and tokens[i].kind == "name"
      and text_at(tokens, i + 1) == ":" and text_at(tokens, i + 2) == "publish"
    if not is_call then return end
    if not is_of_api then
      problems[#problems + 1] = { level = "error", line = tokens[i].line,
        message = ("%s:publish is of events that were published over the API; no pattern of this "
          .. "handler begins with 'api.'"):format(name) }
      return
    end
    local before = text_at(tokens, i - 1)
    if depth > 1 or before == "and" or before == "or" then return end
    if is_done then
      problems[#problems + 1] = { level = "error", line = tokens[i].line,
        message = ("%s:publish is called twice in a run; once is enough"):format(name) }
    end
    is_done = true
  end)
end

-- Whether a handler may publish, or says that nothing is to go out: it calls event:publish, gives
-- the event to something else, or names anzol.skip or error. What is no function here: perhaps.
local function may_decide(tokens, at)
  if text_at(tokens, at) ~= "function" then return true end
  local name = text_at(tokens, at + 1) == "(" and text_at(tokens, at + 2)
  local decides = false
  each_token(tokens, at, function(i)
    local token, behind = tokens[i], text_at(tokens, i + 1)
    if token.kind ~= "name" or i == at + 2 then return end
    if token.text == name then
      decides = decides or (behind ~= "." and behind ~= ":")
        or (behind == ":" and text_at(tokens, i + 2) == "publish")
    else
      decides = decides or token.text == "skip" or token.text == "error"
    end
  end)
  return decides
end

-- fn(patterns, position of the handler) for each subscription whose patterns are written out.
local function each_subscription(tokens, calls, fn)
  for _, call in ipairs(calls) do
    local list = call.path == "anzol.on" and text_at(tokens, call.at) == "("
      and lexer.arguments(tokens, call.at)
    local patterns = list and list[1] and patterns_at(tokens, list[1])
    if patterns then fn(patterns, list[#list]) end
  end
end

-- Adds to `deciding` the patterns of handlers of a file that may decide what becomes of a message.
function M.note_deciding(tokens, calls, deciding)
  each_subscription(tokens, calls, function(patterns, handler)
    if not may_decide(tokens, handler) then return end
    for _, pattern in ipairs(patterns) do
      if is_published(pattern) then deciding[#deciding + 1] = pattern.value end
    end
  end)
end

-- A message that such a handler takes, and no other one publishes, goes nowhere.
local function check_taken(pattern, deciding, problems)
  local sample = pattern.value:gsub("%*+", "any")
  for _, other in ipairs(deciding) do
    local ok, matches = pcall(type_pattern.matcher, other)
    if not ok or matches(sample) then return end
  end
  problems[#problems + 1] = { level = "warning", line = pattern.line,
    message = ("no endpoint gets what is published as '%s': a handler takes it and none of its "
      .. "handlers calls event:publish; return anzol.skip(why) where that is meant")
      :format(pattern.value) }
end

-- problems(tokens, calls, has_source, deciding) -> { { level, line, message } }; has_source: some
-- source is called "api"; deciding: of all files.
function M.problems(tokens, calls, has_source, deciding)
  local problems = {}
  each_subscription(tokens, calls, function(patterns, handler)
    local is_of_api = false
    for _, pattern in ipairs(patterns) do
      is_of_api = is_of_api or is_published(pattern)
      check_pattern(pattern, has_source, problems)
      if is_published(pattern) then check_taken(pattern, deciding, problems) end
    end
    if text_at(tokens, handler) == "function" then
      check_handler(tokens, handler, is_of_api, problems)
    end
  end)
  return problems
end

-- Whether a source is called "api" here: its events have that type unless it says otherwise.
function M.has_source(tokens, calls)
  for _, call in ipairs(calls) do
    local name = tokens[call.at].text == "(" and tokens[call.at + 1] or tokens[call.at]
    if call.path == "anzol.source" and name and name.value == "api" then return true end
  end
  return false
end

return M
