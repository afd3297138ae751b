-- SPDX-License-Identifier: MIT
-- Programs by chance: whatever Lua says of them, they end within the limits and leave all as it was.
-- ANZOL_SEED repeats a run; the long form takes 3,000.
local rig = require "core.script_rig"
local script = rig.script

local is_long = os.getenv "ANZOL_LONG" == "1"
local PROGRAMS = is_long and 3000 or 120
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
local DEPTH_MAX = 5
local OVERRUN_MS = 100

local random = math.random
local function one_of(list) return list[random(#list)] end

local NAMES = { "a", "b", "c", "t", "s", "f" }
local VALUES = { "nil", "true", "0", "1", "-1", "1e9", "1 << 60", "0/0", "''", "'abc'", "('x'):rep(1 << 16)",
  "{}", "{ 1, 2, 3 }", "math.huge", "math.mininteger", "print", "event", "anzol", "string", "_G",
  "anzol.json.null", "coroutine.running()" }
local FUNCTIONS = { "string.rep", "string.find", "string.gsub", "string.format", "string.byte",
  "string.gmatch", "string.pack", "string.unpack", "table.concat", "table.insert", "table.move",
  "table.remove", "table.sort", "table.unpack", "utf8.codepoint", "utf8.len", "utf8.char", "select",
  "pcall", "xpcall", "error", "setmetatable", "rawset", "rawget", "next", "load", "tostring",
  "tonumber", "coroutine.wrap", "coroutine.resume", "coroutine.close", "coroutine.create",
  "anzol.json.encode", "anzol.json.decode", "anzol.re.find", "anzol.re.gsub", "anzol.log.debug",
  "anzol.base64.encode", "anzol.crypto.hash", "anzol.time.iso", "anzol.sleep", "debug.traceback",
  "os.date", "os.time", "require", "anzol.on", "event.send", "event.emit", "ipairs" }
local OPERATORS = { "+", "-", "*", "/", "//", "%", "..", "==", "<", "<=", "and", "or", "&", "<<", "^" }
local METHODS = { "__index", "__newindex", "__call", "__close", "__concat", "__eq", "__len", "__lt",
  "__tostring", "__pairs", "__mode", "__gc", "__name", "__metatable" }

local expression, block

local function arguments(depth)
  local list = {}
  for i = 1, random(0, 3) do list[i] = expression(depth + 1) end
  return table.concat(list, ", ")
end

local function in_function(depth)
  return ("(function(a, b, ...) %s end)"):format(block(depth + 1))
end

expression = function(depth)
  local kind = depth > DEPTH_MAX and random(3) or random(9)
  if kind == 1 then return one_of(NAMES) end
  if kind <= 3 then return "(" .. one_of(VALUES) .. ")" end
  if kind == 4 then return ("%s(%s)"):format(one_of(FUNCTIONS), arguments(depth)) end
  if kind == 5 then
    return ("(%s %s %s)"):format(expression(depth + 1), one_of(OPERATORS), expression(depth + 1))
  end
  if kind == 6 then return in_function(depth) end
  if kind == 7 then return ("%s[%s]"):format(one_of(NAMES), expression(depth + 1)) end
  if kind == 8 then return ("#%s"):format(one_of(NAMES)) end
  return ("setmetatable({}, { %s = %s })"):format(one_of(METHODS), expression(depth + 1))
end

local function statement(depth)
  local kind = depth > DEPTH_MAX and random(2) or random(9)
  if kind == 1 then return ("local %s = %s"):format(one_of(NAMES), expression(depth)) end
  if kind == 2 then return ("pcall(%s, %s)"):format(one_of(FUNCTIONS), expression(depth)) end
  if kind == 3 then return ("while %s do %s end"):format(expression(depth), block(depth + 1)) end
  if kind == 4 then
    return ("for %s = 1, %s do %s end"):format(one_of(NAMES), expression(depth), block(depth + 1))
  end
  if kind == 5 then return ("pcall(%s)"):format(in_function(depth)) end
  if kind == 6 then return ("if %s then %s end"):format(expression(depth), block(depth + 1)) end
  if kind == 7 then
    return ("for a, b in pairs(%s) do %s end"):format(expression(depth), block(depth + 1))
  end
  if kind == 8 then return ("pcall(coroutine.wrap(%s))"):format(in_function(depth)) end
  return ("do local c <close> = %s %s end"):format(expression(depth), block(depth + 1))
end

block = function(depth)
  local list = {}
  for i = 1, random(1, 3) do list[i] = statement(depth) end
  return table.concat(list, "; ")
end

local NAMES_LOCAL = "local a, b, c, t, s, f = 1, 'b', {}, { 1, 2 }, ('s'):rep(1000), function() end; "

describe("programs by chance", function()
  setup(function() script.quiet("none") end)
  teardown(function() script.quiet(true) end)
  after_each(rig.finish)

  it(("end within the limits (seed %d)"):format(seed), function()
    math.randomseed(seed)
    local limit_ms = script.phases().handler
    for number = 1, PROGRAMS do
      local program = NAMES_LOCAL .. block(1)
      local project, _, why = rig.load { files = { ["scripts/main.lua"] = ([[
        local anzol = require "anzol"
        anzol.on("good", { name = "good" }, function() assert(("x"):rep(2) == "xx") end)
        anzol.on("main", { name = "main", deadline = "2s" }, function(event) %s end)]]):format(program) } }
      local what = ("program %d: %s"):format(number, program)
      assert.is_truthy(project, what .. "\n" .. tostring(why))
      local before = script.cpu_ns()
      local result = project:run("main", { type = "main", body = "{}" })
      local ms = (script.cpu_ns() - before) / 1e6
      assert.is_truthy(({ handled = true, failed = true })[result.outcome], what)
      assert.is_true(ms <= limit_ms + OVERRUN_MS * rig.patience, ("%s\n%.0f ms"):format(what, ms))
      local good = project:run("good", { type = "good" })
      assert.equal("handled", good.outcome, what .. "\n" .. tostring(good.text))
      rig.finish()
    end
  end)
end)
