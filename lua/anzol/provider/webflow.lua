-- SPDX-License-Identifier: MIT
-- Webflow: hex HMAC-SHA256 over "time:body" in x-webflow-signature, time in ms. From Webflow's
-- documents. https://developers.webflow.com/data/docs/working-with-webhooks
local declare = require "anzol.declare"

return declare {
  name = "webflow",
  recipe = {
    header = "x-webflow-signature", timestamp_header = "x-webflow-timestamp", time = "ms",
    content = { "timestamp", ":", "body" }, tolerance = "5m",
  },
  type = declare.type_of_json("webflow", "triggerType"),
}
