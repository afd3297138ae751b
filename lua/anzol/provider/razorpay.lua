-- SPDX-License-Identifier: MIT
-- Razorpay: hex HMAC-SHA256 over the body in X-Razorpay-Signature. From other receivers' code.
-- https://razorpay.com/docs/webhooks/validate-test/
local declare = require "anzol.declare"

return declare {
  name = "razorpay",
  recipe = { header = "X-Razorpay-Signature" },
  type = declare.type_of_json("razorpay", "event"),
  idempotency_key = declare.key_of_header "x-razorpay-event-id",
}
