-- SPDX-License-Identifier: MIT
-- The real server on a project of its own in a temporary folder, for specs.
local Clock = require "support.clock"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local Server = {}
Server.__index = Server

Server.token = "spec-token"
local START_MS = 5000
local STOP_MS = 32000

local function environment(options)
  local env = { ANZOL_CRASH_AT = false, LD_PRELOAD = false }
  for name, value in pairs(options.secrets or {}) do env["ANZOL_SECRET_" .. name] = value end
  for name, value in pairs(options.disk and options.disk:env() or {}) do env[name] = value end
  for name, value in pairs(options.env or {}) do env[name] = value end
  return env
end

local function arguments(server, options)
  local argv = {
    files.program(), "serve", server.project or server.dir,
    "--listen", "127.0.0.1:" .. (server.port or options.port or 0),
    "--admin-listen", "127.0.0.1:" .. (server.admin_port or 0),
    "--admin-token", Server.token,
    "--workers", tostring(options.workers or 2),
  }
  for _, argument in ipairs(options.args or {}) do argv[#argv + 1] = argument end
  if not options.is_dev then
    argv[#argv + 1] = "--state-dir=" .. server.state_dir
    argv[#argv + 1] = "--store=sqlite:" .. server.state_dir .. "/anzol.db"
  end
  local wrap = options.wrap or {}
  table.move(argv, 1, #argv, #wrap + 1)
  return table.move(wrap, 1, #wrap, 1, argv)
end

-- A project in a folder: options{ scripts = { [name] = text }, settings? (text of anzol.lua),
-- secrets?, env?, args?, workers?=2, port?, disk?, wrap? (a command that executes the server),
-- is_dev? (no store is named), with_clock? (server.clock, instead of env, sets its clock) }. Not
-- started yet. server.project: serve that folder instead.
function Server.new(options)
  local server = setmetatable({ dir = files.temp_dir(), options = options }, Server)
  server.state_dir = server.dir .. "/state"
  server.log_path = server.dir .. "/log"
  if options.with_clock then
    server.clock = Clock.new(server.dir)
    server.options.env = server.clock:env()
  end
  files.write(server.state_dir .. "/.keep", "")
  for name, text in pairs(options.scripts or {}) do server:write_script(name, text) end
  if options.settings then files.write(server.dir .. "/anzol.lua", options.settings) end
  return server
end

function Server:write_script(name, text)
  files.write(self.dir .. "/scripts/" .. name, text)
end

-- Starts the process; does not wait. The ports of the first start are kept: a server that comes
-- back is where its clients look for it.
function Server:launch(env)
  local options = self.options
  local merged = environment(options)
  for name, value in pairs(env or {}) do merged[name] = value end
  self.log_from = files.exists(self.log_path) and #files.read(self.log_path) or 0
  self.child = process.spawn {
    argv = arguments(self, options), env = merged, cwd = self.dir,
    output = self.dir .. "/output", errors = self.log_path,
  }
  return self
end

-- What it logged since the last launch.
function Server:log()
  if not files.exists(self.log_path) then return "" end
  return files.read(self.log_path):sub((self.log_from or 0) + 1)
end

function Server:is_healthy()
  local ok, answer = pcall(http.request, { port = self.admin_port, method = "GET",
    path = "/healthz", timeout = 2 })
  return ok and answer and answer.status == 200
end

-- Waits until it serves; raises with its log when it ends before.
function Server:await()
  local log = ""
  local ok, why = pcall(wait.until_true, "the server serves", START_MS, function()
    log = self:log()
    local kind, code = self.child:wait(0)
    if kind then error(("the server ended: %s %d"):format(kind, code)) end
    local port, admin_port = log:match "serving  listen=127%.0%.0%.1:(%d+) admin=127%.0%.0%.1:(%d+)"
    if port then
      self.port, self.admin_port = tonumber(port), tonumber(admin_port)
      return self:is_healthy()
    end
  end)
  if not ok then error(("%s\n%s"):format(why, log), 2) end
  return self
end

function Server.start(options)
  local server = Server.new(options)
  local ok, why = pcall(function() server:launch():await() end)
  if not ok then
    server:close()
    error(why, 2)
  end
  return server
end

function Server:restart(env)
  return self:launch(env):await()
end

function Server:signal(number) self.child:kill(number) end

-- kill -9, and gone.
function Server:kill()
  self.child:kill(9)
  self.child:wait(5000)
end

-- Waits for the end: "exit", code | "signal", number | nil.
function Server:ended(ms)
  return self.child:wait(ms or STOP_MS)
end

-- SIGTERM, and its exit.
function Server:stop()
  self.child:kill(15)
  return self:ended()
end

local complaints = { "ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
  "check failed" }

-- Ends it, removes the folder; raises if a sanitizer or a check spoke up.
function Server:close()
  if self.child then self:kill() end
  local log = files.exists(self.log_path) and files.read(self.log_path) or ""
  files.remove(self.dir)
  for _, words in ipairs(complaints) do
    local at = log:find(words, 1, true)
    if at then error(log:sub(at, at + 4000)) end
  end
end

-- GET of the admin API: decoded body, status.
function Server:get(path)
  local answer = assert(http.request { port = self.admin_port, method = "GET", path = path,
    headers = { Authorization = "Bearer " .. Server.token } })
  return json.decode(answer.body), answer.status
end

-- All items of a list, newest first; until: called with each, true ends the walk.
function Server:list(path, stop_at)
  local items, iterator = {}, nil
  repeat
    local page, status = self:get(path .. (path:find "?" and "&" or "?") .. "limit=250"
      .. (iterator and "&iterator=" .. iterator or ""))
    if status ~= 200 then error(("GET %s: status %d"):format(path, status)) end
    for _, item in ipairs(page.data) do
      if stop_at and stop_at(item) then return items end
      items[#items + 1] = item
    end
    iterator = page.iterator
  until page.done
  return items
end

function Server:event_count() return #self:list "/api/v1/event" end

-- POST to the public listener.
function Server:post(path, body, headers)
  return http.request { port = self.port, path = path, body = body, headers = headers }
end

return Server
