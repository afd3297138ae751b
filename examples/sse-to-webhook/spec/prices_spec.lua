local testing = require "anzol.testing"

describe("the stream of prices", function()
  local t
  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function price(id, cents)
    return t:message("prices", { id = tostring(id), type = "price", json = { sku = "a-1", cents = cents } })
  end

  it("sends a signed webhook of each price that changed", function()
    price(1, 500)
    price(2, 520)
    assert.equal(2, #t.deliveries)
    assert.same({ sku = "a-1", cents = 520, was = 500 }, t:delivery("shop").request.json)
    assert.truthy(t:delivery("shop").request.headers["webhook-signature"])
  end)

  it("says nothing of a cent, nor of other messages", function()
    price(1, 500)
    price(2, 501)
    t:message("prices", { type = "hello", data = "to you" })
    assert.equal(1, #t.deliveries)
  end)

  it("takes a message once, though the server ends before the commit", function()
    t:crash_before_commit()
    price(1, 500)
    assert.equal(1, #t.events)
    assert.equal(500, t.kv.prices["a-1"])
  end)

  it("lets a message go whose data is broken, after six times", function()
    local result = t:message("prices", { id = "9", type = "price", data = "{" })
    assert.matches("the data is not JSON", result.error)
    t:advance "5m"
    price(10, 500)
    assert.equal(1, #t.deliveries)
  end)
end)
