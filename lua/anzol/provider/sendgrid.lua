-- SPDX-License-Identifier: MIT
-- SendGrid event webhook: ECDSA P-256 with SHA-256 over time and body, public key as SendGrid
-- shows it (base64). The body is a list of events. From SendGrid's documents and library.
-- https://www.twilio.com/docs/sendgrid/for-developers/tracking-events
local declare = require "anzol.declare"

return declare {
  name = "sendgrid",
  recipe = {
    maker = "ecdsa", is_public = true, header = "X-Twilio-Email-Event-Webhook-Signature",
    timestamp_header = "X-Twilio-Email-Event-Webhook-Timestamp", encoding = "base64",
    content = { "timestamp", "body" },
  },
  type = function() return "sendgrid.events" end,
}
