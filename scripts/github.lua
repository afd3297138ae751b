-- GitHub in, a decision, a new body, signed out.
--
-- Secrets, given to `anzol serve` as ANZOL_SECRET_NAME:
--   GITHUB_WEBHOOK_SECRET  the secret typed into the webhook's form at GitHub
--   RECEIVER_SECRET        shared with the receiver: "whsec_" and base64 of 24 to 64 random bytes
-- Environment:
--   RECEIVER_URL           where pushes are announced; default http://127.0.0.1:9000/hook
local anzol = require "anzol"

-- POST /in/github. The provider knows GitHub's ways: it checks X-Hub-Signature-256 over the bytes
-- before anything is stored, names the event's type after X-GitHub-Event ("github.push"), and takes
-- X-GitHub-Delivery as the key by which a repeat is known.
anzol.source("github", {
  provider = anzol.provider.github { secret = anzol.secret "GITHUB_WEBHOOK_SECRET" },
})

-- Signed as Standard Webhooks has it, so the receiver can use any of its libraries. No `retry`: the
-- default schedule tries for three days.
anzol.endpoint("receiver", {
  url = anzol.env("RECEIVER_URL", "http://127.0.0.1:9000/hook"),
  sign = anzol.sign.standard { secret = anzol.secret "RECEIVER_SECRET" },
  allow_private = true, -- a receiver on this machine; leave it out for one on the internet
})

-- Runs after the event is on disk and GitHub has its 200. If it fails, nothing of it happened, and
-- it runs again; what it sends goes out only when all of it is committed.
anzol.on("github.push", function(event)
  local push = event.data
  local branch = push.ref:match "^refs/heads/(.+)$"
  if not branch then return anzol.skip "not a branch" end
  if event:get "deleted" then return anzol.skip "a branch went away" end

  local commits = {}
  for i, commit in ipairs(push.commits) do
    commits[i] = { id = commit.id:sub(1, 7), title = commit.message:match "^[^\n]*" }
  end
  event:send("receiver", {
    type = "push.announced",
    json = {
      text = ("%s pushed %d commit%s to %s of %s"):format(push.pusher.name, #commits,
        #commits == 1 and "" or "s", branch, push.repository.full_name),
      repository = push.repository.full_name,
      branch = branch,
      commits = anzol.json.array(commits), -- [] and not {} when there are none
    },
  })
end)
