-- SPDX-License-Identifier: MIT
-- anzol repl: try the API line by line. A line that is not finished goes on with the next; globals
-- stay, locals go with their line.
local failure = require "anzol.cli.failure"
local session = require "anzol.cli.session"

local M = {
  name = "repl",
  summary = "Try the API line by line, in the project's sandbox.",
  description = [[
Run line after line as a handler would: anzol and event are at hand, what waits works, anzol.http
really calls, and what a line would send or emit is told and not done. Globals stay, locals go with
their line. Lines may come from a pipe. The end: Control-D.

  anzol repl --source github     event is the last that the running server has of it]],
}

function M.configure(parser) session.configure(parser) end

-- Neither an expression nor a chunk yet, but more lines can make it one.
local function is_unfinished(text)
  local expression, why_no_expression = load("return " .. text, "=", "t")
  local chunk, why_no_chunk = load(text, "=", "t")
  if expression or chunk then return false end
  return (why_no_expression:find "<eof>'?$" or why_no_chunk:find "<eof>'?$") ~= nil
end

-- The next text that is whole; nil at the end. prompt(text) shows where to type.
local function read(prompt)
  prompt "> "
  local text = io.read "L"
  while text and is_unfinished(text) do
    prompt "… "
    local more = io.read "L"
    if not more then break end
    text = text .. more
  end
  return text
end

function M.run(options, console)
  local native = require "anzol.native"
  local is_interactive = native.isatty(0)
  local function prompt(text)
    if is_interactive then console:prompt(text) end
  end
  local it = session.open(options, console)
  if is_interactive then
    console:say("anzol %s; anzol and event are at hand, Control-D ends", native.version)
  end
  local is_ok = true
  for text in read, prompt do
    if text:find "%S" then is_ok = it:run(text, "=repl", "quoted") and is_ok end
  end
  prompt "\n"
  return (is_ok or is_interactive) and 0 or failure.FAILED
end

return M
