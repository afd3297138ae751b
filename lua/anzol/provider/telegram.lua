-- SPDX-License-Identifier: MIT
-- Telegram: the secret_token of setWebhook comes in clear in X-Telegram-Bot-Api-Secret-Token. From
-- memory. https://core.telegram.org/bots/api#setwebhook
local declare = require "anzol.declare"

return declare {
  name = "telegram",
  recipe = { maker = "token", header = "X-Telegram-Bot-Api-Secret-Token" },
  -- An update has its id and one more field, whose name says what it is.
  type = function(req)
    local body = req.json
    if type(body) == "table" then
      for name in pairs(body) do
        if name ~= "update_id" then return declare.event_type("telegram", name) end
      end
    end
    return "telegram.unknown"
  end,
  idempotency_key = declare.key_of_json "update_id",
  hide_headers = { "authorization", "cookie", "x-telegram-bot-api-secret-token" },
}
