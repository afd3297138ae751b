-- SPDX-License-Identifier: MIT
-- ElevenLabs: hex HMAC-SHA256 over "time.body" in ElevenLabs-Signature: t=…,v0=…. From ElevenLabs'
-- documents; the half hour of tolerance is from memory.
-- https://elevenlabs.io/docs/agents-platform/workflows/post-call-webhooks
local declare = require "anzol.declare"

return declare {
  name = "elevenlabs",
  recipe = {
    header = "ElevenLabs-Signature", item_separator = ",", field = "v0", timestamp_field = "t",
    content = { "timestamp", ".", "body" }, tolerance = "30m",
  },
  type = declare.type_of_json("elevenlabs", "type"),
}
