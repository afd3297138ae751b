local testing = require "anzol.testing"

local INVOICE = { id = "in_1", amount = 4200, currency = "EUR", margin = 0.4 }

describe("what customers get", function()
  local t

  before_each(function() t = testing.new() end)
  after_each(function() t:close() end)

  -- As a customer does over the API: POST /api/v1/app/acme/endpoint.
  local function register(uid, fields)
    local all = { application = "acme", uid = uid, url = "https://acme.example/" .. uid }
    for name, value in pairs(fields or {}) do all[name] = value end
    return t:register(all)
  end

  -- As the product does: POST /api/v1/app/acme/msg. Who got it, in their order.
  local function publish(type, payload, channels)
    local before = #t.deliveries
    t:publish(type, { application = "acme", payload = payload, channels = channels })
    return t:endpoints_of(table.move(t.deliveries, before + 1, #t.deliveries, 1, {}))
  end

  local function with(changes)
    local invoice = {}
    for _, fields in ipairs { INVOICE, changes } do
      for name, value in pairs(fields) do invoice[name] = value end
    end
    return invoice
  end

  it("is what they want, by type and channel, signed with their own key", function()
    register("all")
    register("billing", { eventTypes = { "invoice.paid" } })
    register("eu", { channels = { "eu" } })
    assert.same({ "all", "billing" }, publish("invoice.paid", INVOICE))
    assert.same({ "all" }, publish("user.joined", { id = "u_1" }))
    assert.same({ "all", "eu" }, publish("user.joined", { id = "u_2" }, { "eu" }))
    for _, delivery in ipairs(t.deliveries) do assert.is_true(t:is_signed(delivery)) end
  end)

  it("is nothing of other customers, and nothing that is internal", function()
    register("theirs", { application = "globex" })
    register("ours")
    assert.same({ "ours" }, publish("invoice.paid", INVOICE))
    assert.same({}, publish("internal.churn_risk", { score = 0.9 }))
    assert.equal("kept to ourselves", t.logs[#t.logs].message)
  end)

  it("leaves out what is nobody else's business", function()
    register("crm")
    publish("invoice.paid", INVOICE)
    assert.same({ id = "in_1", amount = 4200, currency = "EUR" }, t:delivery("crm").request.json)
    assert.same({}, publish("invoice.paid", with { amount = 0 }))
    assert.equal("nothing to pay", t.events[#t.events].skipped)
  end)

  it("goes by the metadata of each endpoint", function()
    register("live")
    register("test", { metadata = { mode = "test" } })
    register("large", { metadata = { min_amount = "10000" } })
    assert.same({ "live" }, publish("invoice.paid", INVOICE))
    assert.same({ "test" }, publish("invoice.paid", with { test = true }))
    assert.same({ "live", "large" }, publish("invoice.paid", with { amount = 10000 }))
  end)

  it("is in the form that the metadata names", function()
    register("chat", { metadata = { transform = "slack" } })
    register("erp", { metadata = { transform = "thin" } })
    publish("invoice.paid", INVOICE)
    assert.same({ text = "invoice.paid in_1: 42.00 EUR" }, t:delivery("chat").request.json)
    assert.same({ type = "invoice.paid", id = "in_1" }, t:delivery("erp").request.json)
    assert.is_true(t:is_signed(t:delivery "chat")) -- what goes out is what is signed
  end)

  it("comes again while a receiver is away", function()
    register("crm")
    t:answer("crm", { error = "timeout" }, 503, 200)
    publish("invoice.paid", INVOICE)
    t:advance "1h"
    assert.equal("succeeded", t:delivery("crm").state)
    assert.equal(3, #t:delivery("crm").attempts)
  end)
end)
