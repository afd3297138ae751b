local testing = require "anzol.testing"

describe("a trial", function()
  local t

  before_each(function()
    t = testing.new { secrets = testing.any_secret, now = "2026-03-01T12:00:00Z" }
    t:receive("accounts", { sign = true, json = { type = "trial.started", mail = "ana@example.com" } })
  end)
  after_each(function() t:close() end)

  it("reminds three days before its end, and then at the end", function()
    assert.equal("pending", t.deliveries[1].state)
    t:advance "11d"
    assert.equal("succeeded", t.deliveries[1].state)
    assert.same({ to = "ana@example.com", template = "trial-ends-soon" }, t.deliveries[1].request.json)
    assert.equal("pending", t.deliveries[2].state)
    t:advance "3d"
    assert.equal("trial-ended", t.deliveries[2].request.json.template)
  end)

  it("sends no reminder that is a day late", function()
    t:answer_always("mailer", 503)
    t:advance "13d"
    assert.equal("dead", t.deliveries[1].state)
    assert.equal("expired before it was delivered", t.deliveries[1].reason)
  end)
end)
