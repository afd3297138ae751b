-- SPDX-License-Identifier: MIT
-- PagerDuty (v3): hex HMAC-SHA256 over the body in X-PagerDuty-Signature: v1=…,v1=… while a secret
-- rotates. From other receivers' code, not from PagerDuty's documents.
local declare = require "anzol.declare"

return declare {
  name = "pagerduty",
  recipe = { header = "X-PagerDuty-Signature", item_separator = ",", field = "v1" },
  type = declare.type_of_json("pagerduty", "event.event_type"),
  idempotency_key = declare.key_of_json "event.id",
}
