-- SPDX-License-Identifier: MIT
-- Standard Webhooks: id, timestamp and body signed (webhook-id, webhook-timestamp,
-- webhook-signature); the type stands in the body.
-- https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
local declare = require "anzol.declare"

return declare {
  name = "standard",
  recipe = { maker = "standard" },
  type = function(req)
    local name = declare.find(req.json, "type")
    if type(name) ~= "string" then
      error("the body has no text 'type', as Standard Webhooks asks for; give the source a 'type'",
        0)
    end
    return name
  end,
  idempotency_key = function(req) return req.headers["webhook-id"] or req.headers["svix-id"] end,
}
