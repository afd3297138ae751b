local testing = require "anzol.testing"

describe("the daily digest", function()
  local t
  before_each(function()
    t = testing.new { now = "2026-03-02T08:00:00Z", -- a Monday
      secrets = { SLACK_OPS_URL = "https://hooks.slack.test/T0/B0/ops", ORDERS_TOKEN = "test" } }
  end)
  after_each(function() t:close() end)

  local function receive(times)
    for i = 1, times do
      t:receive("orders", { json = { id = i }, headers = { authorization = "Bearer test" } })
    end
  end

  it("tells at nine by the clocks of Lisbon what died since the day before", function()
    t:answer_always("shop", 422)
    t:advance "1h"
    assert.equal(0, #t.deliveries)
    receive(3)
    t:advance "1m"
    assert.equal(3, #t.dead_letters)
    t:advance "1d"
    assert.equal("Webhooks since last digest\nshop: 3 dead", t:delivery("slack-ops").request.json.text)
    t:advance "1d"
    assert.equal(4, #t.deliveries)
  end)

  it("tells what was made before the last digest and died after it, and tells it once", function()
    t:answer_always("shop", 422)
    t:advance "3595s"
    receive(1)
    t:advance "1m" -- the digest of this day has been; the last attempt comes now
    assert.equal(1, #t.dead_letters)
    assert.equal(1, #t.deliveries)
    t:advance "1d"
    assert.equal("Webhooks since last digest\nshop: 1 dead", t:delivery("slack-ops").request.json.text)
    t:advance "1d"
    assert.equal(2, #t.deliveries)
  end)

  it("says nothing where nothing died", function()
    receive(2)
    t:advance "7d"
    assert.equal(2, #t.deliveries)
  end)

  it("goes by the clocks of summer when they are there", function()
    t:answer_always("shop", 422)
    t:advance "27d" -- Sunday, 29 March, 8:00 in UTC: summer time has begun
    receive(1)
    t:advance "23h"
    assert.equal(1, #t.deliveries)
    t:advance "1h" -- Monday, 8:00 in UTC, 9:00 in Lisbon
    assert.equal("Webhooks since last digest\nshop: 1 dead", t:delivery("slack-ops").request.json.text)
  end)
end)
