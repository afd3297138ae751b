-- SPDX-License-Identifier: MIT
-- Meta (Facebook, WhatsApp, Instagram): HMAC-SHA256 over the body by the app secret in
-- X-Hub-Signature-256. The handshake is an unsigned GET with your verify_token. From Meta's
-- documents. https://developers.facebook.com/docs/graph-api/webhooks/getting-started
local declare = require "anzol.declare"

local crypto = require "anzol.core".crypto

return declare {
  name = "meta",
  recipe = { header = "X-Hub-Signature-256", prefix = "sha256=" },
  options = { "verify_token" },
  type = declare.type_of_json("meta", "object"),
  challenge = function(options)
    if options.verify_token == nil then return nil end
    return function(req)
      if req.method ~= "GET" then return nil end
      local query = req.query
      if query["hub.mode"] == "subscribe" and query["hub.verify_token"]
        and crypto.equal(query["hub.verify_token"], options.verify_token) then
        return { status = 200, body = query["hub.challenge"] or "",
          headers = { ["Content-Type"] = "text/plain" } }
      end
      return { status = 403, body = "" }
    end
  end,
}
