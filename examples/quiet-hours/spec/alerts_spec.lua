local testing = require "anzol.testing"

describe("quiet hours", function()
  local t

  local function at(time)
    t = testing.new { secrets = testing.any_secret, now = "2026-03-02T" .. time .. "Z" }
  end
  after_each(function() t:close() end)

  local function alert(severity, fields)
    fields = fields or {}
    fields.id, fields.severity = fields.id or "a-1", severity
    assert.equal(200, t:receive("monitoring", { sign = true, json = fields }).status)
    return t.deliveries[#t.deliveries]
  end

  it("are none by day", function()
    at "21:59:59"
    assert.equal("succeeded", alert("warning").state)
  end)

  for time, left in pairs { ["22:00:00"] = "9h", ["03:30:00"] = "210m" } do
    it("hold a warning from " .. time .. " until seven", function()
      at(time)
      local delivery = alert "warning"
      assert.equal("pending", delivery.state)
      t:advance(left)
      assert.equal("succeeded", delivery.state)
      assert.equal(7 * 3600000, t.now_ms % 86400000)
    end)
  end

  it("hold nothing that is critical", function()
    at "23:00:00"
    assert.equal("succeeded", alert("critical").state)
  end)

  it("drop what was over before the morning", function()
    at "23:00:00"
    local delivery = alert("info", { until_ms = t.now_ms + 3600000 })
    t:advance "8h"
    assert.equal("cancelled", delivery.state)
    assert.equal("over by itself", delivery.reason)
  end)
end)
