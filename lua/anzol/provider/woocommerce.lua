-- SPDX-License-Identifier: MIT
-- WooCommerce: base64 HMAC-SHA256 over the body in X-WC-Webhook-Signature. From WooCommerce's
-- documents; that the first request is an unsigned form webhook_id=… is from memory.
-- https://developer.woocommerce.com/docs/best-practices/urls-and-routing/webhooks/
local declare = require "anzol.declare"

return declare {
  name = "woocommerce",
  recipe = { header = "X-WC-Webhook-Signature", encoding = "base64" },
  type = declare.type_of_header("woocommerce", "x-wc-webhook-topic"),
  idempotency_key = declare.key_of_header "x-wc-webhook-delivery-id",
  challenge = function()
    return function(req)
      if req.body:find "^webhook_id=%d+$" then return { status = 200, body = "" } end
    end
  end,
  headers = function(message)
    local topic = (message.type or "order.created"):gsub("^woocommerce%.", "")
    return { ["X-WC-Webhook-Topic"] = topic,
      ["X-WC-Webhook-Delivery-ID"] = message.id }
  end,
}
