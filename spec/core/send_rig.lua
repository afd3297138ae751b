-- SPDX-License-Identifier: MIT
-- What the specs of sending stand on: a sender over a store in memory and scripted servers.
local send = require "anzol_test.send"

local M = {}

local Rig = {}
Rig.__index = Rig

function M.ok(body)
  return ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#(body or ""), body or "")
end

function M.answer(status, headers, body)
  local lines = { ("HTTP/1.1 %d Words"):format(status) }
  for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  lines[#lines + 1] = "Content-Length: " .. #(body or "")
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- Headers of a request: lower-case name -> value, in order too.
function M.headers(request)
  local headers = {}
  for name, value in request.head:gmatch "\r\n([^:\r\n]+): ?([^\r\n]*)" do
    headers[name:lower()] = value
    headers[#headers + 1] = name:lower()
  end
  return headers
end

-- A port that nobody listens on.
function M.closed_port(rig)
  local port, close = rig.rig:server(function() end)
  close()
  rig.rig:run(5)
  return port
end

function M.new(options)
  return setmetatable({ rig = send.rig(options), deadline_ms = 5000 }, Rig)
end

-- Starts a server; its requests are kept in server.requests.
function Rig:server(behaviour)
  local server = { requests = {} }
  local function on_request(request)
    server.requests[#server.requests + 1] = request
    return behaviour(request, server)
  end
  server.port, server.close =
    self.rig:server(type(behaviour) == "table" and behaviour or on_request)
  server.url = "http://127.0.0.1:" .. server.port .. "/hook"
  return server
end

-- One endpoint "endpoint" of the url, or several with their own names and ids; starts once.
function Rig:endpoints(list)
  self.rig:endpoints(list)
  if not self.is_started then
    self.rig:start()
    self.is_started = true
  end
end

function Rig:endpoint(spec) self:endpoints { spec } end

function Rig:commit(message, name) return self.rig:commit(name or "endpoint", message) end

function Rig:wait(done, ms)
  return self.rig:run(ms or self.deadline_ms, done)
end

-- Turns the loop until every delivery is settled. Returns the rows.
function Rig:settle(ms)
  local is_settled = self:wait(function() return self.rig:open_count() == 0 end, ms)
  self:wait(function() return self.rig:counts().held == 0 end, 1000)
  assert(is_settled, "deliveries are still open after " .. (ms or self.deadline_ms) .. " ms")
  return self.rig:rows()
end

-- Turns the loop until the first delivery has made n attempts. Returns its row.
function Rig:attempts(n, ms)
  local row
  assert(self:wait(function()
    row = self.rig:rows()[1]
    return row and row.attempt_count >= n
  end, ms), "fewer than " .. n .. " attempts")
  return row
end

-- The first attempt of one message to a server that behaves so.
function Rig:first_attempt(behaviour, spec)
  local server = behaviour and self:server(behaviour)
  spec = spec or {}
  spec.url = spec.url or server.url
  spec.retry_ms = spec.retry_ms or 60000
  self:endpoint(spec)
  self:commit { body = "{}" }
  return self:attempts(1).attempts[1], server
end

function Rig:close() self.rig:close() end

-- The rig of one spec, closed whatever happens. Its arguments go before done.
function M.with(fn, options)
  return function()
    local rig = M.new(options)
    local ok, problem = xpcall(fn, debug.traceback, rig)
    local closed, reason = pcall(rig.close, rig)
    if not ok then error(problem, 0) end
    if not closed then error(reason, 0) end
  end
end

return M
