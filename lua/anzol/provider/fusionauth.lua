-- SPDX-License-Identifier: MIT
-- FusionAuth: a token in X-FusionAuth-Signature-JWT, whose claim request_body_sha256 is the body's
-- digest (base64). Signed by a shared secret, or by a key of jwks_url = "https://…/.well-known/
-- jwks.json". From FusionAuth's documents and their example code.
-- https://fusionauth.io/docs/extend/events-and-webhooks/signing
local crypto = require "anzol.core".crypto
local declare = require "anzol.declare"
local jwt = require "anzol.jwt"

local function keys_of(options)
  if options.jwks_url == nil then return { secrets = declare.secrets(options, "fusionauth") } end
  if type(options.jwks_url) ~= "string" or not options.jwks_url:find "^https://" then
    declare.misuse "option 'jwks_url' of anzol.provider.fusionauth is an https URL"
  end
  return { jwks_url = options.jwks_url }
end

return declare {
  name = "fusionauth",
  options = { "jwks_url" },
  verify = function(options)
    local keys = keys_of(options)
    return function(req)
      local tokens = req.headers:all "x-fusionauth-signature-jwt"
      if #tokens ~= 1 then
        return false, ("header X-FusionAuth-Signature-JWT %s"):format(#tokens == 0 and "is missing"
          or "came twice")
      end
      local claims, reason = jwt.verify(tokens[1], keys)
      if not claims then return false, reason end
      local digest = claims.request_body_sha256
      if type(digest) == "string"
        and crypto.equal(digest, crypto.hash("sha256", req.body, "base64")) then
        return true
      end
      return false, "the token's request_body_sha256 is not the digest of the body"
    end
  end,
  type = declare.type_of_json("fusionauth", "event.type"),
  idempotency_key = declare.key_of_json "event.id",
}
