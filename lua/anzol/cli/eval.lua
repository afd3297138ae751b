-- SPDX-License-Identifier: MIT
-- anzol eval: run some Lua as a handler would, and print what it gives.
local failure = require "anzol.cli.failure"
local session = require "anzol.cli.session"

local M = {
  name = "eval",
  summary = "Run Lua as a handler of the project would, and print its values.",
  description = [[
Run Lua in the project's sandbox as the handler of an event: anzol and event are at hand, what
waits works, anzol.http really calls. What it would commit is told, and not done.

  anzol eval -e 'anzol.crypto.uuid()'
  anzol eval -e 'event.data.ref:match "[^/]+$"' --fixture fixtures/github/push.json
  echo 'return anzol.time.iso()' | anzol eval -
  anzol eval -o json -e 'anzol.url.parse "https://a.example/b?c=d"'

With -o json: an array of the values. Exit code 0: it came to its end, 1: it raised.]],
}

function M.configure(parser)
  parser:option("-e --expression", "What to run: an expression or statements."):argname "LUA"
  parser:argument("file", "A file with it; - is standard input."):argname "FILE":args "?"
  session.configure(parser)
end

local function read(options)
  if (options.expression == nil) == (options.file == nil) then
    failure.raise(failure.USAGE, "give -e LUA or a file, one of both")
  end
  if options.expression then return options.expression, "=eval" end
  if options.file == "-" then return io.read "a", "=stdin" end
  local file, err = io.open(options.file, "rb")
  if not file then failure.raise(failure.USAGE, "%s", err) end
  local text = file:read "a":gsub("^#[^\n]*", "")
  file:close()
  return text, "@" .. options.file
end

function M.run(options, console)
  local text, name = read(options)
  local ok = session.open(options, console):run(text, name, console:is_json() and "json" or "text")
  return ok and 0 or failure.FAILED
end

return M
