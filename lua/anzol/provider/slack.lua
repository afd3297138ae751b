-- SPDX-License-Identifier: MIT
-- Slack: hex HMAC-SHA256 over "v0:time:body" in X-Slack-Signature: v0=…. The request
-- url_verification is answered with its challenge. From Slack's documents.
-- https://docs.slack.dev/authentication/verifying-requests-from-slack
local declare = require "anzol.declare"

return declare {
  name = "slack",
  recipe = {
    header = "X-Slack-Signature", prefix = "v0=", timestamp_header = "X-Slack-Request-Timestamp",
    content = { "v0:", "timestamp", ":", "body" }, tolerance = "5m",
  },
  -- Events are JSON; commands and interactions are forms.
  type = function(req)
    local kind = (req.headers["content-type"] or ""):lower()
    if kind:find("x-www-form-urlencoded", 1, true) then
      return req.form.command and "slack.command" or "slack.interaction"
    end
    local body = req.json
    return declare.event_type("slack", declare.find(body, "event.type")
      or declare.find(body, "type"))
  end,
  idempotency_key = function(req)
    local kind = (req.headers["content-type"] or ""):lower()
    if kind:find("x-www-form-urlencoded", 1, true) then return nil end
    return declare.find(req.json, "event_id")
  end,
  respond = function()
    return function(req)
      local kind = (req.headers["content-type"] or ""):lower()
      if kind:find("x-www-form-urlencoded", 1, true) then return nil end
      local body = req.json
      if declare.find(body, "type") ~= "url_verification" then return nil end
      return { status = 200, json = { challenge = body.challenge }, store = false }
    end
  end,
}
