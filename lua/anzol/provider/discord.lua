-- SPDX-License-Identifier: MIT
-- Discord: Ed25519 over time and body by the application's public key (hex). PING is answered as
-- Discord asks; a bad signature gets 401, which Discord tries out. From Discord's documents.
-- https://discord.com/developers/docs/events/webhook-events
local declare = require "anzol.declare"

return declare {
  name = "discord",
  recipe = {
    maker = "ed25519", is_public = true, header = "X-Signature-Ed25519",
    timestamp_header = "X-Signature-Timestamp", content = { "timestamp", "body" },
  },
  -- Interactions have a number as type, webhook events an event with a name.
  type = function(req)
    local body = req.json
    local event = declare.find(body, "event.type")
    if event then return declare.event_type("discord", event) end
    return declare.event_type("discord.interaction", declare.find(body, "type"))
  end,
  idempotency_key = declare.key_of_json "id",
  respond = function()
    return function(req)
      local kind = declare.find(req.json, "type")
      if kind == 0 then return { status = 204, store = false } end
      if kind == 1 and not declare.find(req.json, "event") then
        return { status = 200, json = { type = 1 }, store = false }
      end
    end
  end,
}
