local testing = require "anzol.testing"
describe("github push -> slack", function()
  local t
  before_each(function()
    t = testing.new { scripts = { "scripts/github_to_slack.lua" },
      secrets = { GITHUB_WEBHOOK_SECRET = "s3cret", SLACK_WEBHOOK_URL = "https://hooks.slack.test/T0/B0/x" } }
  end)
  after_each(function() t:close() end)              -- fails the test on an unused canned answer
  local push = { ref = "refs/heads/main", deleted = false, pusher = { name = "ana" },
    repository = { full_name = "acme/app" },
    commits = { { id = "0123456789", url = "https://g.test/c", message = "Fix it\n\nbody" } } }
  local function deliver(body, opts)
    return t:receive("github", { json = body, headers = { ["X-GitHub-Event"] = "push",
      ["X-GitHub-Delivery"] = "d-1" }, sign = not (opts and opts.unsigned) })
  end
  it("posts one line per commit", function()
    assert.equal(200, deliver(push).status)
    assert.equal(1, #t.deliveries)
    local d = t.deliveries[1]
    assert.equal("slack-dev", d.endpoint)
    assert.equal("https://hooks.slack.test/T0/B0/x", d.request.url)
    assert.matches("%*ana%* pushed 1 commit%(s%) to `main` of acme/app\n• <https://g.test/c|0123456> Fix it$",
      d.request.json.text)
  end)
  it("refuses a bad signature and stores nothing", function()
    assert.equal(401, deliver(push, { unsigned = true }).status)
    assert.equal(0, #t.events); assert.equal(0, #t.deliveries)
  end)
  it("handles a repeated delivery id once", function()
    deliver(push); deliver(push)
    assert.equal(1, #t.events); assert.equal(1, #t.deliveries)
  end)
  it("skips a deleted branch, with a reason", function()
    deliver { ref = "refs/heads/old", deleted = true }
    assert.equal("not a branch update", t.events[1].skipped)
  end)
end)
