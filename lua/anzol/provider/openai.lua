-- SPDX-License-Identifier: MIT
-- OpenAI: as Standard Webhooks say, under the headers webhook-* or svix-*. From its documents.
-- https://platform.openai.com/docs/guides/webhooks
local declare = require "anzol.declare"

return declare {
  name = "openai",
  recipe = { maker = "standard" },
  type = declare.type_of_json("openai", "type"),
  idempotency_key = function(req) return req.headers["webhook-id"] or req.headers["svix-id"] end,
}
