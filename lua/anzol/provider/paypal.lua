-- SPDX-License-Identifier: MIT
-- PayPal: RSA with SHA-256 over "id|time|webhook id|CRC-32 of the body", by the certificate that
-- PAYPAL-CERT-URL names; only PayPal's own hosts are asked for it. webhook_id: that of your
-- webhook, not of the event. From PayPal's documents.
-- https://developer.paypal.com/api/rest/webhooks/rest/
local anzol = require "anzol.core"
local declare = require "anzol.declare"
local remote = require "anzol.remote"

local headers = { "paypal-transmission-id", "paypal-transmission-time", "paypal-transmission-sig",
  "paypal-cert-url", "paypal-auth-algo" }

local function read(req)
  local values = {}
  for _, name in ipairs(headers) do
    local all = req.headers:all(name)
    if #all ~= 1 then
      return nil, ("header %s %s"):format(name:upper(), #all == 0 and "is missing" or "came twice")
    end
    values[name:match "([^-]+)$"] = all[1]
  end
  return values
end

local function is_paypals(url)
  local host, path = url:match "^https://([%w.-]+)(/[%w/._-]+)$"
  return host and (host == "api.paypal.com" or host == "api.sandbox.paypal.com")
    and path:find "^/v1/notifications/certs/" and not path:find("..", 1, true)
end

return declare {
  name = "paypal",
  is_keyless = true,
  options = { "webhook_id" },
  verify = function(options)
    if type(options.webhook_id) ~= "string" or options.webhook_id == "" then
      declare.misuse "anzol.provider.paypal needs 'webhook_id', as PayPal shows it for your webhook"
    end
    return function(req)
      local given, reason = read(req)
      if not given then return false, reason end
      if given.algo ~= "SHA256withRSA" then
        return false, "PAYPAL-AUTH-ALGO is not SHA256withRSA"
      end
      if not is_paypals(given.url) then return false, "PAYPAL-CERT-URL is none of PayPal's" end
      local signature = anzol.base64.decode(given.sig)
      if not signature then return false, "PAYPAL-TRANSMISSION-SIG is not base64" end
      local certificate, why = remote.certificate(given.url)
      if not certificate then return false, why end
      local content = ("%s|%s|%s|%d"):format(given.id, given.time, options.webhook_id,
        anzol.crypto.crc32(req.body))
      if anzol.crypto.rsa_verify(certificate, signature, content) then return true end
      return false, "no signature in PAYPAL-TRANSMISSION-SIG matches"
    end
  end,
  type = declare.type_of_json("paypal", "event_type"),
  idempotency_key = declare.key_of_json "id",
}
