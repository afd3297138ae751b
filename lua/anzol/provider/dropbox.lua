-- SPDX-License-Identifier: MIT
-- Dropbox: hex HMAC-SHA256 over the body by the app secret in X-Dropbox-Signature. The handshake
-- is a GET whose challenge is echoed. From other receivers' code.
-- https://www.dropbox.com/developers/reference/webhooks
local declare = require "anzol.declare"

return declare {
  name = "dropbox",
  recipe = { header = "X-Dropbox-Signature" },
  type = function() return "dropbox.notification" end,
  challenge = function()
    return function(req)
      if req.method ~= "GET" then return nil end
      return { status = 200, body = req.query.challenge or "",
        headers = { ["Content-Type"] = "text/plain", ["X-Content-Type-Options"] = "nosniff" } }
    end
  end,
}
