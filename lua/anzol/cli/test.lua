-- SPDX-License-Identifier: MIT
-- anzol test: the project's specs, run by busted with anzol.testing at hand.
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

Exit code 0: all passed, 1: a spec failed, 69: busted is not installed.]],
}

local INTERPRETER = "lua5.4"
-- What busted's own program does; that one would start itself again, and lose quotes on the way.
local RUNNER = 'require "busted.runner" { standalone = false }'
local EXIT_INTERRUPTED = 130

function M.configure(parser)
  parser:argument("paths", "Spec files or folders."):argname "PATH":args "*"
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

local function command_line(options)
  local prefix = installed.prefix "lib/lua/5.4/anzol/core.so"
  local share = prefix .. "/share/lua/5.4/"
  local words = {
    "cd", quote(options.project), "&&",
    assign("LUA_PATH", share .. "?.lua;" .. share .. "?/init.lua"),
    assign("LUA_CPATH", prefix .. "/lib/lua/5.4/?.so"),
    "exec", INTERPRETER, "-e", quote(RUNNER), "-", "--ignore-lua",
  }
  for _, path in ipairs(options.paths) do words[#words + 1] = quote(path) end
  return table.concat(words, " ") .. " </dev/null"
end

function M.run(options, console)
  if not is_installed() then
    failure.raise(failure.UNREACHABLE, "busted for Lua 5.4 is not installed; `apt install "
      .. "lua-busted lua5.4` installs it, or `luarocks --lua-version 5.4 install busted`")
  end
  local line = command_line(options)
  console:explain("%s", line)
  local is_ok, how, code = os.execute(line)
  if is_ok then return 0 end
  if how == "signal" and code == 2 then return EXIT_INTERRUPTED end
  return failure.FAILED
end

return M
