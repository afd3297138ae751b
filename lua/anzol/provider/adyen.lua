-- SPDX-License-Identifier: MIT
-- Adyen: each item of the body has its signature, base64 HMAC-SHA256 by a hex key over eight values
-- with colons between; all items must be genuine. Other webhooks (balance platform) have it in the
-- header HmacSignature over the body. From Adyen's node library, which escapes nothing.
-- https://docs.adyen.com/development-resources/webhooks/verify-hmac-signatures/
local core = require "anzol.core"
local declare = require "anzol.declare"

local signed = { "pspReference", "originalReference", "merchantAccountCode", "merchantReference",
  "amount.value", "amount.currency", "eventCode", "success" }

local function content_of(item)
  local values = {}
  for i, path in ipairs(signed) do
    local value = declare.find(item, path)
    values[i] = (value == nil or core.json.is_null(value)) and "" or tostring(value)
  end
  return table.concat(values, ":")
end

local function items_of(body)
  local items = {}
  for i, row in ipairs(type(body) == "table" and body.notificationItems or {}) do
    items[i] = declare.find(row, "NotificationRequestItem")
  end
  return items
end

local function is_genuine(item, keys)
  local given = declare.find(item, "additionalData.hmacSignature")
  if type(given) ~= "string" then return false end
  local genuine = false
  for _, key in ipairs(keys) do
    local expected = core.crypto.hmac("sha256", key, content_of(item), "base64")
    genuine = core.crypto.equal(expected, given) or genuine
  end
  return genuine
end

local function decode_keys(options)
  local keys = {}
  for i, secret in ipairs(declare.secrets(options, "adyen")) do
    local text = type(secret) == "string" and secret or secret:reveal()
    keys[i] = core.hex.decode(text)
    if not keys[i] or keys[i] == "" then
      declare.misuse "option 'secret' of anzol.provider.adyen: a secret is empty or no hex"
    end
  end
  return keys
end

return declare {
  name = "adyen",
  verify = function(options)
    local keys = decode_keys(options)
    local header = declare.recipe({ header = "HmacSignature", encoding = "base64", key = "hex" },
      options, "adyen")
    return function(req)
      if req.headers.hmacsignature then return header(req) end
      local items = items_of(req.json)
      if #items == 0 then return false, "neither header HmacSignature nor items with signatures" end
      local genuine = true
      for _, item in ipairs(items) do genuine = is_genuine(item, keys) and genuine end
      if genuine then return true end
      return false, "the signature of an item is missing or does not match"
    end
  end,
  type = function(req)
    local body = req.json
    local items = items_of(body)
    return declare.event_type("adyen", declare.find(items[1], "eventCode")
      or declare.find(body, "type"))
  end,
  respond = function()
    return function(req)
      if declare.find(req.json, "notificationItems") then
        return { status = 200, body = "[accepted]" }
      end
    end
  end,
}
