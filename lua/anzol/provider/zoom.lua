-- SPDX-License-Identifier: MIT
-- Zoom: hex HMAC-SHA256 over "v0:time:body" in x-zm-signature: v0=…. endpoint.url_validation is
-- answered with the token's HMAC, again every 72 hours. From Zoom's documents.
-- https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events
local declare = require "anzol.declare"

local crypto = require "anzol.core".crypto

return declare {
  name = "zoom",
  recipe = {
    header = "x-zm-signature", prefix = "v0=", timestamp_header = "x-zm-request-timestamp",
    content = { "v0:", "timestamp", ":", "body" }, tolerance = "5m",
  },
  type = declare.type_of_json("zoom", "event"),
  respond = function(options)
    local secret = declare.secrets(options, "zoom")[1]
    return function(req)
      local body = req.json
      if declare.find(body, "event") ~= "endpoint.url_validation" then return nil end
      local token = declare.find(body, "payload.plainToken")
      if type(token) ~= "string" then return nil end
      return { status = 200, store = false, json = { plainToken = token,
        encryptedToken = crypto.hmac("sha256", secret, token, "hex") } }
    end
  end,
}
