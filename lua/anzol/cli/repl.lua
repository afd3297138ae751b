-- SPDX-License-Identifier: MIT
-- anzol repl: try the API line by line. A line with something open goes on with the next; globals
-- stay, locals go with their line.
local failure = require "anzol.cli.failure"
local session = require "anzol.cli.session"

local M = {
  name = "repl",
  summary = "Try the API line by line, in the project's sandbox.",
  description = [[
Run line after line as a handler would: anzol and event are at hand, what waits works,
anzol.http really calls, and what a line would send or emit is told and not done. Globals
stay, locals go with their line. A line goes on with the next while a block, bracket or
long string is open, or if it ends with an operator, a comma or "=". The end: Control-D.

Lines may come from a pipe: errors name the line of the input. Exit code 0: all came to
their end, 1: one raised, or the input ended in the middle of one.

  anzol repl --source github     event is the last that the running server has of it]],
}

function M.configure(parser) session.configure(parser) end

-- "'end' expected near <eof>": more lines can finish it. Half a name is an error at once: the next
-- line is not the rest of it.
local function lacks_more(why)
  return why:find "<eof>'?$" ~= nil and not why:find "<name> expected near <eof>$"
end

-- What is missing in a text that is neither an expression nor a chunk yet, but that more lines can
-- make one; nil: it is whole, or wrong.
local function missing(text)
  local expression, why_no_expression = load("return " .. text, "=repl", "t")
  if expression then return nil end
  local chunk, why_no_chunk = load(text, "=repl", "t")
  if chunk then return nil end
  return lacks_more(why_no_chunk) and why_no_chunk
    or lacks_more(why_no_expression) and why_no_expression or nil
end

local Input = {}
Input.__index = Input

function Input:line(prompt)
  if self.is_interactive then self.console:prompt(prompt) end
  local line = io.read "l"
  if line then self.line_count = self.line_count + 1 end
  return line
end

-- The next text that is whole, and what it lacks where the input ended in the middle of it; nil at
-- the end. Behind a pipe it stands as far down as in the input, for the places in errors.
function Input:read()
  local before = self.is_interactive and "" or ("\n"):rep(self.line_count)
  local text = self:line "> "
  if not text then return nil end
  text = before .. text
  local what = missing(text)
  while what do
    local more = self:line "… "
    if not more then return text, what end
    text = text .. "\n" .. more
    what = missing(text)
  end
  return text
end

function M.run(options, console)
  local native = require "anzol.native"
  local it = session.open(options, console)
  local input = setmetatable({ console = console, is_interactive = native.isatty(0),
    line_count = 0 }, Input)
  if input.is_interactive then
    console:say("anzol %s; anzol and event are at hand, Control-D ends", native.version)
  end
  local is_ok = true
  for text, what in input.read, input do
    if what then
      console:talk(what .. ": the input ends here")
      is_ok = false
    elseif text:find "%S" then
      is_ok = it:run(text, "=repl", "quoted") and is_ok
    end
  end
  if input.is_interactive then console:prompt "\n" end
  return (is_ok or input.is_interactive) and 0 or failure.FAILED
end

return M
