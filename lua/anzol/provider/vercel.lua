-- SPDX-License-Identifier: MIT
-- Vercel: hex HMAC-SHA1 over the body in x-vercel-signature. From Vercel's documents.
-- https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks
local declare = require "anzol.declare"

return declare {
  name = "vercel",
  recipe = { header = "x-vercel-signature", algorithm = "sha1" },
  type = declare.type_of_json("vercel", "type"),
  idempotency_key = declare.key_of_json "id",
}
