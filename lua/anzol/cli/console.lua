-- SPDX-License-Identifier: MIT
-- What people see: data on standard output, talk on standard error, tables and colours. Names and
-- payloads come from strangers, so nothing reaches a terminal with its control bytes.
local Console = {}
Console.__index = Console

local M = {}

local sgr = { red = "31", green = "32", yellow = "33", blue = "34", bold = "1", dim = "2" }

local state_colors = {
  ok = "green", done = "green", running = "blue",
  handled = "green", succeeded = "green", skipped = "dim", cancelled = "dim",
  unverified = "yellow", pending = "blue", in_flight = "blue", retrying = "yellow", dead = "red",
  error = "red", warning = "yellow",
}

function M.new(streams)
  streams = streams or {
    out = function(text) io.stdout:write(text) end,
    err = function(text) io.stderr:write(text) end,
    is_terminal = require "anzol.native".isatty(1),
  }
  return setmetatable({ streams = streams, format = "text", has_color = false }, Console)
end

function Console:configure(options)
  self.format = options.output
  self.is_quiet = options.quiet
  self.is_verbose = options.verbose
  local no_color = os.getenv "NO_COLOR"
  self.has_color = options.color == "always" or options.color == "auto"
    and self.streams.is_terminal and (not no_color or no_color == "")
end

function Console:is_json() return self.format == "json" end

-- Control bytes as \xHH, but newline and tab; C1 controls (U+0080-U+009F) too.
function M.clean(text)
  text = text:gsub("[%z\1-\8\11-\31\127]", function(c) return ("\\x%02x"):format(c:byte()) end)
  return (text:gsub("\xc2([\x80-\x9f])", function(c) return ("\\u%04x"):format(c:byte()) end))
end

-- The same for one line of a table: newlines and tabs too.
function M.clean_line(text)
  return (M.clean(text):gsub("\n", "\\n"):gsub("\t", "\\t"))
end

-- To standard output, as it is.
function Console:data(text) self.streams.out(text) end

function Console:line(text) self:data(M.clean(text) .. "\n") end

-- What was printed shows at once, in a pipe too.
function M.flush() io.stdout:flush() end

-- Where somebody is to type.
function Console:prompt(text)
  self.streams.out(text)
  M.flush()
end

-- To standard error: errors and what must be read.
function Console:talk(text) self.streams.err(M.clean(text) .. "\n") end

-- To standard error, over what stands in the line.
function Console:bar(text) self.streams.err(text) end

-- To standard error unless --quiet.
function Console:say(format, ...)
  if not self.is_quiet then self:talk(format:format(...)) end
end

-- To standard error with --verbose.
function Console:explain(format, ...)
  if self.is_verbose then self:talk(format:format(...)) end
end

function Console:paint(text, color)
  if not self.has_color or not color then return text end
  return ("\27[%sm%s\27[0m"):format(sgr[color], text)
end

function Console:paint_state(state) return self:paint(state, state_colors[state]) end

local function width(text) return utf8.len(text) or #text end

-- columns: { { title, field or function(row), right = boolean? } }. The last column is not padded.
function Console:table(columns, rows)
  local lines, widths = { {} }, {}
  for i, column in ipairs(columns) do lines[1][i] = column[1] end
  for _, row in ipairs(rows) do
    local line = {}
    for i, column in ipairs(columns) do
      local value = column[2]
      if type(value) == "function" then value = value(row) else value = row[value] end
      line[i] = M.clean_line(value == nil and "-" or tostring(value))
    end
    lines[#lines + 1] = line
  end
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do widths[i] = math.max(widths[i] or 0, width(cell)) end
  end
  for number, line in ipairs(lines) do
    local cells = {}
    for i, cell in ipairs(line) do
      local padding = (" "):rep(widths[i] - width(cell))
      local shown = cell
      if number == 1 then shown = self:paint(cell, "bold")
      elseif columns[i].is_state then shown = self:paint_state(cell) end
      if columns[i].right then cells[i] = padding .. shown
      else cells[i] = i == #line and shown or shown .. padding end
    end
    self:data(table.concat(cells, "  ") .. "\n")
  end
end

-- pairs: { { name, value, is_state?, is_text? } }; nil values are left out. A text may have lines.
function Console:fields(rows)
  local longest = 0
  for _, row in ipairs(rows) do
    if row[2] ~= nil then longest = math.max(longest, #row[1]) end
  end
  for _, row in ipairs(rows) do
    if row[2] ~= nil then
      local name = self:paint(row[1], "bold") .. (" "):rep(longest - #row[1])
      local value = tostring(row[2])
      value = row.is_text and M.clean(value):gsub("\n", "\n" .. (" "):rep(longest + 2))
        or M.clean_line(value)
      self:data(name .. "  " .. (row.is_state and self:paint_state(value) or value) .. "\n")
    end
  end
end

return M
