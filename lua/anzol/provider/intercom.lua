-- SPDX-License-Identifier: MIT
-- Intercom: hex HMAC-SHA1 over the body by the client secret in X-Hub-Signature: sha1=…. From other
-- receivers' code, not from Intercom's documents.
local declare = require "anzol.declare"

return declare {
  name = "intercom",
  recipe = { header = "X-Hub-Signature", prefix = "sha1=", algorithm = "sha1" },
  type = declare.type_of_json("intercom", "topic"),
  idempotency_key = declare.key_of_json "id",
  challenge = function()
    return function(req)
      if req.method == "HEAD" then return { status = 200, body = "" } end
    end
  end,
}
