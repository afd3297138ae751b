-- SPDX-License-Identifier: MIT
-- Stripe: hex HMAC-SHA256 over "time.body" in Stripe-Signature: t=…,v1=…; several v1 while a secret
-- rolls, v0 is of no use. The key is the whole text whsec_…, not decoded. From Stripe's documents.
-- https://docs.stripe.com/webhooks#verify-manually
local declare = require "anzol.declare"

return declare {
  name = "stripe",
  recipe = {
    header = "Stripe-Signature", item_separator = ",", field = "v1", timestamp_field = "t",
    content = { "timestamp", ".", "body" }, tolerance = "5m",
  },
  type = declare.type_of_json("stripe", "type"),
  idempotency_key = declare.key_of_json "id",
}
