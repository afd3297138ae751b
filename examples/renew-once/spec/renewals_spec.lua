local testing = require "anzol.testing"

describe("a renewal", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function answer(kind, with)
    t:http("https://payments.example/v1/" .. kind, with)
  end
  local function fall_due()
    t:receive("shop", { sign = true,
      json = { type = "subscription.due", data = { customer = "ana", cents = 900 } } })
  end
  local function called()
    local list = {}
    for i, call in ipairs(t.calls) do list[i] = call.url:match "[^/]+$" end
    return list
  end

  it("charges, makes the invoice of that charge, tells the customer", function()
    answer("charges", { json = { id = "ch_1" } })
    answer("invoices", { json = { id = "in_1" } })
    fall_due()
    assert.same({ customer = "ana", cents = 900 }, t.calls[1].json)
    assert.same({ charge = "ch_1" }, t.calls[2].json)
    assert.same({ customer = "ana", invoice = "in_1" }, t:delivery("mail").request.json)
  end)

  it("charges once, however often the invoice fails", function()
    answer("charges", { json = { id = "ch_1" } })
    answer("invoices", 503)
    fall_due()
    t:advance "5s"
    assert.same({ "charges", "invoices", "invoices" }, called())
    answer("invoices", { json = { id = "in_2" } })
    t:advance "1m"
    assert.same({ "charges", "invoices", "invoices", "invoices" }, called())
    assert.same({ charge = "ch_1" }, t.calls[4].json)
    assert.equal("in_2", t:delivery("mail").request.json.invoice)
  end)

  it("asks again for a charge that did not come", function()
    answer("charges", { error = "timeout" })
    answer("invoices", { json = { id = "in_1" } })
    fall_due()
    assert.matches("timeout", t.events[1].error)
    answer("charges", { json = { id = "ch_2" } })
    t:advance "1s"
    assert.same({ "charges", "charges", "invoices" }, called())
    assert.equal(t.calls[1].headers["idempotency-key"], t.calls[2].headers["idempotency-key"])
  end)

  it("asks nobody again when the server ends before the commit", function()
    answer("charges", { json = { id = "ch_1" } })
    answer("invoices", { json = { id = "in_1" } })
    t:crash_before_commit()
    fall_due()
    assert.same({ "charges", "invoices" }, called())
    assert.equal(1, #t.deliveries)
  end)
end)
