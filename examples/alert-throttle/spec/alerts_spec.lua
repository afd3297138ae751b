local testing = require "anzol.testing"

describe("the same alert", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function alert(name)
    t:receive("monitoring", { sign = true, json = { service = "shop", name = name } })
  end

  it("pages once an hour, and then says how many were held back", function()
    for _ = 1, 4 do alert "slow" end
    assert.equal(1, #t.deliveries)
    assert.equal(3, t.kv["alerts-held"]["shop/slow"])
    t:advance "1h"
    alert "slow"
    assert.equal(2, #t.deliveries)
    assert.equal(3, t.deliveries[2].request.json.held_back)
    assert.is_nil(t.kv["alerts-held"]["shop/slow"])
  end)

  it("holds back no other one", function()
    alert "slow"
    alert "down"
    assert.equal(2, #t.deliveries)
  end)

  it("is still held back after the server ended in the middle of it", function()
    t:crash_before_commit()
    alert "slow"
    alert "slow"
    assert.equal(1, #t.deliveries)
    assert.equal(1, t.kv["alerts-held"]["shop/slow"])
  end)
end)
