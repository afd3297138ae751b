-- SPDX-License-Identifier: MIT
-- Asana: hex HMAC-SHA256 over the body in X-Hook-Signature. The handshake is an unsigned request
-- with X-Hook-Secret, which must be echoed and is the secret from then on: read it from the log
-- once and set it. From other receivers' code, not from Asana's documents.
local declare = require "anzol.declare"

return declare {
  name = "asana",
  recipe = { header = "X-Hook-Signature" },
  type = function() return "asana.events" end, -- the body is a list of them
  challenge = function()
    return function(req)
      local secret = req.headers["x-hook-secret"]
      if secret and not req.headers["x-hook-signature"] then
        return { status = 200, body = "", headers = { ["X-Hook-Secret"] = secret } }
      end
    end
  end,
  hide_headers = { "authorization", "cookie", "x-hook-secret" },
}
