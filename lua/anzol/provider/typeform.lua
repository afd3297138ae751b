-- SPDX-License-Identifier: MIT
-- Typeform: base64 HMAC-SHA256 over the body in Typeform-Signature: sha256=…. From Typeform's
-- documents. https://www.typeform.com/developers/webhooks/secure-your-webhooks/
local declare = require "anzol.declare"

return declare {
  name = "typeform",
  recipe = { header = "Typeform-Signature", prefix = "sha256=", encoding = "base64" },
  type = declare.type_of_json("typeform", "event_type"),
  idempotency_key = declare.key_of_json "event_id",
}
