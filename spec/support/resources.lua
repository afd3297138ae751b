-- SPDX-License-Identifier: MIT
-- Calls of the admin API of a server as an SDK makes them, for specs of what is registered over it.
local http = require "support.http"
local json = require "dkjson"

-- call(method, path, body?, headers?) -> decoded body (nil: none), status; a body that is a string is
-- sent as it is.
return function(server)
  return function(method, path, body, headers)
    local all = { Authorization = "Bearer " .. server.token }
    if body ~= nil then all["Content-Type"] = "application/json" end
    for name, value in pairs(headers or {}) do all[name] = value end
    local text = type(body) == "table" and json.encode(body) or body
    local answer = assert(http.request { port = server.admin_port, method = method,
      path = "/api/v1" .. path, headers = all, body = text })
    return answer.body ~= "" and json.decode(answer.body) or nil, answer.status, answer.body
  end
end
