local anzol = require "anzol"

anzol.source("slack", {
  path   = "/in/slack/events",
  verify = anzol.verify.slack { secret = anzol.secret "SLACK_SIGNING_SECRET" },
  respond = function(req)                         -- after verify; must finish within 2.5 s
    if req.json.type == "url_verification" then
      return { status = 200, json = { challenge = req.json.challenge }, store = false }
    end                                           -- nil: 200 once the event is durable
  end,
  type   = function(req) return "slack." .. req.json.event.type end,
  idempotency_key = function(req) return req.json.event_id end,
})
anzol.on("slack.app_mention", function(event)
  local e = event.data.event
  event:emit("chat.mention", { who = e.user, text = e.text, channel = e.channel })   -- chaining
end)
