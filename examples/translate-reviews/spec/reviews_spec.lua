local testing = require "anzol.testing"

describe("a review", function()
  local t

  before_each(function() t = testing.new { secrets = testing.any_secret } end)
  after_each(function() t:close() end)

  local SERVICE = "POST https://translate.example/v2"

  local function review(language, text)
    return t:receive("reviews", { sign = true,
      json = { type = "review.created", id = 7, language = language, text = text } })
  end
  local function shown() return t:delivery("shop").request.json end

  it("in English asks nobody", function()
    review("en", "Floats.")
    assert.equal("Floats.", shown().text)
  end)

  it("in another language is translated, and keeps its own words", function()
    t:http(SERVICE, function(request)
      assert.equal("Bearer test-TRANSLATE_TOKEN", request.headers.authorization)
      assert.same({ text = "Flutua.", from = "pt", to = "en" }, request.json)
      return { json = { text = "It floats." } }
    end)
    review("pt", "Flutua.")
    assert.equal("It floats.", shown().text)
    assert.equal("Flutua.", shown().original)
  end)

  it("waits as long as a busy service asks for", function()
    local answers = { { status = 429, headers = { ["Retry-After"] = "90" } }, { json = { text = "Hi" } } }
    t:http(SERVICE, function() return table.remove(answers, 1) end)
    review("pt", "Oi")
    t:advance "89s"
    assert.equal(0, #t.deliveries)
    t:advance "1s"
    assert.equal("Hi", shown().text)
  end)

  it("is tried again when the service is not there", function()
    t:http(SERVICE, { error = "timeout" })
    review("pt", "Oi")
    assert.equal(1, #t.calls)
    t:advance "30s"
    assert.equal(2, #t.calls)
    t:http(SERVICE, { json = { text = "Hi" } })
    t:advance "30s"
    assert.equal("Hi", shown().text)
  end)

  it("is shown as it is when the service does not know the language", function()
    t:http(SERVICE, 400)
    review("xx", "?")
    assert.equal("?", shown().text)
    assert.equal("shown untranslated", t.logs[1].message)
  end)
end)
