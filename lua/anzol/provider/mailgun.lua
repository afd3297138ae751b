-- SPDX-License-Identifier: MIT
-- Mailgun: the signature lies in the body, hex HMAC-SHA256 by the webhook signing key over its
-- timestamp and token; the rest of the body is not signed. A token that comes again is the same
-- event. From Mailgun's documents.
-- https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
local crypto = require "anzol.core".crypto
local declare = require "anzol.declare"

local json = require "anzol.core".json

local function is_form(req)
  return (req.headers["content-type"] or ""):lower():find("x-www-form-urlencoded", 1, true)
end

-- Of JSON in "signature", of a form in fields of its own.
local function signature_of(req)
  local place = is_form(req) and req.form or declare.find(req.json, "signature")
  if type(place) ~= "table" then return nil end
  return place.timestamp, place.token, place.signature
end

return declare {
  name = "mailgun",
  options = { "tolerance" },
  verify = function(options)
    local secrets = declare.secrets(options, "mailgun")
    local function verify(req)
      local timestamp, token, signature = signature_of(req)
      if type(timestamp) ~= "string" or type(token) ~= "string" or type(signature) ~= "string" then
        return false, "the body has no signature with timestamp and token"
      end
      local genuine = false
      for _, secret in ipairs(secrets) do
        local expected = crypto.hmac("sha256", secret, timestamp .. token, "hex")
        genuine = crypto.equal(expected, signature) or genuine
      end
      if genuine then return true end
      return false, "the signature in the body does not match"
    end
    local fresh = declare.fresh(verify, { tolerance = options.tolerance or "5m" }, "mailgun",
      function(req)
        local timestamp = signature_of(req)
        return timestamp:find "^%d+$" and #timestamp <= 12 and math.tointeger(timestamp) * 1000
      end)
    -- The event without its signature, which is made anew.
    local function sign(message)
      local body = json.decode(message.body)
      if type(body) ~= "table" then error("a test request of mailgun has a JSON object", 0) end
      local stamp = tostring(message.timestamp)
      local token = crypto.hash("sha256", message.id, "hex"):sub(1, 50)
      body.signature = { timestamp = stamp, token = token,
        signature = crypto.hmac("sha256", secrets[1], stamp .. token, "hex") }
      return { ["Content-Type"] = "application/json" }, json.encode(body)
    end
    return fresh, sign
  end,
  type = function(req)
    local name = is_form(req) and req.form.event
    return declare.event_type("mailgun", name or not is_form(req)
      and declare.find(req.json, "event-data.event"))
  end,
  idempotency_key = function(req)
    local _, token = signature_of(req)
    return token
  end,
}
