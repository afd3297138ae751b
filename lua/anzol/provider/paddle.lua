-- SPDX-License-Identifier: MIT
-- Paddle Billing: hex HMAC-SHA256 over "time:body" in Paddle-Signature: ts=…;h1=…. From Paddle's
-- documents and library, which allows 5 s; here it is 5 minutes unless you say otherwise.
-- https://developer.paddle.com/webhooks/signature-verification
local declare = require "anzol.declare"

return declare {
  name = "paddle",
  recipe = {
    header = "Paddle-Signature", item_separator = ";", field = "h1", timestamp_field = "ts",
    content = { "timestamp", ":", "body" }, tolerance = "5m",
  },
  type = declare.type_of_json("paddle", "event_type"),
  idempotency_key = declare.key_of_json "event_id",
}
