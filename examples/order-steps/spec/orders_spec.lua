local testing = require "anzol.testing"

describe("an order", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function place(changes)
    local order = { id = "o-1", mail = "ana@example.com", cents = 4200,
      items = { { sku = "boat", count = 1 }, { sku = "oar", count = 2 } } }
    for name, value in pairs(changes or {}) do order[name] = value end
    return t:receive("shop", { sign = true, json = { type = "order.placed", data = order } })
  end

  local function types()
    local list = {}
    for i, event in ipairs(t.events) do list[i] = event.type end
    return list
  end

  it("becomes one event a step, children of the order", function()
    place()
    assert.same({ "shop.order.placed", "stock.reserve", "stock.reserve", "mail.confirm",
      "accounts.book" }, types())
    assert.equal(t.events[1].id, t.events[4].parent_id)
    assert.same({ "stock", "stock", "mail", "accounts" }, t:endpoints_of(t.deliveries))
    assert.same({ order = "o-1", cents = 4200 }, t:delivery("accounts").request.json)
  end)

  it("reserves nothing twice when it is placed again", function()
    place()
    place { items = { { sku = "boat", count = 1 }, { sku = "net", count = 1 } } }
    local reserved = {}
    for _, delivery in ipairs(t.deliveries) do
      if delivery.endpoint == "stock" then table.insert(reserved, delivery.request.json.sku) end
    end
    assert.same({ "boat", "oar", "net" }, reserved)
  end)

  it("goes on without the step that fails, which runs again alone", function()
    place { items = { { sku = "ghost", count = 0 } } }
    assert.same({ "mail", "accounts" }, t:endpoints_of(t.deliveries))
    assert.matches("an item without a count: ghost", t.events[2].error)
    t:advance "1h"
    assert.equal(6, t.events[2].runs[1].number)
    assert.equal("dead", t.events[2].runs[1].state)
    assert.equal(2, #t.deliveries)
  end)

  it("skips the mail of a customer without an address, null or not there", function()
    place { mail = testing.null }
    assert.equal("the customer gave no address", t.events[4].skipped)
  end)

  it("loses and doubles nothing when the server ends before the commit", function()
    t:crash_before_commit()
    place()
    assert.equal(5, #t.events)
    assert.equal(4, #t.deliveries)
  end)
end)
