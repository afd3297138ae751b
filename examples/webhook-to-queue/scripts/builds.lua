-- Webhooks for a machine that nobody can call: they wait in a queue until it asks.
--
-- Secrets: GITHUB_WEBHOOK_SECRET (what GitHub signs with), BUILDER_TOKEN (what the builder shows)
local anzol = require "anzol"

anzol.source("github", {
  provider = anzol.provider.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" },
})

anzol.endpoint("builds", {
  kind = "long_poll",
  path = "/queue/builds",
  auth = anzol.verify.bearer { secret = anzol.secret "BUILDER_TOKEN" },
  lease = "15m",                                  -- a build takes some minutes
  retry = anzol.backoff.constant { base = "1m", attempts = 3 },
  order_by = function(message) return message.json.repository end, -- one build a repository
})

anzol.on("github.push", function(event)
  local push = event.data
  if event:get "deleted" then return anzol.skip "a branch went away" end
  event:send("builds", {
    json = { repository = push.repository.full_name, ref = push.ref, commit = push.after },
  }, { expires = "1d", priority = push.ref == "refs/heads/main" and 1 or 0 })
end)

-- What was given three times and never acknowledged: somebody should know.
anzol.on("anzol.delivery.dead", function(event)
  if event.data.endpoint ~= "builds" then return anzol.skip "not a build" end
  event.log.error("a build was given up", { reason = event.data.reason })
end)
