local testing = require "anzol.testing"

describe("text messages", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local function request(to)
    t:receive("app", { sign = true, json = { type = "sms.requested", to = to, text = "Ahoy" } })
  end

  it("are asked of the gateway, and audited with the id that it gave", function()
    t:http("POST https://gateway.example/messages", { json = { id = "g-1" } })
    request "+351900000001"
    assert.same({ to = "+351900000001", gateway_id = "g-1" }, t:delivery("audit").request.json)
    assert.equal("Bearer test-GATEWAY_TOKEN", t.calls[1].headers.authorization)
  end)

  it("go out no faster than two a second", function()
    local times = {}
    t:http("POST https://gateway.example/messages", function()
      table.insert(times, t.now_ms)
      return { json = { id = #times } }
    end)
    local start_ms = t.now_ms
    for i = 1, 6 do request("+3519000000" .. i) end
    assert.equal(6, #times)
    assert.is_true(times[6] - start_ms >= 2000, "the sixth came after " .. times[6] - start_ms)
  end)

  it("are asked for with the same key when a run is made again", function()
    local answers = { 503, { json = { id = "g-1" } } }
    t:http("POST https://gateway.example/messages", function() return table.remove(answers, 1) end)
    request "+351900000001"
    assert.matches("503", t.events[1].error)
    t:advance "1s"
    assert.equal(t.calls[1].headers["Idempotency-Key"], t.calls[2].headers["Idempotency-Key"])
    assert.equal("sms.sent", t.events[2].type)
  end)
end)
