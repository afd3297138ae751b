-- SPDX-License-Identifier: MIT
-- Square: base64 HMAC-SHA256 over notification URL and body in x-square-hmacsha256-signature. The
-- source needs its public_url, byte for byte as Square knows it. From Square's documents.
-- https://developer.squareup.com/docs/webhooks/step3validate
local declare = require "anzol.declare"

return declare {
  name = "square",
  recipe = {
    header = "x-square-hmacsha256-signature", encoding = "base64", content = { "url", "body" },
  },
  type = declare.type_of_json("square", "type"),
  idempotency_key = declare.key_of_json "event_id",
}
