-- SPDX-License-Identifier: MIT
-- Twilio: base64 HMAC-SHA1 by the auth token over the URL and, of a form, each field sorted by
-- name; of other bodies the URL holds bodySHA256. The source needs its public_url. From Twilio's
-- documents and helper library. https://www.twilio.com/docs/usage/security#validating-requests
local declare = require "anzol.declare"

return declare {
  name = "twilio",
  recipe = {
    header = "X-Twilio-Signature", algorithm = "sha1", encoding = "base64",
    content = { "url", "form" }, body_hash_query = "bodySHA256",
  },
  type = function(req)
    local form = req.form
    if form.CallStatus then return "twilio.call" end
    return form.MessageSid and "twilio.message" or "twilio.request"
  end,
  -- One message reports several states: each is an event of its own.
  idempotency_key = function(req)
    local form = req.form
    local sid = form.MessageSid or form.CallSid
    return sid and sid .. ":" .. (form.MessageStatus or form.CallStatus or form.SmsStatus or "")
  end,
  headers = function() return { ["Content-Type"] = "application/x-www-form-urlencoded" } end,
}
