-- SPDX-License-Identifier: MIT
-- Twitter/X account activity: base64 HMAC-SHA256 over the body by the consumer secret. The
-- handshake is a GET whose crc_token is signed. From X's documents.
-- https://docs.x.com/x-api/webhooks/quickstart
local declare = require "anzol.declare"

local crypto = require "anzol.core".crypto

return declare {
  name = "twitter",
  recipe = {
    header = "X-Twitter-Webhooks-Signature", prefix = "sha256=", encoding = "base64",
  },
  type = function() return "twitter.activity" end,
  challenge = function(options)
    local secret = declare.secrets(options, "twitter")[1]
    return function(req)
      local token = req.method == "GET" and req.query.crc_token
      if not token then return nil end
      return { status = 200,
        json = { response_token = "sha256=" .. crypto.hmac("sha256", secret, token, "base64") } }
    end
  end,
}
