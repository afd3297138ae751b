-- SPDX-License-Identifier: MIT
-- Clerk (by Svix): as Standard Webhooks say, under the headers webhook-* or svix-*. From its
-- documents. https://clerk.com/docs/webhooks/sync-data
local declare = require "anzol.declare"

return declare {
  name = "clerk",
  recipe = { maker = "standard" },
  type = declare.type_of_json("clerk", "type"),
  idempotency_key = function(req) return req.headers["webhook-id"] or req.headers["svix-id"] end,
}
