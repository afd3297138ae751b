-- SPDX-License-Identifier: MIT
-- Shopify: base64 HMAC-SHA256 over the body in X-Shopify-Hmac-SHA256; the key is the app's client
-- secret. From Shopify's documents.
-- https://shopify.dev/docs/apps/build/webhooks/subscribe/https
local declare = require "anzol.declare"

return declare {
  name = "shopify",
  recipe = { header = "X-Shopify-Hmac-SHA256", encoding = "base64" },
  type = declare.type_of_header("shopify", "x-shopify-topic"),
  idempotency_key = declare.key_of_header "x-shopify-webhook-id",
  headers = function(message)
    return { ["X-Shopify-Topic"] = ((message.type or "orders/create"):gsub("^shopify%.", "")),
      ["X-Shopify-Webhook-Id"] = message.id }
  end,
}
