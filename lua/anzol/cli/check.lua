-- SPDX-License-Identifier: MIT
-- anzol check: load the project as a server would, without opening a socket, look through its
-- files, and say all that is wrong at once.
local client = require "anzol.cli.client"
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
"sources", "endpoints", "subscriptions" }. Exit code 0: nothing, 1: findings, 78: anzol.lua
itself is broken.]],
}

function M.configure(parser)
  parser:argument("path", "A project's folder (default: --project), or files of --project: then "
    .. "only what is found in them is told."):argname "PATH":args "*"
  parser:flag("--deny-warnings", "Exit 1 for warnings too.")
  parser:flag("--allow-missing-secrets", "A secret that is not set is a warning, not an error.")
  parser:flag("--running", "Ask the project's server what is pending for endpoints that are gone.")
end

local function print_json(console, found, errors)
  local json = require "anzol.native".json
  local rows = {}
  for i, finding in ipairs(found) do rows[i] = finding end
  console:data(json.encode({
    ok = errors == 0, findings = json.array(rows), sources = found.sources,
    endpoints = found.endpoints and #found.endpoints, subscriptions = found.subscriptions,
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

-- Findings of a kind that loading gave already.
local function without_known(found, more)
  local known, list = {}, {}
  for _, finding in ipairs(found) do known[finding.file .. ":" .. finding.line] = true end
  for _, finding in ipairs(more) do
    if not known[finding.file .. ":" .. finding.line] then list[#list + 1] = finding end
  end
  return list
end

local function check_running(options, console, found)
  local names = {}
  for _, endpoint in ipairs(found.endpoints or {}) do names[endpoint.name] = true end
  local answer = client.decode(client.request(options, console, { path = "/api/v1/endpoint" }))
  for _, row in ipairs(answer.data) do
    if row.pending > 0 and not names[row.name] then
      found[#found + 1] = { level = "warning", file = "", line = 0, phase = "running",
        message = ("%s%s pending for removed endpoint %s"):format(
          row.pendingIsLeast and "at least " or "",
          row.pending == 1 and "1 delivery" or row.pending .. " deliveries", row.name),
        hint = "they wait until it is registered again" }
    end
  end
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
  if options.running and found.endpoints then check_running(options, console, found) end
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
  console:say("%s: %s, %s; %s, %s, %s", dir, count(errors, "error"), count(warnings, "warning"),
    count(found.sources, "source"), count(found.endpoints and #found.endpoints, "endpoint"),
    count(found.subscriptions, "subscription"))
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
    end
    say_counts(console, dir, found)
    is_failed = is_failed or errors > 0 or (warnings > 0 and options.deny_warnings)
  end
  return is_failed and failure.FAILED or 0
end

return M
