local testing = require "anzol.testing"

describe("an order", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function place()
    t:receive("shop", { sign = true, json = { type = "order.created", id = 7, ip = "192.0.2.7" } })
    return t:delivery("fulfilment").request.json
  end

  it("is sent on with the place that its address belongs to", function()
    t:http("https://geo.example/v1/192.0.2.7", { json = { country = "PT" } })
    assert.same({ country = "PT" }, place().geo)
  end)

  it("is sent on with null when nobody knows the place", function()
    t:http("https://geo.example/*", 404)
    assert.equal(testing.null, place().geo)
  end)

  it("does not wait for a service that is down: after five failures nobody asks it", function()
    t:http("https://geo.example/*", { error = "timeout", after = "2s" })
    for _ = 1, 7 do assert.equal(testing.null, place().geo) end
    assert.equal(5, #t.calls)
    local last = t.logs[#t.logs]
    assert.equal("geo lookup skipped", last.message)
    assert.equal("circuit_open", last.fields.code)
  end)

  it("asks again after a minute", function()
    t:http("https://geo.example/*", { error = "timeout" })
    for _ = 1, 6 do place() end
    t:http("https://geo.example/*", { json = { country = "PT" } })
    t:advance "1m"
    assert.same({ country = "PT" }, place().geo)
    assert.same({ country = "PT" }, place().geo)
  end)
end)
