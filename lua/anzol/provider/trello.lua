-- SPDX-License-Identifier: MIT
-- Trello: base64 HMAC-SHA1 over body and callback URL in X-Trello-Webhook, by the app's secret.
-- The source needs its public_url. From other receivers' code and Atlassian's guide.
-- https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/#webhook-signatures
local declare = require "anzol.declare"

return declare {
  name = "trello",
  recipe = {
    header = "X-Trello-Webhook", algorithm = "sha1", encoding = "base64",
    content = { "body", "url" },
  },
  type = declare.type_of_json("trello", "action.type"),
  idempotency_key = declare.key_of_json "action.id",
  challenge = function()
    return function(req)
      if req.method == "HEAD" then return { status = 200, body = "" } end
    end
  end,
}
