-- SPDX-License-Identifier: MIT
-- How a command ends early: with an exit code and a sentence, raised as a table that only main
-- catches.
local M = {
  FAILED = 1,       -- findings, or what was asked for did not work
  USAGE = 2,
  UNREACHABLE = 69, -- EX_UNAVAILABLE
  BUG = 70,         -- EX_SOFTWARE: an error in the command itself
  TRY_AGAIN = 75,   -- EX_TEMPFAIL
  CONFIG = 78,      -- EX_CONFIG
  INTERRUPTED = 130, -- as shells say it
}

local Failure = {}

function M.raise(code, format, ...)
  error(setmetatable({ code = code, message = format:format(...) }, Failure), 0)
end

-- Not a failure: ends with this text on standard output.
function M.finish(text)
  error(setmetatable({ code = 0, output = text }, Failure), 0)
end

function M.handler(err)
  if getmetatable(err) == Failure then return err end
  return { code = M.BUG, message = debug.traceback("internal error: " .. tostring(err), 2) }
end

return M
