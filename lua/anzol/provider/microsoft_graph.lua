-- SPDX-License-Identifier: MIT
-- Microsoft Graph: the clientState of the subscription comes in clear in each item of the body. The
-- handshake is a POST with validationToken in the query, which is echoed. From memory.
-- https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
local crypto = require "anzol.core".crypto
local declare = require "anzol.declare"

local function is_known(state, secrets)
  local known = false
  for _, secret in ipairs(secrets) do
    known = type(state) == "string" and crypto.equal(state, secret) or known
  end
  return known
end

return declare {
  name = "microsoft_graph",
  verify = function(options)
    local secrets = declare.secrets(options, "microsoft_graph")
    return function(req)
      local items = declare.find(req.json, "value")
      if type(items) ~= "table" or #items == 0 then return false, "the body has no items" end
      local genuine = true
      for _, item in ipairs(items) do
        genuine = is_known(declare.find(item, "clientState"), secrets) and genuine
      end
      if genuine then return true end
      return false, "the clientState of an item is missing or another"
    end
  end,
  type = function(req)
    return declare.event_type("microsoft_graph",
      declare.find(req.json, "value.1.lifecycleEvent")
        or declare.find(req.json, "value.1.changeType"))
  end,
  challenge = function()
    return function(req)
      local token = req.query.validationToken
      if token then
        return { status = 200, body = token, headers = { ["Content-Type"] = "text/plain" } }
      end
    end
  end,
}
