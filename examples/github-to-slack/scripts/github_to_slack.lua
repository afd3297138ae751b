local anzol = require "anzol"

anzol.source("github", {
  path   = "/in/github",
  verify = anzol.verify.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" },
  type   = function(req) return "github." .. (req.headers["x-github-event"] or "unknown") end,
  idempotency_key = function(req) return req.headers["x-github-delivery"] end,
})
anzol.endpoint("slack-dev", { url = anzol.secret "SLACK_WEBHOOK_URL", sign = false, rate_limit = "1/s" })
anzol.on("github.push", function(event)
  local p = event.data
  local branch = p.ref:match "^refs/heads/(.+)$"
  if not branch or event:get "deleted" then return anzol.skip "not a branch update" end
  local lines = {}
  for i = 1, math.min(#p.commits, 5) do
    local c = p.commits[i]
    lines[i] = ("• <%s|%s> %s"):format(c.url, c.id:sub(1, 7), c.message:match "^[^\n]*")
  end
  event:send("slack-dev", { json = { text = ("*%s* pushed %d commit(s) to `%s` of %s\n%s"):format(
    p.pusher.name, #p.commits, branch, p.repository.full_name, table.concat(lines, "\n")) } })
end)
