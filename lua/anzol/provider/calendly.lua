-- SPDX-License-Identifier: MIT
-- Calendly: hex HMAC-SHA256 over "time.body" in Calendly-Webhook-Signature: t=…,v1=…; three
-- minutes. From Calendly's documents.
-- https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures
local declare = require "anzol.declare"

return declare {
  name = "calendly",
  recipe = {
    header = "Calendly-Webhook-Signature", item_separator = ",", field = "v1",
    timestamp_field = "t", content = { "timestamp", ".", "body" }, tolerance = "3m",
  },
  type = declare.type_of_json("calendly", "event"),
}
