-- SPDX-License-Identifier: MIT
-- How the specs report: one line a spec file with its time, failures in full, and the last line
-- "N passed, N failed, N skipped" that scripts read.
local pretty = require "pl.pretty"
local busted = require "busted"
local system = require "system"

local function words(message)
  if type(message) == "string" then return message end
  return message == nil and "no message" or pretty.write(message)
end

return function()
  local handler = require "busted.outputHandlers.base"()
  local started, passed, failed, skipped

  function handler.fileStart(file)
    started, passed, failed, skipped = system.monotime(), 0, 0, 0
    io.write(("  %-52s "):format(file.name:gsub("^%./", "")))
    io.flush()
    return nil, true
  end

  function handler.testEnd(_, _, status)
    if status == "success" then
      passed = passed + 1
    elseif status == "pending" then
      skipped = skipped + 1
    else
      failed = failed + 1
    end
    return nil, true
  end

  function handler.fileEnd()
    io.write(("%4d passed%s%s %7.2f s\n"):format(passed,
      failed > 0 and (", %d FAILED"):format(failed) or "",
      skipped > 0 and (", %d skipped"):format(skipped) or "", system.monotime() - started))
    io.flush()
    return nil, true
  end

  local function report(title, list)
    for _, entry in ipairs(list) do
      local trace = entry.trace or {}
      io.write(("\n%s: %s\n  %s:%s\n  %s\n"):format(title, entry.name, trace.short_src or "?",
        trace.currentline or "?", (words(entry.message):gsub("\n", "\n  "))))
    end
  end

  function handler.suiteEnd()
    report("FAILED", handler.failures)
    report("ERROR", handler.errors)
    io.write(("\n%d passed, %d failed, %d skipped\n"):format(handler.successesCount,
      handler.failuresCount + handler.errorsCount, handler.pendingsCount))
    io.flush()
    return nil, true
  end

  busted.subscribe({ "file", "start" }, handler.fileStart)
  busted.subscribe({ "file", "end" }, handler.fileEnd)
  busted.subscribe({ "test", "end" }, handler.testEnd, { predicate = handler.cancelOnPending })
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  return handler
end
