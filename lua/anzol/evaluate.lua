-- SPDX-License-Identifier: MIT
-- What `anzol eval` and `anzol repl` run, as the handler of an event: text that is an expression or
-- a chunk. Its globals stay between calls; values are shown as Lua would write them.
local anzol = require "anzol"

local DEPTH_MAX = 8
local LINE_MAX = 72

local show

local reserved = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch "%a+" do reserved[word] = true end

local function show_key(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not reserved[key] then return key end
  return "[" .. show(key, DEPTH_MAX) .. "]"
end

-- Numbers before names, each in order.
local function is_before(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
  return type(a) < type(b)
end

local function entries(value, depth, seen)
  local list, count = {}, #value
  for i = 1, count do list[i] = show(value[i], depth + 1, seen) end
  local keys = {}
  for key in next, value do
    local is_position = math.type(key) == "integer" and key >= 1 and key <= count
    if not is_position then keys[#keys + 1] = key end
  end
  table.sort(keys, is_before)
  for _, key in ipairs(keys) do
    list[#list + 1] = show_key(key) .. " = " .. show(value[key], depth + 1, seen)
  end
  return list
end

local function show_table(value, depth, seen)
  seen = seen or {}
  if seen[value] then return "{ … }" end
  if depth >= DEPTH_MAX then return "{ … }" end
  seen[value] = true
  local list = entries(value, depth, seen)
  seen[value] = nil
  if #list == 0 then return "{}" end
  local line = "{ " .. table.concat(list, ", ") .. " }"
  if #line <= LINE_MAX and not line:find "\n" then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(list, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

-- What is worth seeing of objects.
local fields = {
  event = { "id", "type", "source", "received_at_ms", "run_number", "data" },
  response = { "status", "headers", "body", "duration_ms" },
}

local function show_object(value, text, depth, seen)
  local kind, copy = text:match "^(%a+): 0x%x+$", {}
  for _, name in ipairs(fields[kind] or {}) do
    local is_there, field = pcall(function() return value[name] end)
    copy[name] = is_there and field or nil
  end
  if kind == "headers" then
    for name, field in pairs(value) do copy[name] = field end
  elseif not fields[kind] then
    return text
  end
  return kind .. " " .. show_table(copy, depth or 0, seen)
end

-- As Lua would write it; what it cannot write, as tostring does.
show = function(value, depth, seen)
  if type(value) == "string" then return (("%q"):format(value):gsub("\\\n", "\\n")) end
  local text = tostring(value)
  if type(value) == "userdata" then return show_object(value, text, depth, seen) end
  if type(value) ~= "table" then return text end
  if not text:find "^[%w ]+: 0x%x+$" then return text end -- an Error, and the like
  return show_table(value, depth or 0, seen)
end

local globals = setmetatable({ anzol = anzol }, { __index = _G })

-- Plain text at the top, for the shell; JSON null for nil.
local function results_as_json(results)
  for i = 1, results.n do
    if results[i] == nil then results[i] = anzol.json.null end
  end
  results.n = nil
  return anzol.json.encode(anzol.json.array(results), { sort = true })
end

local function results_as_text(results, is_quoted)
  local lines = {}
  for i = 1, results.n do
    local value = results[i]
    lines[i] = type(value) == "string" and not is_quoted and value or show(value)
  end
  return table.concat(lines, "\n")
end

-- evaluate(text, name, form, give) -> handler; form: "text", "quoted", "json"; give takes what is
-- printed and what the values look like, each ending a line.
return function(text, name, form, give)
  local chunk, err = load("return " .. text, name, "t", globals)
  if not chunk then chunk, err = load(text, name, "t", globals) end
  if not chunk then error(err, 0) end
  globals.print = function(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    give(table.concat(words, "\t"))
  end
  return function(event)
    globals.event = event
    local results = table.pack(chunk())
    if form == "json" then
      give(results_as_json(results))
    elseif results.n > 0 then
      give(results_as_text(results, form == "quoted"))
    end
  end
end
