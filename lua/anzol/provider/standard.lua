-- SPDX-License-Identifier: MIT
-- Standard Webhooks: id, timestamp and body signed (webhook-id, webhook-timestamp,
-- webhook-signature); the type stands in the body.
-- https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
local anzol = require "anzol"

local function type_of(req)
  local body = req.json
  local name = type(body) == "table" and body.type
  if type(name) ~= "string" then
    error("the body has no text 'type', as Standard Webhooks asks for; give the source a 'type'", 0)
  end
  return name
end

local function key_of(req)
  return req.headers["webhook-id"]
end

-- anzol.provider.standard { secret = anzol.secret "NAME", tolerance = "5m" }
return function(options)
  local verify = anzol.verify.standard(options)
  local signer = anzol.sign.standard { secret = options.secret }
  return {
    name = "standard",
    verify = verify,
    type = type_of,
    idempotency_key = key_of,
    sign = function(message)
      local headers = signer {
        id = message.id, timestamp = message.timestamp, body = message.body,
      }
      headers["Content-Type"] = "application/json"
      return headers
    end,
  }
end
