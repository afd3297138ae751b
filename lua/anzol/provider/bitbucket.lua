-- SPDX-License-Identifier: MIT
-- Bitbucket Cloud and Data Center: HMAC-SHA256 over the body in X-Hub-Signature, the name that
-- others use for SHA-1. From Atlassian's documents.
-- https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
local declare = require "anzol.declare"

return declare {
  name = "bitbucket",
  recipe = { header = "X-Hub-Signature", prefix = "sha256=" },
  type = declare.type_of_header("bitbucket", "x-event-key"),
  idempotency_key = declare.key_of_header "x-request-uuid",
  headers = function(message)
    return { ["X-Event-Key"] = ((message.type or "repo:push"):gsub("^bitbucket%.", "")),
      ["X-Request-UUID"] = message.id }
  end,
}
