-- SPDX-License-Identifier: MIT
-- GitHub: HMAC-SHA256 over the body in X-Hub-Signature-256, type in X-GitHub-Event, id of the
-- webhook in X-GitHub-Delivery (the same when GitHub sends it again).
-- https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
local anzol = require "anzol"

local function type_of(req)
  return "github." .. (req.headers["x-github-event"] or "unknown")
end

local function key_of(req)
  return req.headers["x-github-delivery"]
end

-- anzol.provider.github { secret = anzol.secret "NAME" }; several secrets while one rotates.
return function(options)
  local signer = anzol.sign.hmac {
    secret = type(options) == "table" and options.secret or nil,
    header = "X-Hub-Signature-256",
    prefix = "sha256=",
  }
  return {
    name = "github",
    verify = anzol.verify.github(options),
    type = type_of,
    idempotency_key = key_of,
    -- As GitHub would send it: message { type = "push" or "github.push", body, id }.
    sign = function(message)
      local headers = signer { body = message.body }
      headers["Content-Type"] = "application/json"
      headers["X-GitHub-Event"] = ((message.type or "ping"):gsub("^github%.", ""))
      headers["X-GitHub-Delivery"] = message.id
      return headers
    end,
  }
end
