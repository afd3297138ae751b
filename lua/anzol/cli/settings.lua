-- SPDX-License-Identifier: MIT
-- Where the project's server is to be found: flags, then the environment, then anzol.lua, then the
-- defaults, as `anzol serve` does it.
local failure = require "anzol.cli.failure"

local M = {}

local LISTEN_DEFAULT = "127.0.0.1:8080"
local SOCKET_NAME = "anzol.sock"

local function environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

-- The project's folder.
function M.project(options)
  return options.project or environment "ANZOL_PROJECT" or "."
end

-- The values of DIR/anzol.lua: a table by name.
local function load(dir)
  local native = require "anzol.native"
  local settings, err = native.settings(dir)
  if not settings then failure.raise(failure.CONFIG, "%s", err) end
  return settings
end

-- How a project wants its scripts to be loaded, for the natives that do it: { scripts = globs }.
function M.loading(dir)
  local scripts = load(dir).scripts
  if not scripts then return {} end
  local list = {}
  for glob in scripts:gmatch "[^\n]+" do list[#list + 1] = glob end
  return { scripts = list }
end

local function below(dir, path)
  if path:sub(1, 1) == "/" then return path end
  return dir .. "/" .. path
end

-- The Unix socket of the server of this project.
function M.socket(options)
  local given = options.socket or environment "ANZOL_SOCKET"
  if given then return given end
  local dir = environment "ANZOL_STATE_DIR"
  if not dir then
    local state_dir = load(options.project).state_dir
    local of_systemd = environment "STATE_DIRECTORY" -- as the server reads it
    dir = state_dir and below(options.project, state_dir)
      or of_systemd and of_systemd:match "^[^:]+"
      or options.project
  end
  return dir .. "/" .. SOCKET_NAME
end

-- A server that listens on every address is reached on loopback.
local function reachable(address)
  return (address:gsub("^0%.0%.0%.0:", "127.0.0.1:"):gsub("^%[::%]:", "[::1]:"))
end

-- "http://127.0.0.1:8080" of the public listener.
function M.listen_url(options)
  local listen = options.listen or environment "ANZOL_LISTEN" or load(options.project).listen
    or LISTEN_DEFAULT
  if not listen:find "^https?://" then listen = "http://" .. reachable(listen) end
  return (listen:gsub("/+$", ""))
end

-- How the admin listener is reached: { url, token } or { socket, url }.
function M.admin(options)
  local url = options.url or environment "ANZOL_URL"
  if url then
    if not url:find "^https?://" then
      failure.raise(failure.USAGE, "--url %s: write http://HOST:PORT or https://HOST:PORT", url)
    end
    return { url = url:gsub("/+$", ""), token = options.token or environment "ANZOL_ADMIN_TOKEN" }
  end
  return { url = "http://localhost", socket = M.socket(options) }
end

-- The host that is asked in clear: whoever is on the way there reads along. nil: this machine,
-- a socket or https.
function M.exposed_host(options)
  local authority = M.admin(options).url:match "^http://([^/?#]*)"
  local host = authority and authority:gsub("^.*@", ""):gsub(":%d*$", ""):lower()
  if not host or host == "[::1]" or host:find "^127%.[%d.]+$" or host == "localhost"
    or host:find "%.localhost$" then return nil end
  return host
end

return M
