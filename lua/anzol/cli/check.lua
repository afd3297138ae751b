-- SPDX-License-Identifier: MIT
-- anzol check: load the project as a server would, without opening a socket, look through its
-- files, and say all that is wrong at once. Only --connect goes to the network.
local check_running = require "anzol.cli.check_running"
local failure = require "anzol.cli.failure"
local findings = require "anzol.cli.findings"
local lint = require "anzol.cli.lint"
local luacheck = require "anzol.cli.luacheck"
local settings = require "anzol.cli.settings"

local M = {
  name = "check",
  summary = "Load a project without serving it, and say what is wrong.",
  description = [[
Load the project's settings and scripts as `anzol serve` would, without opening a socket or
the store; look through the files for what loading does not reach (undefined names, unknown
options and patterns that do not compile in handlers, endpoints that nothing sends to); ask
luacheck if the project has a .luacheckrc; and print what is wrong:

  file:line: level: message (hint)

With -o json: { "ok", "findings": [{ "level", "file", "line", "phase", "message", "hint" }],
"sources", "endpoints", "subscriptions", "crons", "polls", "connections" }. Exit code 0: nothing,
1: findings, 78:
anzol.lua itself is broken.]],
}

function M.configure(parser)
  parser:argument("path", "A project's folder (default: --project), or files of --project: then "
    .. "only what is found in them is told."):argname "PATH":args "*"
  parser:flag("--deny-warnings", "Exit 1 for warnings too.")
  parser:flag("--allow-missing-secrets", "A secret that is not set is a warning, not an error.")
  parser:flag("--connect", "Connect to every endpoint as a delivery would (look-up, address "
    .. "guard, TLS) and send nothing; without it no socket is opened.")
  parser:flag("--running", "Ask the project's server what is pending for endpoints that are gone, "
    .. "and which transforms endpoints of applications name.")
end

local function print_json(console, found, errors)
  local json = require "anzol.native".json
  local rows = {}
  for i, finding in ipairs(found) do rows[i] = finding end
  console:data(json.encode({
    ok = errors == 0, findings = json.array(rows), sources = found.sources,
    endpoints = found.endpoints and #found.endpoints, subscriptions = found.subscriptions,
    crons = found.crons, polls = found.polls,
    connections = found.connections and json.array(found.connections),
  }, { sort = true }) .. "\n")
end

local function count(n, noun)
  n = n or 0
  return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- Folders are projects, files are of the project of --project.
local function split(paths, project)
  local projects, files = {}, {}
  for _, path in ipairs(paths) do
    if not exists(path) then failure.raise(failure.USAGE, "%s: there is no such file", path) end
    if exists(path .. "/.") then
      projects[#projects + 1] = path
    else
      local inside = path:gsub("^%./", "")
      local prefix = project:gsub("^%./", ""):gsub("/*$", "/")
      if inside:sub(1, #prefix) == prefix then inside = inside:sub(#prefix + 1) end
      files[inside] = path
    end
  end
  if #projects == 0 or next(files) then projects[#projects + 1] = project end
  return projects, files
end

local function append(found, more)
  for _, finding in ipairs(more) do found[#found + 1] = finding end
end

-- The first name in quotes, where a finding is about a name that is nowhere.
local function unknown_name(message)
  if message:find "^undefined" or message:find "^unknown" or message:find "^there is no"
    or message:find "^accessing undefined" then
    return message:match "'([^']*)'"
  end
end

-- Whether two findings about one line say the same, maybe in other words: loading, the look through
-- the files and luacheck may each meet one mistake.
local function is_same(one, other)
  if one.message == other.message then return true end
  local name = unknown_name(one.message)
  return name ~= nil and name == unknown_name(other.message)
end

-- Those of more that found does not have.
local function without_known(found, more)
  local known, list = {}, {}
  for _, finding in ipairs(found) do
    local place = finding.file .. ":" .. finding.line
    known[place] = known[place] or {}
    table.insert(known[place], finding)
  end
  for _, finding in ipairs(more) do
    local is_known = false
    for _, other in ipairs(known[finding.file .. ":" .. finding.line] or {}) do
      is_known = is_known or is_same(other, finding)
    end
    if not is_known then list[#list + 1] = finding end
  end
  return list
end

local function result_of(connection)
  if connection.is_skipped then return "skipped" end
  return connection.error or "ok"
end

-- Each endpoint that cannot be reached is a finding; found.connections: all of them.
local function check_connections(dir, options, found)
  local rows, why = require "anzol.native".connect(dir,
    { allow_missing_secrets = options.allow_missing_secrets })
  if not rows then failure.raise(failure.CONFIG, "%s", why) end
  found.connections = {}
  for i, row in ipairs(rows) do
    found.connections[i] = { endpoint = row.name, host = row.host ~= "" and row.host or nil,
      result = result_of(row), detail = row.detail ~= "" and row.detail or nil,
      durationMs = not row.is_skipped and row.duration_ms or nil }
    if row.error then
      local detail, hint = row.detail:match "^(.-); (.*)$"
      found[#found + 1] = { level = "error", file = row.file, line = row.line, phase = "connect",
        message = ("endpoint '%s' cannot be reached: %s: %s"):format(row.name, row.error,
          detail or row.detail), hint = hint }
    end
  end
end

local function print_connections(console, connections)
  if #connections == 0 then return end
  console:table({ { "ENDPOINT", "endpoint" }, { "HOST", "host" },
    { "RESULT", "result", is_state = true }, { "MS", "durationMs", right = true } }, connections)
end

local function check_project(dir, options, console)
  local native = require "anzol.native"
  local values, why = native.settings(dir)
  why = why or native.check_settings(dir)
  if why then failure.raise(failure.CONFIG, "%s", why) end
  local loading = settings.loading(dir)
  loading.allow_missing_secrets = options.allow_missing_secrets
  local found = native.check(dir, loading)
  local files = native.files(dir, loading)
  if files then
    append(found, without_known(found, lint.findings(files, {
      endpoints = found.endpoints or {}, is_full = values.trust == "full",
      resolve = function(names) return native.unknown(dir, names) end,
      try_regexes = native.try_regexes,
    })))
    append(found, without_known(found, luacheck.findings(dir, files)))
  end
  if options.running and found.endpoints then check_running.add(options, console, found) end
  if options.connect and found.endpoints then check_connections(dir, options, found) end
  findings.sort(found)
  return found
end

-- Only what is in the files that were named.
local function narrow(found, files)
  if not next(files) then return end
  for i = #found, 1, -1 do
    if not files[found[i].file] then table.remove(found, i) end
  end
end

local function say_counts(console, dir, found)
  local errors, warnings = findings.count(found)
  local routines = ""
  for _, noun in ipairs { "cron", "poll" } do
    local n = found[noun .. "s"] or 0
    if n > 0 then routines = routines .. ", " .. count(n, noun) end
  end
  console:say("%s: %s, %s; %s, %s, %s%s", dir, count(errors, "error"), count(warnings, "warning"),
    count(found.sources, "source"), count(found.endpoints and #found.endpoints, "endpoint"),
    count(found.subscriptions, "subscription"), routines)
end

function M.run(options, console)
  local projects, files = split(options.path, options.project)
  local is_failed = false
  for _, dir in ipairs(projects) do
    local found = check_project(dir, options, console)
    if dir == options.project then narrow(found, files) end
    local errors, warnings = findings.count(found)
    if console:is_json() then print_json(console, found, errors) else
      findings.print(console, found)
      print_connections(console, found.connections or {})
    end
    say_counts(console, dir, found)
    is_failed = is_failed or errors > 0 or (warnings > 0 and options.deny_warnings)
  end
  return is_failed and failure.FAILED or 0
end

return M
