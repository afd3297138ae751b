-- SPDX-License-Identifier: MIT
-- anzol test: the project's specs, run by busted with anzol.testing at hand.
local coverage = require "anzol.cli.coverage"
local failure = require "anzol.cli.failure"
local installed = require "anzol.cli.installed"

local M = {
  name = "test",
  summary = "Run the project's specs (busted, anzol.testing).",
  description = [[
Run the specs of the project with busted: those given, else what .busted says, else spec/. Scripts
are loaded with require "anzol.testing"; no server, no network, no waiting. What stands behind --
goes to busted:

  anzol test
  anzol test spec/github_spec.lua -- --filter "bad signature"
  anzol test --watch
  anzol test --coverage

--coverage tells which lines of the scripts and of lua/ ran, by file; with -o json as { "files":
[{ "file", "lines", "hit", "percent", "missed" }], "lines", "hit", "percent" } on standard
output, and what busted says on standard error. It changes no exit code.

Exit code 0: all passed, 1: a spec failed, 69: busted is not installed.]],
}

local INTERPRETER = "lua5.4"
-- What busted's own program does; that one would start itself again, and lose quotes on the way.
local RUNNER = 'require "busted.runner" { standalone = false }'
local COUNTING_RUNNER = 'require "anzol.core" ' .. RUNNER
local EXIT_INTERRUPTED = 130
local PAUSE = "sleep 0.3"

function M.configure(parser)
  parser:argument("paths", "Spec files or folders."):argname "PATH":args "*"
  parser:flag("--coverage", "Tell which lines of the scripts and of lua/ ran.")
  parser:flag("--watch", "Run them again whenever a Lua file or a fixture changes.")
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function is_installed()
  return os.execute(INTERPRETER .. " -e 'require \"busted.runner\"' >/dev/null 2>&1") == true
end

-- "NAME=ours;theirs", what the user has set kept behind.
local function assign(name, ours)
  local theirs = os.getenv(name .. "_5_4") or os.getenv(name) or ";;"
  return ("%s_5_4=%s"):format(name, quote(ours .. ";" .. theirs))
end

-- counted: where core.so writes the lines that ran; nil: nowhere.
local function command_line(options, console, counted)
  local prefix = installed.prefix "lib/lua/5.4/anzol/core.so"
  local share = prefix .. "/share/lua/5.4/"
  local words = {
    "cd", quote(options.project), "&&",
    assign("LUA_PATH", share .. "?.lua;" .. share .. "?/init.lua"),
    assign("LUA_CPATH", prefix .. "/lib/lua/5.4/?.so"),
    counted and "ANZOL_COVERAGE=" .. quote(counted) or "",
    "exec", INTERPRETER, "-e", quote(counted and COUNTING_RUNNER or RUNNER), "-", "--ignore-lua",
  }
  for _, path in ipairs(options.paths) do words[#words + 1] = quote(path) end
  local is_apart = counted and console:is_json()
  return table.concat(words, " ") .. " </dev/null" .. (is_apart and " 1>&2" or "")
end

-- Exit code of a command line that may be broken off by Ctrl-C.
local function execute(line)
  local is_ok, how, code = os.execute(line)
  if is_ok then return 0 end
  return how == "signal" and code == 2 and EXIT_INTERRUPTED or failure.FAILED
end

-- The files that specs depend on, with times and sizes: another text when one changed.
local function state_of(project)
  local pipe = assert(io.popen("cd " .. quote(project) .. " && find . -name '.?*' -prune -o "
    .. "-name node_modules -prune -o -type f '(' -name '*.lua' -o -path './fixtures/*' ')' "
    .. "-printf '%p %T@ %s\\n' | LC_ALL=C sort"))
  local state = pipe:read "a"
  pipe:close()
  return state
end

-- Once; returns the exit code.
local function run(options, console)
  local counted = options.coverage and os.tmpname() or nil
  local line = command_line(options, console, counted)
  console:explain("%s", line)
  local code = execute(line)
  if counted then
    if code ~= EXIT_INTERRUPTED then coverage.report(counted, options, console) end
    os.remove(counted)
  end
  return code
end

-- Again and again, until it is broken off.
local function watch(options, console)
  while true do
    local before = state_of(options.project)
    local code = run(options, console)
    if code ~= EXIT_INTERRUPTED then console:say("waiting for a change; Ctrl-C ends this") end
    while code ~= EXIT_INTERRUPTED and state_of(options.project) == before do
      code = execute(PAUSE)
    end
    if code == EXIT_INTERRUPTED then return code end
  end
end

function M.run(options, console)
  if not is_installed() then
    failure.raise(failure.UNREACHABLE, "busted for Lua 5.4 is not installed; `apt install "
      .. "lua-busted lua5.4` installs it, or `luarocks --lua-version 5.4 install busted`")
  end
  if options.watch then return watch(options, console) end
  return run(options, console)
end

return M
