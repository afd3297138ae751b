-- SPDX-License-Identifier: MIT
-- Twitch EventSub: hex HMAC-SHA256 over message id, time and body. Verification is answered with
-- the challenge as text. From Twitch's documents; the ten minutes of tolerance are from memory.
-- https://dev.twitch.tv/docs/eventsub/handling-webhook-events/
local declare = require "anzol.declare"

return declare {
  name = "twitch",
  recipe = {
    header = "Twitch-Eventsub-Message-Signature", prefix = "sha256=",
    id_header = "Twitch-Eventsub-Message-Id",
    timestamp_header = "Twitch-Eventsub-Message-Timestamp", time = "iso",
    content = { "id", "timestamp", "body" }, tolerance = "10m",
  },
  type = declare.type_of_json("twitch", "subscription.type"),
  idempotency_key = declare.key_of_header "twitch-eventsub-message-id",
  respond = function()
    return function(req)
      if req.headers["twitch-eventsub-message-type"] ~= "webhook_callback_verification" then
        return nil
      end
      return { status = 200, body = declare.find(req.json, "challenge") or "", store = false,
        headers = { ["Content-Type"] = "text/plain" } }
    end
  end,
}
