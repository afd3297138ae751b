-- SPDX-License-Identifier: MIT
-- Postmark does not sign: HTTP Basic, the secret is "user:password" as in the webhook's URL. From
-- Postmark's documents. https://postmarkapp.com/developer/webhooks/webhooks-overview
local declare = require "anzol.declare"

return declare {
  name = "postmark",
  verify = function(options)
    return declare.recipe({ maker = "basic", is_public = true }, options, "postmark")
  end,
  type = declare.type_of_json("postmark", "RecordType"),
}
