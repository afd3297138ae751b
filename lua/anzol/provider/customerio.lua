-- SPDX-License-Identifier: MIT
-- Customer.io: hex HMAC-SHA256 over "v0:time:body" in X-CIO-Signature. From other receivers' code,
-- not from Customer.io's documents.
local declare = require "anzol.declare"

return declare {
  name = "customerio",
  recipe = {
    header = "X-CIO-Signature", timestamp_header = "X-CIO-Timestamp",
    content = { "v0:", "timestamp", ":", "body" }, tolerance = "5m",
  },
  type = declare.type_of_json("customerio", "metric"),
  idempotency_key = declare.key_of_json "event_id",
}
