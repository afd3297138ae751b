local testing = require "anzol.testing"
describe("stripe fan-out", function()
  local t
  before_each(function()
    t = testing.new { scripts = { "scripts/stripe_fanout.lua" }, now = "2026-03-02T08:00:00Z", seed = 7,
      secrets = testing.any_secret }               -- every secret "test-<NAME>"
  end)
  after_each(function() t:close() end)
  local function paid() return t:receive("stripe", { sign = true, json = { id = "evt_1", type = "invoice.paid",
    data = { object = { customer = "cus_9" } } } }) end
  it("signs all three with their own secret and keeps the bytes", function()
    t:answer("billing", 200); t:answer("crm", 204); t:answer("ledger", 200)
    paid()
    assert.same({ "billing", "crm", "ledger" }, t:endpoints_of(t.deliveries))
    for _, d in ipairs(t.deliveries) do
      assert.equal("succeeded", d.state)
      assert.equal(t.events[1].body, d.request.body)
    end
    assert.truthy(t.deliveries[1].request.headers["webhook-signature"])
    assert.truthy(t.deliveries[2].request.headers["x-signature"])
  end)
  it("crm: waits for Retry-After, then stops at a 4xx; the others are untouched", function()
    t:answer("billing", 200); t:answer("ledger", 200)
    t:answer("crm", { status = 429, headers = { ["retry-after"] = "120" } }, { status = 422 })
    paid()
    local crm = t:delivery("crm")
    assert.equal("retrying", crm.state); assert.equal(1, #crm.attempts)
    t:advance "119s"; assert.equal(1, #crm.attempts)
    t:advance "1s";   assert.equal(2, #crm.attempts)
    assert.equal("dead", crm.state); assert.equal("rejected with 422", crm.reason)
    assert.equal(1, #t.dead_letters)
  end)
  it("ledger: keeps trying every 30 s for three days", function()
    t:answer("billing", 200); t:answer("crm", 200); t:answer_always("ledger", { error = "timeout" })
    paid(); t:advance "3d"
    local l = t:delivery "ledger"
    assert.equal(3 * 86400 / 30 + 1, #l.attempts)  -- 8641 attempts in well under a second
    assert.equal("retrying", l.state)
    t:advance "30s"; assert.equal("dead", l.state)
  end)
end)
