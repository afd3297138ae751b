-- SPDX-License-Identifier: MIT
-- Xero: base64 HMAC-SHA256 over the body by the webhook key in x-xero-signature. A bad signature
-- must get 401: Xero tries it out ("intent to receive"). From Xero's documents.
-- https://developer.xero.com/documentation/webhooks/configuring-your-server
local declare = require "anzol.declare"

return declare {
  name = "xero",
  recipe = { header = "x-xero-signature", encoding = "base64" },
  type = function() return "xero.events" end, -- the body is a list of them, empty in the handshake
}
