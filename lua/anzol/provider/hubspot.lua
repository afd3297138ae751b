-- SPDX-License-Identifier: MIT
-- HubSpot (signature v3): base64 HMAC-SHA256 over method, URL, body and time (ms). Some escapes of
-- the URL are decoded before it is signed. The source needs its public_url. From HubSpot's
-- documents.
-- https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
local declare = require "anzol.declare"

return declare {
  name = "hubspot",
  recipe = {
    header = "X-HubSpot-Signature-v3", timestamp_header = "X-HubSpot-Request-Timestamp",
    time = "ms", encoding = "base64", content = { "method", "decoded_url", "body", "timestamp" },
    tolerance = "5m",
  },
  type = function() return "hubspot.events" end, -- the body is a list of them
}
