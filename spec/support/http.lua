-- SPDX-License-Identifier: MIT
-- A plain HTTP client for specs, by raw sockets: it sends exactly the bytes that it is told to.
local socket = require "socket"
local wait = require "support.wait"

local M = {}

local function connect(port, timeout, from)
  local line = assert(socket.tcp())
  line:settimeout((timeout or 10) * wait.patience)
  if from then assert(line:bind(from, 0)) end
  assert(line:connect("127.0.0.1", port))
  line:setoption("tcp-nodelay", true)
  return line
end

local Connection = {}
Connection.__index = Connection

-- A connection that is used for several exchanges. Close it. from: another loopback address.
function M.open(port, timeout, from)
  return setmetatable({ line = connect(port, timeout, from) }, Connection)
end

function Connection:send(bytes)
  return self.line:send(bytes)
end

function Connection:close()
  self.line:close()
end

local function read_chunks(line)
  local parts = {}
  while true do
    local size = tonumber((assert(line:receive "*l"):match "^%x+"), 16)
    if size == 0 then
      repeat until line:receive "*l" == ""
      return table.concat(parts)
    end
    parts[#parts + 1] = assert(line:receive(size))
    line:receive "*l"
  end
end

-- One answer: { status, headers (lower-case names), body }, or nil and why ("closed", "timeout").
function Connection:receive(is_head)
  local line = self.line
  local first, why = line:receive "*l"
  if not first then return nil, why end
  local answer = { status = tonumber(first:match "^HTTP/1%.%d (%d+)"), headers = {}, body = "" }
  while true do
    local text = line:receive "*l"
    if not text then return nil, "closed in the headers" end
    if text == "" then break end
    local name, value = text:match "^([^:]+):%s*(.-)%s*$"
    answer.headers[name:lower()] = value
  end
  if answer.status == 100 then return self:receive(is_head) end
  if is_head then return answer end
  if answer.headers["transfer-encoding"] == "chunked" then
    answer.body = read_chunks(line)
  elseif (tonumber(answer.headers["content-length"]) or 0) > 0 then
    answer.body = line:receive(tonumber(answer.headers["content-length"]))
  end
  return answer
end

-- Reads on until the server closes: what still came, and whether it closed in time.
function Connection:drain(timeout)
  self.line:settimeout(timeout)
  local all, why, rest = self.line:receive "*a"
  return all or rest, why ~= "timeout"
end

function M.format(request)
  local body = request.body or ""
  local first = ("%s %s HTTP/1.1"):format(request.method or "POST", request.path)
  local lines = { first, "Host: 127.0.0.1" }
  for name, value in pairs(request.headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if request.body or (request.method or "POST") == "POST" then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

-- { port, method?="POST", path, headers?, body?, timeout? } -> answer | nil, why
function M.request(request)
  local connection = M.open(request.port, request.timeout)
  connection:send(M.format(request))
  local answer, why = connection:receive(request.method == "HEAD")
  connection:close()
  return answer, why
end

-- Sends raw bytes; returns the first answer (nil: none), what came behind it, and whether the
-- connection was then closed.
function M.probe(port, bytes)
  local connection = M.open(port, 3)
  connection:send(bytes)
  local answer = connection:receive()
  local rest, is_closed = connection:drain(2)
  connection:close()
  return answer, rest, is_closed
end

return M
