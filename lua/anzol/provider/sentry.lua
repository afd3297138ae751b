-- SPDX-License-Identifier: MIT
-- Sentry: hex HMAC-SHA256 over the body by the integration's client secret in
-- Sentry-Hook-Signature. From other receivers' code.
-- https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
local declare = require "anzol.declare"

return declare {
  name = "sentry",
  recipe = { header = "Sentry-Hook-Signature" },
  type = function(req)
    local resource = req.headers["sentry-hook-resource"] or "unknown"
    local action = declare.find(req.json, "action")
    return declare.event_type("sentry", action and resource .. "." .. action or resource)
  end,
  idempotency_key = declare.key_of_header "request-id",
  headers = function(message)
    local resource = (message.type or "issue"):gsub("^sentry%.", ""):match "^[^.]+"
    return { ["Sentry-Hook-Resource"] = resource, ["Request-ID"] = message.id }
  end,
}
