-- SPDX-License-Identifier: MIT
-- Lemon Squeezy: hex HMAC-SHA256 over the body in X-Signature. From memory.
-- https://docs.lemonsqueezy.com/help/webhooks/signing-requests
local declare = require "anzol.declare"

return declare {
  name = "lemonsqueezy",
  recipe = { header = "X-Signature" },
  type = declare.type_of_json("lemonsqueezy", "meta.event_name"),
  headers = function(message)
    return { ["X-Event-Name"] = ((message.type or "order_created"):gsub("^lemonsqueezy%.", "")) }
  end,
}
