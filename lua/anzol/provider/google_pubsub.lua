-- SPDX-License-Identifier: MIT
-- Google Pub/Sub push: Authorization holds a token of Google's; audience and the service account
-- (email) of the subscription must be yours. The body itself is not signed. From memory.
-- https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
local declare = require "anzol.declare"
local jwt = require "anzol.jwt"

local JWKS = "https://www.googleapis.com/oauth2/v3/certs"

local function check_text(options, name)
  if type(options[name]) ~= "string" or options[name] == "" then
    declare.misuse("anzol.provider.google_pubsub needs '%s', as the subscription has it", name)
  end
end

local function check_claims(claims, options)
  if claims.iss ~= "https://accounts.google.com" and claims.iss ~= "accounts.google.com" then
    return false, "the token is not of Google's"
  elseif claims.aud ~= options.audience then
    return false, "the token is for another audience"
  elseif claims.email ~= options.email or claims.email_verified ~= true then
    return false, "the token is of another service account"
  elseif claims.exp == nil then
    return false, "the token never expires"
  end
  return true
end

return declare {
  name = "google_pubsub",
  is_keyless = true,
  options = { "audience", "email" },
  verify = function(options)
    check_text(options, "audience")
    check_text(options, "email")
    return function(req)
      local tokens = req.headers:all "authorization"
      local token = #tokens == 1 and tokens[1]:match "^[Bb]earer (.+)$"
      if not token then return false, "Authorization is missing, there twice, or has no token" end
      local claims, reason = jwt.verify(token, { jwks_url = JWKS })
      if not claims then return false, reason end
      return check_claims(claims, options)
    end
  end,
  type = function() return "google_pubsub.message" end,
  idempotency_key = declare.key_of_json "message.messageId",
}
