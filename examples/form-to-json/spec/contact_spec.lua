local testing = require "anzol.testing"

describe("the contact form", function()
  local t

  before_each(function()
    t = testing.new { secrets = { FORM_TOKEN = "f0", CRM_TOKEN = "Bearer c0" } }
  end)
  after_each(function() t:close() end)

  local function post(form) return t:receive("contact", { form = form }) end

  it("becomes a lead in the CRM", function()
    assert.equal(200, post({ token = "f0", mail = "Ana@Example.com", text = "Olá & bom dia" }).status)
    local request = t:delivery("crm").request
    assert.same({ lead = { mail = "ana@example.com", text = "Olá & bom dia" } }, request.json)
    assert.equal("Bearer c0", request.headers.authorization)
  end)

  it("takes nothing without the hidden field", function()
    local answer = post { token = "guess", mail = "a@b.example" }
    assert.equal(401, answer.status)
    assert.matches("'token' is missing or wrong", answer.reason)
    assert.equal(0, #t.events)
  end)

  it("skips what has no mail address, and says so", function()
    post { token = "f0", text = "hello" }
    assert.equal("no mail address", t.events[1].skipped)
    assert.equal(0, #t.deliveries)
  end)
end)
