-- SPDX-License-Identifier: MIT
-- GitHub: HMAC-SHA256 over the body in X-Hub-Signature-256, type in X-GitHub-Event, id of the
-- webhook in X-GitHub-Delivery (the same when GitHub sends it again). From GitHub's documents.
-- https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
local declare = require "anzol.declare"

return declare {
  name = "github",
  recipe = { header = "X-Hub-Signature-256", prefix = "sha256=" },
  type = declare.type_of_header("github", "x-github-event"),
  idempotency_key = declare.key_of_header "x-github-delivery",
  -- message.type: "push" or "github.push"
  headers = function(message)
    return { ["X-GitHub-Event"] = ((message.type or "ping"):gsub("^github%.", "")),
      ["X-GitHub-Delivery"] = message.id }
  end,
}
