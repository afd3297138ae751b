-- SPDX-License-Identifier: MIT
-- A server with queues, and what their receivers ask of it. One at a time: M.server.
local Server = require "support.server"
local assert = require "luassert"
local http = require "support.http"
local json = require "dkjson"
local wait = require "support.wait"

local M = {}

M.script = [[
local anzol = require "anzol"
anzol.source("in", { verify = anzol.verify.none(), type = function(req)
  return req.headers["x-type"] or "thing"
end })
local auth = anzol.verify.bearer { secret = anzol.secret "QUEUE" }
anzol.endpoint("jobs", { kind = "long_poll", path = "/queue/jobs", auth = auth, wait = "20s",
  lease = "30s", batch = 10, retry = anzol.backoff.constant { base = "1h", attempts = 3 } })
anzol.endpoint("short", { kind = "long_poll", path = "/queue/short", lease = "1s",
  auth = anzol.verify.bearer { secret = anzol.secret "QUEUE", query = true },
  retry = anzol.backoff.constant { base = "1h", attempts = 2 } })
anzol.endpoint("line", { kind = "long_poll", path = "/queue/line", auth = auth,
  order_by = function(message) return message.json.key end })
anzol.on("thing", function(event) event:send("jobs") end)
anzol.on("big", function(event)
  for _ = 1, 2 do event:send("jobs", { body = ("x"):rep(5 * 1024 * 1024) }) end
end)
anzol.on("made", function(event)
  event:send(event.data.to, { json = event.data, headers = { ["X-Made"] = "yes" } },
    { priority = event.data.priority, expires = event.data.expires })
end)
]]

function M.start(options)
  options = options or {}
  M.server = Server.start { scripts = { ["main.lua"] = options.script or M.script },
    secrets = { QUEUE = "q-secret" }, workers = options.workers }
  return M.server
end

M.auth = { Authorization = "Bearer q-secret" }

function M.ask(path, headers)
  return http.request { port = M.server.port, method = "GET", path = path, headers = headers or M.auth }
end

function M.take(name, query)
  local answer = assert(M.ask("/queue/" .. name .. "?" .. (query or "wait=5s")))
  if answer.status == 204 then return {} end
  assert.equal(200, answer.status, answer.body)
  return json.decode(answer.body).data
end

function M.finish(name, verb, body)
  local answer = assert(http.request { port = M.server.port, path = "/queue/" .. name .. "/" .. verb,
    headers = M.auth, body = json.encode(body) })
  return json.decode(answer.body), answer.status
end

function M.post(body, headers)
  local answer = M.server:post("/in/in", body, headers)
  assert.equal(200, answer.status)
  return json.decode(answer.body).id
end

function M.make(data)
  return M.post(json.encode(data), { ["X-Type"] = "made", ["Content-Type"] = "application/json" })
end

function M.row(id)
  return M.server:get("/api/v1/delivery/" .. id:match "^[^.]+")
end

-- A receiver that waits, once the server knows it.
function M.waiting(name, query)
  local connection = http.open(M.server.port, 10)
  connection:send(http.format { method = "GET", path = "/queue/" .. name .. (query or "?wait=20s"),
    headers = M.auth })
  wait.until_true("a receiver", 5000, function()
    for _, queue in ipairs(M.server:get("/api/v1/queue").data) do
      if queue.name == name and queue.receivers == 1 then return true end
    end
  end)
  return connection
end

return M
