-- SPDX-License-Identifier: MIT
-- Clients of the admin API that ask at the same time, or do not wait for their answers: each has a connection.
local http = require "support.http"
local json = require "dkjson"

local M = {}

M.SENDERS = 6

-- request: { method?="POST", path (below /api/v1), body, key? (of idempotency) }.
function M.send(server, connection, request)
  return connection:send(http.format { method = request.method, path = "/api/v1" .. request.path,
    body = json.encode(request.body), headers = { Authorization = "Bearer " .. server.token,
      ["Content-Type"] = "application/json", ["Idempotency-Key"] = request.key } })
end

-- All send, then all answers are read: as a list. request_of(i): what the i-th asks.
function M.ask_all(server, request_of)
  local connections, answers = {}, {}
  for i = 1, M.SENDERS do connections[i] = http.open(server.admin_port) end
  for i = 1, M.SENDERS do M.send(server, connections[i], request_of(i)) end
  for i = 1, M.SENDERS do
    answers[i] = connections[i]:receive()
    connections[i]:close()
  end
  return answers
end

return M
