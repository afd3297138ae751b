-- SPDX-License-Identifier: MIT
-- Svix: as Standard Webhooks say, under the headers webhook-* or svix-*. From its documents.
-- https://docs.svix.com/receiving/verifying-payloads/how
local declare = require "anzol.declare"

return declare {
  name = "svix",
  recipe = { maker = "standard" },
  type = declare.type_of_json("svix", "type"),
  idempotency_key = function(req) return req.headers["webhook-id"] or req.headers["svix-id"] end,
}
