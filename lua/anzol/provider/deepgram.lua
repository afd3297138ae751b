-- SPDX-License-Identifier: MIT
-- Deepgram: the secret comes in clear in dg-token. From Deepgram's documents.
-- https://developers.deepgram.com/docs/callback
local declare = require "anzol.declare"

return declare {
  name = "deepgram",
  recipe = { maker = "token", header = "dg-token" },
  type = function() return "deepgram.result" end,
  idempotency_key = declare.key_of_json "metadata.request_id",
  hide_headers = { "authorization", "cookie", "dg-token" },
}
