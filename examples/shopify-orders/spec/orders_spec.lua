local testing = require "anzol.testing"

describe("orders of the shop", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  it("go to the warehouse without what is not shipped", function()
    assert.equal(200, t:receive("shopify", { fixture = "shopify/order_paid", sign = true }).status)
    assert.equal("shopify.orders.paid", t.events[1].type)
    assert.same({ order = "#9999", lines = { { sku = "SKU2006-001", count = 1 } } },
      t:delivery("warehouse").request.json)
  end)

  it("keep ids that are larger than a double can hold", function()
    t:receive("shopify", { fixture = "shopify/order_paid", sign = true })
    assert.equal(820982911946154508, t.events[1].json.id)
  end)

  it("are told once, however often Shopify calls", function()
    for _ = 1, 3 do t:receive("shopify", { fixture = "shopify/order_paid", sign = true }) end
    assert.equal(1, #t.deliveries)
  end)

  it("are skipped when there is nothing to ship", function()
    t:receive("shopify", { type = "orders/paid", sign = true, json = { name = "#1", line_items = {} } })
    assert.equal("nothing to ship", t.events[1].skipped)
  end)

  it("may be refunded: the accounts get the received bytes", function()
    t:receive("shopify", { type = "refunds/create", sign = true, body = '{ "order_id": 450789469 }' })
    assert.equal('{ "order_id": 450789469 }', t:delivery("accounts").request.body)
  end)

  it("are refused without Shopify's signature", function()
    assert.equal(401, t:receive("shopify", { fixture = "shopify/order_paid" }).status)
  end)
end)
