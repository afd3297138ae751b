-- SPDX-License-Identifier: MIT
-- Zendesk: base64 HMAC-SHA256 over time and body in X-Zendesk-Webhook-Signature. From Zendesk's
-- documents. https://developer.zendesk.com/documentation/webhooks/verifying/
local declare = require "anzol.declare"

return declare {
  name = "zendesk",
  recipe = {
    header = "X-Zendesk-Webhook-Signature", encoding = "base64", time = "iso",
    timestamp_header = "X-Zendesk-Webhook-Signature-Timestamp", content = { "timestamp", "body" },
  },
  type = declare.type_of_json("zendesk", "type"),
  idempotency_key = declare.key_of_json "id",
}
