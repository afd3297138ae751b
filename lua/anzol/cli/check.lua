-- SPDX-License-Identifier: MIT
-- anzol check: load the project as a server would, without opening a socket, and say what is wrong.
local failure = require "anzol.cli.failure"
local findings = require "anzol.cli.findings"

local M = {
  name = "check",
  summary = "Load a project without serving it, and say what is wrong.",
  description = [[
Load the project's settings and scripts as `anzol serve` would, without opening a socket or
the store, and print what is wrong: file:line: level: message. Exit code 0: nothing,
1: findings, 78: anzol.lua itself is broken.]],
}

function M.configure(parser)
  parser:argument("dir", "The project's folder (default: --project)."):argname "DIR":args "?"
  parser:flag("--deny-warnings", "Exit 1 for warnings too.")
  parser:flag("--allow-missing-secrets", "A secret that is not set is a warning, not an error.")
end

local function print_json(console, found, errors)
  local json = require "anzol.native".json
  local rows = {}
  for i, finding in ipairs(found) do rows[i] = finding end
  console:data(json.encode({
    ok = errors == 0, findings = json.array(rows), sources = found.sources,
    endpoints = found.endpoints, subscriptions = found.subscriptions,
  }, { sort = true }) .. "\n")
end

local function count(n, noun)
  n = n or 0
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- The globs of anzol.lua; nil: the default.
local function globs(settings)
  if not settings.scripts then return nil end
  local list = {}
  for glob in settings.scripts:gmatch "[^\n]+" do list[#list + 1] = glob end
  return list
end

function M.run(options, console)
  local native = require "anzol.native"
  local dir = options.dir or options.project
  local settings, settings_err = native.settings(dir)
  if not settings then failure.raise(failure.CONFIG, "%s", settings_err) end
  local found = native.check(dir, {
    allow_missing_secrets = options.allow_missing_secrets, scripts = globs(settings),
  })
  local errors, warnings = findings.count(found)
  if console:is_json() then
    print_json(console, found, errors)
  else
    findings.print(console, found)
  end
  console:say("%s: %s, %s; %s, %s, %s", dir, count(errors, "error"), count(warnings, "warning"),
    count(found.sources, "source"), count(found.endpoints, "endpoint"),
    count(found.subscriptions, "subscription"))
  if errors > 0 or (warnings > 0 and options.deny_warnings) then return failure.FAILED end
  return 0
end

return M
