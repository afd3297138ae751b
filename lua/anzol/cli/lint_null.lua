-- SPDX-License-Identifier: MIT
-- Fields of decoded JSON that a condition takes bare, `if data.x then`: JSON null is true there.
-- What a name stands for is followed through locals and loops, block by block; what is not sure to
-- be JSON is not told, nor is what the file asks about null itself.
local lexer = require "anzol.cli.lexer"

local M = {}

-- What holds decoded JSON, in which field: by the names that its parameter has by custom.
local by_custom = { event = "data", req = "json", request = "json", message = "json" }

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch "%a+" do keywords[word] = true end

local function text_at(tokens, at) return tokens[at] and tokens[at].text end

-- ---- Blocks: which names stand for what ----

local Scan = {}
Scan.__index = Scan

function Scan:push(is_table)
  local block = self.block
  self.block = { names = setmetatable({}, { __index = block and block.names }), outer = block,
    is_table = is_table }
end

function Scan:pop() self.block = self.block.outer or self.block end

-- value: { field = where the JSON is } or { depth = of the field in what was decoded }; false: no
-- JSON.
function Scan:declare(name, value) self.block.names[name] = value or false end

-- The block whose local has this name.
function Scan:owner(name)
  local block = self.block
  while block.outer and rawget(block.names, name) == nil do block = block.outer end
  return block
end

-- ---- Expressions ----

local matching = { ["("] = ")", ["["] = "]", ["{"] = "}" }

-- The position behind the bracket that closes the one at `at`.
local function behind_bracket(tokens, at)
  local open, close, depth = tokens[at].text, matching[tokens[at].text], 0
  for i = at, #tokens do
    if tokens[i].kind == "other" then
      if tokens[i].text == open then depth = depth + 1
      elseif tokens[i].text == close then
        depth = depth - 1
        if depth == 0 then return i + 1 end
      end
    end
  end
  return #tokens + 1
end

local function is_arguments(token)
  return token and (token.kind == "string" or token.kind == "other"
    and (token.text == "(" or token.text == "{"))
end

local function behind_arguments(tokens, at)
  return tokens[at].kind == "string" and at + 1 or behind_bracket(tokens, at)
end

local function deeper(value) return value and value.depth and { depth = value.depth + 1 } end

-- What the fields, indices and calls from `at` on make of a value, and the position behind them.
function Scan:suffixes(value, at)
  local tokens = self.tokens
  while tokens[at] do
    local token = tokens[at]
    if token.kind == "other" and token.text == "." then
      local is_decoded = value and value.field == text_at(tokens, at + 1)
      value, at = is_decoded and { depth = 0 } or deeper(value), at + 2
    elseif token.kind == "other" and token.text == "[" then
      value, at = deeper(value), behind_bracket(tokens, at)
    elseif token.text == ":" and is_arguments(tokens[at + 2]) then
      value = text_at(tokens, at + 1) == "json" and { depth = 0 } or nil
      at = behind_arguments(tokens, at + 2)
    elseif is_arguments(token) then
      value, at = self.decodes[at] and { depth = 0 } or nil, behind_arguments(tokens, at)
    else
      break
    end
  end
  return value, at
end

-- A name or assert(…) with what is behind it: what it stands for, and the position behind it.
function Scan:expression(at)
  local tokens = self.tokens
  if tokens[at].text == "assert" and text_at(tokens, at + 1) == "(" then
    local value, behind = self:expression(at + 2)
    if text_at(tokens, behind) ~= ")" and text_at(tokens, behind) ~= "," then value = nil end
    return self:suffixes(value, behind_bracket(tokens, at + 1))
  end
  return self:suffixes(self.block.names[tokens[at].text], at + 1)
end

local operators = { ["and"] = true, ["or"] = true, [".."] = true }
for sign in ("+-*/%^<>=~&|"):gmatch "." do operators[sign] = true end
local unary = { ["not"] = true, ["#"] = true, ["-"] = true, ["~"] = true }

-- The position behind one operand: a literal, a table, what is in brackets or called. A function is
-- not passed: its body is looked at, and gives no JSON.
function Scan:behind_operand(at)
  local tokens = self.tokens
  local token = tokens[at]
  if not token or token.text == "function" then return at, true end
  if token.kind == "other" and matching[token.text] then
    return (select(2, self:suffixes(nil, behind_bracket(tokens, at))))
  elseif token.kind == "name" and not keywords[token.text] then
    return (select(2, self:expression(at)))
  end
  return at + 1
end

function Scan:behind_operation(at)
  local tokens = self.tokens
  while true do
    while operators[text_at(tokens, at)] or unary[text_at(tokens, at)] do at = at + 1 end
    local behind, is_function = self:behind_operand(at)
    if is_function or not operators[text_at(tokens, behind)] then return behind end
    at = behind
  end
end

-- What the expressions from `at` on stand for, and where they end.
function Scan:values(at)
  local tokens, values = self.tokens, {}
  while tokens[at] do
    local value, behind = false, at
    if tokens[at].kind == "name" and not keywords[tokens[at].text] then
      value, behind = self:expression(at)
    end
    if behind == at or operators[text_at(tokens, behind)] then
      value, behind = false, self:behind_operation(at)
    end
    values[#values + 1] = value or false
    at = behind
    if text_at(tokens, at) ~= "," then break end
    at = at + 1
  end
  return values, at
end

-- The names of a list, "a, b <const>", and the position behind it.
local function read_names(tokens, at)
  local names = {}
  while tokens[at] and tokens[at].kind == "name" do
    names[#names + 1], at = tokens[at].text, at + 1
    if text_at(tokens, at) == "<" then at = at + 3 end
    if text_at(tokens, at) ~= "," then break end
    at = at + 1
  end
  return names, at
end

-- ---- Statements that give names ----

-- function(a, b) | function name(a, b): carries: { [position of a parameter] = field }.
local function enter_function(self, at)
  local tokens = self.tokens
  self:push()
  while tokens[at] and tokens[at].text ~= "(" do at = at + 1 end
  for i = at + 1, behind_bracket(tokens, at) - 2 do
    local name = tokens[i].text
    local field = self.carries[i] or by_custom[name]
    if tokens[i].kind == "name" then self:declare(name, field and { field = field }) end
  end
end

-- Names have what was given to them behind the statement: in it they are what they were.
local function settle(self)
  local given = self.given
  self.given = nil
  for i, name in ipairs(given and given.names or {}) do
    given.block.names[name] = given.values[i] or false
  end
end

-- names = expressions; the expressions begin at `at`.
local function give(self, names, block, at)
  settle(self)
  local values, behind = self:values(at)
  self.given = { names = names, block = block, values = values, at = behind }
end

local function read_local(self, at)
  if text_at(self.tokens, at + 1) == "function" then return end
  local names, behind = read_names(self.tokens, at + 1)
  if text_at(self.tokens, behind) == "=" then
    give(self, names, self.block, behind + 1)
  else
    for _, name in ipairs(names) do self:declare(name) end
  end
end

local iterators = { ipairs = true, pairs = true }

-- for _, item in ipairs(list): the names are there within the block.
local function read_for(self, at)
  local tokens = self.tokens
  local names, behind = read_names(tokens, at + 1)
  local values = {}
  if text_at(tokens, behind) == "in" and iterators[text_at(tokens, behind + 1)]
    and text_at(tokens, behind + 2) == "(" then
    values[2] = deeper(self:values(behind + 3)[1])
  end
  self.loop = { names = names, values = values }
end

local function is_assignment(self, at)
  local tokens = self.tokens
  local before = text_at(tokens, at - 1)
  return text_at(tokens, at + 1) == "=" and text_at(tokens, at + 2) ~= "="
    and before ~= "local" and before ~= "," and not self.block.is_table
end

local enters = { ["do"] = true, ["then"] = true, ["else"] = true, ["repeat"] = true }
local leaves = { ["end"] = true, ["until"] = true, ["elseif"] = true, ["else"] = true }

local function follow_word(self, at)
  local word = self.tokens[at].text
  if leaves[word] then self:pop() end
  if enters[word] then
    self:push()
    if word == "do" and self.loop then
      for i, name in ipairs(self.loop.names) do self:declare(name, self.loop.values[i]) end
      self.loop = nil
    end
  elseif word == "function" then enter_function(self, at)
  elseif word == "local" then read_local(self, at)
  elseif word == "for" then read_for(self, at)
  end
end

-- ---- Conditions ----

local function is_comparison(tokens, at)
  local sign, behind = text_at(tokens, at), text_at(tokens, at + 1)
  return behind == "=" and (sign == "=" or sign == "~")
end

-- (x) is no more than x; f(x) is a call.
local function strip_brackets(tokens, from, behind)
  while text_at(tokens, from - 1) == "(" and text_at(tokens, behind) == ")" do
    local before = tokens[from - 2]
    local is_group = before and (before.kind == "other" and before.text ~= ")"
      and before.text ~= "]" or keywords[before.text])
    if not is_group then break end
    from, behind = from - 1, behind + 1
  end
  return from, behind
end

local begins_condition = { ["if"] = true, ["elseif"] = true, ["while"] = true, ["and"] = true,
  ["or"] = true }

-- Whether an operator other than and, or, not takes what begins at `from`.
local function is_operand(tokens, from)
  local before = tokens[from - 1]
  if not before or before.kind ~= "other" then return false end
  if before.text == "=" then
    return operators[text_at(tokens, from - 2)] ~= nil -- `==`, `~=`, `<=`; not an assignment
  end
  return operators[before.text] ~= nil or before.text == "#"
end

local function is_tested(tokens, from, behind)
  from, behind = strip_brackets(tokens, from, behind)
  local before, after = text_at(tokens, from - 1), text_at(tokens, behind)
  if is_operand(tokens, from) then return false end
  if after == "and" or after == "or" then return true end
  if after == "then" or after == "do" then return begins_condition[before] or before == "not" end
  return (before == "not" or before == "until") and not operators[after]
end

local function joined(tokens, from, behind)
  local parts = {}
  for i = from, behind - 1 do parts[#parts + 1] = tokens[i].text end
  return table.concat(parts)
end

-- Whether null is asked for: is_null(x), x == json.null, type(x) == "string". Comparisons with
-- anything else count where they stand: null is not equal to it.
local function note_question(self, text, from, behind)
  local tokens = self.tokens
  local line, caller = tokens[from].line, text_at(tokens, from - 2)
  local is_asked = text_at(tokens, from - 1) == "(" and (caller == "is_null" or caller == "type")
  if is_asked or is_comparison(tokens, behind) or is_comparison(tokens, from - 2) then
    self.asked[text] = self.asked[text] or {}
    table.insert(self.asked[text], { line = line, is_null = caller == "is_null"
      or self.nulls[behind + 2] ~= nil })
  end
end

local function is_asked(self, use)
  for _, question in ipairs(self.asked[use.text] or {}) do
    if question.line == use.line or question.is_null and question.line < use.line then
      return true
    end
  end
  return false
end

local function look_at(self, at)
  local tokens = self.tokens
  local before = text_at(tokens, at - 1)
  if before == "." or before == ":" then return end
  local value, behind = self:expression(at)
  if value and value.depth and value.depth > 0 then
    local text = joined(tokens, at, behind)
    note_question(self, text, at, behind)
    if is_tested(tokens, at, behind) then
      table.insert(self.uses, { text = text, line = tokens[at].line })
    end
  end
  if is_assignment(self, at) then
    give(self, { tokens[at].text }, self:owner(tokens[at].text), at + 2)
  end
end

-- ---- The file ----

local request_hooks = { verify = true, challenge = true, respond = true, type = true,
  idempotency_key = true }

-- { [position of a parameter] = field }: of handlers, whatever they call their event, and of hooks.
local function find_carriers(tokens, calls)
  local carries = {}
  for _, call in ipairs(calls) do
    if call.path == "anzol.on" and text_at(tokens, call.at) == "(" then
      for _, start in ipairs(lexer.arguments(tokens, call.at)) do
        if text_at(tokens, start) == "function" then carries[start + 2] = "data" end
      end
    end
  end
  for at = 4, #tokens do
    if tokens[at - 1].text == "(" and tokens[at - 2].text == "function"
      and tokens[at - 3].text == "=" and request_hooks[text_at(tokens, at - 4)] then
      carries[at] = "json"
    end
  end
  return carries
end

-- Where `null` begins as a value: anzol.json.null, json.null, null.
local function find_nulls(tokens)
  local nulls = {}
  for at, token in ipairs(tokens) do
    if token.kind == "name" and token.text == "null" then
      while text_at(tokens, at - 1) == "." do at = at - 2 end
      nulls[at] = true
    end
  end
  return nulls
end

local function follow(self, at)
  local token = self.tokens[at]
  if self.given and at >= self.given.at then settle(self) end
  if token.kind == "other" and token.text == "{" then self:push(true)
  elseif token.kind == "other" and token.text == "}" then self:pop()
  elseif token.kind == "name" and keywords[token.text] then follow_word(self, at)
  elseif token.kind == "name" then look_at(self, at) end
end

-- problems(tokens, calls) -> { { line, message } }
function M.problems(tokens, calls)
  local self = setmetatable({ tokens = tokens, decodes = {}, uses = {}, asked = {},
    carries = find_carriers(tokens, calls), nulls = find_nulls(tokens) }, Scan)
  for _, call in ipairs(calls) do
    if call.path == "anzol.json.decode" then self.decodes[call.at] = true end
  end
  self:push()
  for at = 1, #tokens do follow(self, at) end
  local problems, told = {}, {}
  for _, use in ipairs(self.uses) do
    local key = use.line .. use.text
    if not told[key] and not is_asked(self, use) then
      problems[#problems + 1] = { line = use.line, message = ("'%s' may be JSON null, which is "
        .. "true in a condition; event:get gives nil for null, anzol.json.is_null tells it")
        :format(use.text) }
    end
    told[key] = true
  end
  return problems
end

return M
