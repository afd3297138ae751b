local testing = require "anzol.testing"

describe("Slack's events", function()
  local t

  before_each(function()
    t = testing.new { secrets = testing.any_secret, now = "2026-03-02T08:00:00Z" }
  end)
  after_each(function() t:close() end)

  local function mention(options)
    options = options or {}
    options.sign = options.sign ~= false
    options.json = { type = "event_callback", event_id = "Ev01", event = { type = "app_mention",
      user = "U1", text = "<@B1> ahoy", channel = "C1" } }
    return t:receive("slack", options)
  end

  it("begin with a challenge, which is answered and not kept", function()
    local answer = t:receive("slack", { sign = true,
      json = { type = "url_verification", challenge = "3eZbrw1aB10gg" } })
    assert.equal(200, answer.status)
    assert.same({ challenge = "3eZbrw1aB10gg" }, answer.json)
    assert.equal(0, #t.events)
  end)

  it("answer no challenge that Slack did not sign", function()
    local answer = t:receive("slack", { json = { type = "url_verification", challenge = "x" } })
    assert.equal(401, answer.status)
  end)

  it("become an event of the chat", function()
    assert.equal(200, mention().status)
    assert.equal("slack.app_mention", t.events[1].type)
    assert.equal("chat.mention", t.events[2].type)
    assert.same({ who = "U1", text = "<@B1> ahoy", channel = "C1" }, t.events[2].json)
    assert.equal(t.events[1].id, t.events[2].parent_id)
  end)

  it("are handled once, though Slack sends again what it got no answer for", function()
    mention()
    assert.is_true(mention().json.duplicate)
    assert.equal(2, #t.events)
  end)

  it("are refused when their time is more than five minutes off", function()
    local answer = mention { headers = { ["X-Slack-Request-Timestamp"] =
      tostring(t.now_ms // 1000 - 301) } }
    assert.equal(401, answer.status)
  end)
end)
