-- SPDX-License-Identifier: MIT
-- Resend (by Svix): as Standard Webhooks say, under the headers webhook-* or svix-*. From its
-- documents. https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests
local declare = require "anzol.declare"

return declare {
  name = "resend",
  recipe = { maker = "standard" },
  type = declare.type_of_json("resend", "type"),
  idempotency_key = function(req) return req.headers["webhook-id"] or req.headers["svix-id"] end,
}
