-- SPDX-License-Identifier: MIT
-- Linear: hex HMAC-SHA256 over the body in Linear-Signature; the body says when it was sent
-- (webhookTimestamp, ms), at most a minute ago. From Linear's documents.
-- https://linear.app/developers/webhooks
local declare = require "anzol.declare"

local recipe = { header = "Linear-Signature" }

return declare {
  name = "linear",
  recipe = recipe,
  options = { "tolerance" },
  verify = function(options)
    local verify, sign = declare.recipe(recipe, { secret = options.secret }, "linear")
    return declare.fresh(verify, options, "linear", function(req)
      return declare.find(req.json, "webhookTimestamp")
    end), declare.signer(sign, function(message)
      return { ["Linear-Event"] = ((message.type or "Issue"):gsub("^linear%.", "")),
        ["Linear-Delivery"] = message.id }
    end)
  end,
  type = declare.type_of_header("linear", "linear-event"),
  idempotency_key = declare.key_of_header "linear-delivery",
}
