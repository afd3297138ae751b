-- SPDX-License-Identifier: MIT
-- Cursor: hex HMAC-SHA256 over the body in X-Webhook-Signature: sha256=…. From Cursor's documents.
-- https://docs.cursor.com/en/background-agent/api/webhooks
local declare = require "anzol.declare"

return declare {
  name = "cursor",
  recipe = { header = "X-Webhook-Signature", prefix = "sha256=" },
  type = declare.type_of_header("cursor", "x-webhook-event"),
  idempotency_key = declare.key_of_header "x-webhook-id",
}
