-- SPDX-License-Identifier: MIT
-- What `anzol listen` shows: a line for each answer of the program; at a terminal a table whose
-- rows have numbers, and a line below it with what the keys chose.
local console_module = require "anzol.cli.console"
local forward = require "anzol.cli.listen_forward"

local M = {}

local ROWS_MAX = 1000 -- that keys can choose

local HELP = [[
  r          sends the chosen one again, or the last
  12r        sends number 12 again
  up, down   choose one (also k and j); Esc lets it go
  q          ends, as ^C does
]]

local Table = {}
Table.__index = Table

-- has_keys: there is somebody at a terminal.
function M.new(console, has_keys)
  return setmetatable({ console = console, has_keys = has_keys, rows = {}, count = 0, ok_count = 0,
    digits = "" }, Table)
end

local function clear(self)
  if self.has_keys then self.console:bar "\r\27[K" end
end

-- The line below the table.
function Table:show_choice()
  clear(self)
  local row = self.rows[self.chosen]
  if self.digits ~= "" then
    self.console:bar(("number %s (r sends it again)"):format(self.digits))
  elseif row then
    local text = ("> %d  %s  %s (r sends it again)"):format(self.chosen, row.id, row.type)
    self.console:bar(console_module.clean_line(text))
  end
end

-- Words of the command itself, above that line.
function Table:say(format, ...)
  clear(self)
  self.console:say(format, ...)
  self:show_choice()
end

local function answer_of(console, result)
  local text = result.status and tostring(result.status) or result.error
  return console:paint(text, forward.is_success(result) and "green" or "red")
end

local function line_of(self, row, result)
  local console = self.console
  local answer = ("%s  %d ms"):format(answer_of(console, result), result.durationMs)
  if not self.has_keys then
    return ("%s  %-32s %s"):format(row.id, row.type, answer)
  end
  local came = row.receivedAt:match "T(%d+:%d+:%d+)" or row.receivedAt
  return ("%4d  %s  %s  %-32s  %s"):format(self.count, came, row.id, row.type, answer)
end

-- What the program answered.
function Table:add(row, result)
  local console = self.console
  self.count = self.count + 1
  if forward.is_success(result) then self.ok_count = self.ok_count + 1 end
  if console:is_json() then
    console:data(require "anzol.native".json.encode({ id = row.id, type = row.type,
      source = row.source, status = result.status, error = result.error,
      durationMs = result.durationMs }, { sort = true }) .. "\n")
    console_module.flush()
    return
  end
  clear(self)
  if self.has_keys and self.count == 1 then
    console:line(console:paint(("%4s  %-8s  %-15s  %-32s  %s"):format("N", "TIME", "EVENT", "TYPE",
      "ANSWER"), "bold"))
  end
  self.rows[self.count] = row
  self.rows[self.count - ROWS_MAX] = nil
  console:line(line_of(self, row, result))
  console_module.flush()
  self:show_choice()
end

function Table:summary()
  local failed = self.count - self.ok_count
  return ("%d forwarded, %d not answered with 2xx"):format(self.count, failed), failed == 0
end

-- ---- Keys ----

local function move(self, step)
  local chosen = (self.chosen or self.count + 1) + step
  if self.rows[chosen] then self.chosen = chosen end
  if chosen > self.count then self.chosen = nil end
  self.digits = ""
end

-- The row that r means, which is not chosen any more.
local function take_choice(self)
  local number = tonumber(self.digits) or self.chosen or self.count
  local row = self.rows[number]
  self.digits, self.chosen = "", nil
  if not row then
    self:say(self.count == 0 and "nothing was forwarded yet" or "there is no number %d", number)
  end
  return row
end

local names = { ["\27[A"] = "up", ["\27OA"] = "up", k = "up", ["\27[B"] = "down",
  ["\27OB"] = "down", j = "down", ["\27"] = "escape", ["\127"] = "erase", ["\b"] = "erase",
  ["?"] = "help", q = "quit", r = "resend" }

local function press(self, key)
  local name = names[key]
  if key:find "^%d$" then self.digits = (self.digits .. key):sub(1, 9)
  elseif name == "up" then move(self, -1)
  elseif name == "down" then move(self, 1)
  elseif name == "escape" then self.digits, self.chosen = "", nil
  elseif name == "erase" then self.digits = self.digits:sub(1, -2)
  elseif name == "help" then
    clear(self)
    self.console:bar(HELP)
  end
  return name
end

-- What was typed, a key or several: "quit", or the rows to send again.
function Table:press(text)
  local wanted = {}
  while text ~= "" do
    local key = text:match "^\27[%[O][A-Z]" or text:sub(1, 1)
    text = text:sub(#key + 1)
    local name = press(self, key)
    if name == "quit" then return "quit" end
    if name == "resend" then wanted[#wanted + 1] = take_choice(self) end
  end
  self:show_choice()
  return wanted
end

return M
