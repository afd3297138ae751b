local testing = require "anzol.testing"

describe("the relay", function()
  local t

  before_each(function()
    t = testing.new { secrets = testing.any_secret, now = "2026-03-02T08:00:00Z" }
  end)
  after_each(function() t:close() end)

  -- Spaces, the order of keys, 1.0 and a number beyond 64 bit: decoding would lose some of it.
  local BYTES = '{ "type": "order.paid",\n  "z": 1.0, "a": 12345678901234567890123 }\n'

  local function send() return t:receive("upstream", { body = BYTES, sign = true }) end

  it("passes the bytes on as they came", function()
    assert.equal(200, send().status)
    assert.same({ "relay-eu", "relay-us" }, t:endpoints_of(t.deliveries))
    for _, delivery in ipairs(t.deliveries) do
      assert.equal(BYTES, delivery.request.body)
      assert.equal("application/json", delivery.request.headers["content-type"])
    end
    assert.equal("us", t:delivery("relay-us").request.headers["x-region"])
  end)

  it("signs anew: the id is the message's and stays the same in every attempt", function()
    t:answer("relay-eu", 503, 200)
    send()
    local delivery = t:delivery "relay-eu"
    local first = delivery.request.headers
    assert.equal(delivery.message_id, first["webhook-id"])
    t:advance "10s"
    local second = delivery.request.headers
    assert.equal("succeeded", delivery.state)
    assert.equal(first["webhook-id"], second["webhook-id"])
    assert.are_not.equal(first["webhook-signature"], second["webhook-signature"])
  end)

  it("keeps a slow region from holding up the other", function()
    t:answer_always("relay-us", { error = "timeout" })
    send()
    assert.equal("succeeded", t:delivery("relay-eu").state)
    assert.equal("retrying", t:delivery("relay-us").state)
    t:advance "49h"
    assert.equal("dead", t:delivery("relay-us").state)
    assert.equal(1, #t.dead_letters)
  end)
end)
