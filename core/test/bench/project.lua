-- SPDX-License-Identifier: MIT
-- The project that the bench serves, and the server on it: a source that nobody subscribes to
-- (durable ingest), and one whose handler reads the JSON and sends a new body to the sink.
local http = require "socket.http"
local ltn12 = require "ltn12"
local process = require "process"

local M = { secret = "bench-github-secret", token = "bench-token" }

local SINK_SECRET = "whsec_YmVuY2gtcmVjZWl2ZXItc2VjcmV0LTMyLWJ5dGVzLg=="

local SCRIPT = [[
local anzol = require "anzol"

local function github(secret)
  return anzol.provider.github { secret = anzol.secret(secret) }
end

anzol.source("ingest", { provider = github "BENCH" })
anzol.source("github", { provider = github "BENCH" })

anzol.endpoint("sink", {
  url = "@SINK@",
  sign = anzol.sign.standard { secret = anzol.secret "BENCH_SINK" },
  allow_private = true,
  concurrency = 64,
  rate_limit = "1000000/s",
})

anzol.on("github.push", { source = "github" }, function(event)
  local push = event.data
  local branch = push.ref:match "^refs/heads/(.+)$"
  if not branch or push.deleted then return anzol.skip "not a branch update" end
  local ids = {}
  for i, commit in ipairs(push.commits) do ids[i] = commit.id end
  event:send("sink", { json = {
    repository = push.repository.full_name,
    branch = branch,
    pusher = push.pusher.name,
    commits = ids,
    sent_at_us = push.sent_at_us,
  } })
end)
]]

function M.write_scripts(dir, scripts)
  for name, text in pairs(scripts) do
    process.write(("%s/scripts/%s.lua"):format(dir, name),
      'local anzol = require "anzol"\n' .. text)
  end
end

local Server = {}
Server.__index = Server

-- options{ anzol (the binary), dir (empty, of its own), core, wrap? (a command before it),
-- scripts? (more of them: { [name] = text }) }
function M.serve(options)
  local server = setmetatable({}, Server)
  server.port, server.admin, server.sink =
    process.free_port(), process.free_port(), process.free_port()
  os.execute(("mkdir -p %s/scripts"):format(process.quote(options.dir)))
  process.write(options.dir .. "/scripts/bench.lua",
    (SCRIPT:gsub("@SINK@", ("http://127.0.0.1:%d/hook"):format(server.sink))))
  M.write_scripts(options.dir, options.scripts or {})
  local command = ("%s %s serve %s --listen 127.0.0.1:%d --admin-listen 127.0.0.1:%d " ..
    "--store sqlite:%s/anzol.db --workers 1 --admin-token %s"):format(options.wrap or "",
    options.anzol, process.quote(options.dir), server.port, server.admin, options.dir, M.token)
  local environment = ("env ANZOL_SECRET_BENCH=%s ANZOL_SECRET_BENCH_SINK=%s ")
    :format(M.secret, SINK_SECRET)
  server.child = process.start {
    command = environment .. process.pin(options.core, command),
    log = options.dir .. "/log",
  }
  server.child:wait(function() return process.answers(server.port) end)
  return server
end

function Server:url(source) return ("http://127.0.0.1:%d/in/%s"):format(self.port, source) end
-- A POST to the API that is answered with this status.
function Server:post(path, text, wanted)
  local body, status = http.request {
    url = ("http://127.0.0.1:%d/api/v1/%s"):format(self.admin, path), method = "POST",
    headers = { authorization = "Bearer " .. M.token, ["content-type"] = "application/json",
      ["content-length"] = tostring(#text) },
    source = ltn12.source.string(text),
  }
  if not body or status ~= wanted then error(("POST %s failed: %s"):format(path, status), 0) end
end

-- Returns once the new scripts serve.
function Server:reload() self:post("script/reload", "{}", 200) end

function Server:stop() return self.child:stop() end

return M
