-- SPDX-License-Identifier: MIT
-- Mandrill: base64 HMAC-SHA1 over the URL and the form's fields, sorted. The source needs its
-- public_url. From other receivers' code.
-- https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
local declare = require "anzol.declare"

return declare {
  name = "mandrill",
  recipe = {
    header = "X-Mandrill-Signature", algorithm = "sha1", encoding = "base64",
    content = { "url", "form" },
  },
  type = function() return "mandrill.events" end,
  challenge = function()
    return function(req)
      if req.method == "HEAD" then return { status = 200, body = "" } end
    end
  end,
  headers = function() return { ["Content-Type"] = "application/x-www-form-urlencoded" } end,
}
