local testing = require "anzol.testing"

describe("meters", function()
  local t

  before_each(function()
    t = testing.new { secrets = { METER_MASTER_KEY = "master", READINGS_SECRET = "readings" } }
  end)
  after_each(function() t:close() end)

  -- What a meter has computed: openssl dgst -sha256 -mac HMAC, key by key.
  local SIGNATURE = "2ae748063fb2225e235cca5d06fb5127d9607d0804f580f24a672debce0d3f02"

  local function send(changes)
    local headers = { ["X-Device"] = "m-17", ["X-Counter"] = "4", ["X-Signature"] = SIGNATURE }
    for name, value in pairs(changes or {}) do headers[name] = value or nil end
    return t:receive("meters", { body = '{"kwh":12.5}', headers = headers })
  end

  it("hand in what they signed", function()
    assert.equal(200, send().status)
    assert.same({ device = "m-17", kwh = 12.5 }, t:delivery("readings").request.json)
  end)

  it("are refused with another device, counter or signature", function()
    for _, changes in ipairs { { ["X-Device"] = "m-18" }, { ["X-Counter"] = "5" },
      { ["X-Signature"] = ("0"):rep(64) } } do
      local answer = send(changes)
      assert.equal(401, answer.status)
      assert.matches("the signature of m%-1[78] is wrong", answer.reason)
    end
    assert.equal(0, #t.events)
  end)

  it("are told in the log what is missing", function()
    assert.equal("X-Device or X-Counter is missing", send({ ["X-Counter"] = false }).reason)
  end)

  it("may send a reading again", function()
    send()
    assert.is_true(send().json.duplicate)
    assert.equal(1, #t.deliveries)
  end)
end)
