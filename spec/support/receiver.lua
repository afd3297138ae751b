-- SPDX-License-Identifier: MIT
-- The receiver of the specs: the C one (anzol_test.process) with its records made readable.
local process = require "anzol_test.process"
local wait = require "support.wait"

local Receiver = {}
Receiver.__index = Receiver

function Receiver.start()
  local inner = process.receiver()
  return setmetatable({ inner = inner, port = inner:port(), kept = {} }, Receiver)
end

function Receiver:url(path)
  return ("http://127.0.0.1:%d%s"):format(self.port, path)
end

-- From now on, answers in turn for a path ("*": all others); the last one stays. An answer:
-- { status?=200, delay_ms?, headers? ("A: b\r\n"), body?, echoes? (the body
-- that came), echoes_member? (the text of that member of it), raw?, reset?, kill? (pid) }.
function Receiver:answer(path, ...)
  self.inner:answer(path, { ... })
end

local function parse(record)
  local method, path = record.head:match "^(%S+) (%S+)"
  record.method, record.path, record.headers = method, path, {}
  for name, value in record.head:gmatch "\r\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
    record.headers[name:lower()] = value
  end
  record.id = record.headers["webhook-id"]
  return record
end

-- What came since the last take, parsed.
function Receiver:take()
  local records = self.inner:take()
  for _, record in ipairs(records) do parse(record) end
  return records
end

-- Requests since the start, and connections.
function Receiver:total() return self.inner:total() end

-- Waits until n requests came in all.
function Receiver:await(n, limit_ms)
  if not self.inner:wait(n, math.floor((limit_ms or 5000) * wait.patience)) then
    error(("%d requests expected, %d came"):format(n, (self.inner:total())), 2)
  end
  return self
end

function Receiver:stop() self.inner:stop() end

return Receiver
