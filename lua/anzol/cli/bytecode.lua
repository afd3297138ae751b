-- SPDX-License-Identifier: MIT
-- Which names a Lua file uses that are not its own. The compiler has resolved every scope, so the
-- answer is read from what it made (string.dump, the format of Lua 5.4): accesses of _ENV, and of
-- fields behind it or behind an upvalue called `anzol`. And which of its lines can run.
local M = {}

local HEADER = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8"
local HEADER_BYTES = #HEADER + 16 -- an integer and a number follow, to compare
local OP_GETTABUP, OP_GETFIELD, OP_SETTABUP = 11, 14, 15
local LINE_IS_ABSOLUTE = -128

-- ---- Reading ----

local Reader = {}
Reader.__index = Reader

function Reader:byte()
  self.at = self.at + 1
  return self.text:byte(self.at - 1)
end

function Reader:size()
  local value = 0
  repeat
    local byte = self:byte()
    value = value << 7 | byte & 0x7f
  until byte & 0x80 ~= 0
  return value
end

function Reader:string()
  local size = self:size()
  if size == 0 then return nil end
  self.at = self.at + size - 1
  return self.text:sub(self.at - size + 1, self.at - 1)
end

function Reader:skip(bytes) self.at = self.at + bytes end

local constant_bytes = { [3] = 8, [19] = 8 } -- integer, number; true, false and nil have none

function Reader:constants()
  local list = {}
  for i = 0, self:size() - 1 do
    local kind = self:byte()
    if kind == 4 or kind == 20 then list[i] = self:string() else
      self:skip(constant_bytes[kind] or 0)
    end
  end
  return list
end

function Reader:code()
  local list = {}
  for i = 1, self:size() do
    list[i] = string.unpack("<I4", self.text, self.at)
    self:skip(4)
  end
  return list
end

-- The line of each instruction.
function Reader:lines(line)
  local list, deltas, absolute = {}, {}, {}
  for i = 1, self:size() do
    deltas[i] = string.unpack("b", self.text, self.at)
    self:skip(1)
  end
  for _ = 1, self:size() do
    local at = self:size()
    absolute[at + 1] = self:size()
  end
  for i, delta in ipairs(deltas) do
    line = delta == LINE_IS_ABSOLUTE and absolute[i] or line + delta
    list[i] = line
  end
  return list
end

function Reader:skip_locals()
  for _ = 1, self:size() do
    self:string()
    self:size()
    self:size()
  end
end

-- Which upvalues are the globals of the file: its own first one, and those of functions in it that
-- lead there. A local called _ENV is none.
function Reader:globals(parent)
  local list = {}
  for i = 0, self:size() - 1 do
    local is_local, index = self:byte() == 1, self:byte()
    self:skip(1)
    if parent then list[i] = not is_local and parent.globals[index] else list[i] = i == 0 end
  end
  return list
end

function Reader:upvalue_names()
  local list = {}
  for i = 0, self:size() - 1 do list[i] = self:string() end
  return list
end

-- ---- Functions ----

local function operands(instruction)
  return instruction & 0x7f, instruction >> 7 & 0xff, instruction >> 16 & 0xff,
    instruction >> 24 & 0xff
end

-- `string.format`: the value that was just read is indexed at once, in the same register.
local function field_behind(proto, at, register)
  local op, _, b, c = operands(proto.code[at + 1] or 0)
  return op == OP_GETFIELD and b == register and proto.constants[c] or nil
end

local function note(uses, proto, at, use)
  use.line, use.order = proto.lines[at], #uses
  uses[#uses + 1] = use
end

local function scan(proto, uses)
  for at, instruction in ipairs(proto.code) do
    local op, a, b, c = operands(instruction)
    if op == OP_GETTABUP and proto.globals[b] then
      note(uses, proto, at, { name = proto.constants[c], field = field_behind(proto, at, a) })
    elseif op == OP_GETTABUP and proto.upvalues[b] == "anzol" then
      local name = "anzol." .. proto.constants[c]
      note(uses, proto, at, { name = name, field = field_behind(proto, at, a) })
    elseif op == OP_SETTABUP and proto.globals[a] then
      note(uses, proto, at, { name = proto.constants[b], is_write = true,
        is_main = proto.first_line == 0 })
    end
  end
end

-- visit(proto) of each function, inner ones first.
local function read_function(reader, visit, parent)
  reader:string()
  local proto = { first_line = reader:size() }
  reader:size()
  reader:skip(1)
  proto.is_vararg = reader:byte() ~= 0
  reader:skip(1)
  proto.code = reader:code()
  proto.constants = reader:constants()
  proto.globals = reader:globals(parent)
  for _ = 1, reader:size() do read_function(reader, visit, proto) end
  proto.lines = reader:lines(proto.first_line)
  reader:skip_locals()
  proto.upvalues = reader:upvalue_names()
  visit(proto)
end

-- Of a file with a syntax error, which loading reports, nothing.
local function read_file(text, path, visit)
  local chunk = load(text:gsub("^#[^\n]*", ""), "@" .. path, "t")
  if not chunk then return end
  local dumped = string.dump(chunk)
  assert(dumped:sub(1, #HEADER) == HEADER, "bytecode of another Lua")
  read_function(setmetatable({ text = dumped, at = HEADER_BYTES + 2 }, Reader), visit)
end

-- uses(text, path) -> { { name, field?, line, order, is_write?, is_main? } } in the order of their
-- lines.
function M.uses(text, path)
  local uses = {}
  read_file(text, path, function(proto) scan(proto, uses) end)
  table.sort(uses, function(a, b)
    if a.line ~= b.line then return a.line < b.line end
    return a.order < b.order
  end)
  return uses
end

-- lines(text, path) -> the lines that can run, in order. One that only closes what was open (`end`,
-- brackets) is none: a function that returns earlier never comes to it.
function M.lines(text, path)
  local can_run, list, number = {}, {}, 0
  read_file(text, path, function(proto)
    -- The first instruction of a function with `...` prepares them; the hook does not see it.
    for at = proto.is_vararg and 2 or 1, #proto.lines do can_run[proto.lines[at]] = true end
  end)
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if can_run[number] and not line:gsub("%f[%w_]end%f[^%w_]", ""):find "^[%s%)%]}%,;]*$" then
      list[#list + 1] = number
    end
  end
  return list
end

return M
