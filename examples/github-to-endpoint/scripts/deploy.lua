-- Pushes to the main branch on GitHub become deployments: one small signed request each.
--
-- Secrets: ANZOL_SECRET_GITHUB_WEBHOOK_SECRET, ANZOL_SECRET_DEPLOY_SECRET
-- Environment: DEPLOY_URL (default http://127.0.0.1:9000/deploy)
local anzol = require "anzol"

anzol.source("github", {
  provider = anzol.provider.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" },
})

anzol.endpoint("deployer", {
  url = anzol.env("DEPLOY_URL", "http://127.0.0.1:9000/deploy"),
  sign = anzol.sign.hmac { secret = anzol.secret "DEPLOY_SECRET", header = "X-Deploy-Signature" },
  retry = anzol.backoff.exponential { base = "1s", factor = 2, max = "1m", attempts = 8 },
  timeout = "10s",
  allow_private = true, -- the deployer stands on this machine
})

anzol.on("github.push", function(event)
  local push = event.data
  if push.ref ~= "refs/heads/" .. push.repository.default_branch then
    return anzol.skip("not the default branch: " .. push.ref)
  end
  event:send("deployer", {
    type = "deploy.requested",
    json = { repository = push.repository.full_name, commit = push.after },
  })
end)
