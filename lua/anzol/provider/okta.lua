-- SPDX-License-Identifier: MIT
-- Okta event hooks: the Authorization header holds the secret. The handshake is a GET whose header
-- is echoed. From other receivers' code. https://developer.okta.com/docs/concepts/event-hooks/
local declare = require "anzol.declare"

return declare {
  name = "okta",
  recipe = { maker = "token", header = "Authorization" },
  type = function() return "okta.events" end,
  idempotency_key = declare.key_of_json "eventId",
  challenge = function()
    return function(req)
      local text = req.method == "GET" and req.headers["x-okta-verification-challenge"]
      if text then return { status = 200, json = { verification = text } } end
    end
  end,
}
