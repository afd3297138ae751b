-- SPDX-License-Identifier: MIT
-- Gitea and Forgejo: hex HMAC-SHA256 over the body in X-Gitea-Signature or X-Forgejo-Signature.
-- From other receivers' code, not from Gitea's documents.
local declare = require "anzol.declare"

return declare {
  name = "gitea",
  recipe = { header = { "X-Gitea-Signature", "X-Forgejo-Signature" } },
  type = function(req)
    return declare.event_type("gitea", req.headers["x-gitea-event"]
      or req.headers["x-forgejo-event"])
  end,
  idempotency_key = function(req)
    return req.headers["x-gitea-delivery"] or req.headers["x-forgejo-delivery"]
  end,
  headers = function(message)
    return { ["X-Gitea-Event"] = ((message.type or "push"):gsub("^gitea%.", "")),
      ["X-Gitea-Delivery"] = message.id }
  end,
}
