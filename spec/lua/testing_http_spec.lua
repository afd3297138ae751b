-- SPDX-License-Identifier: MIT
-- anzol.testing: calls of anzol.http and their canned answers.
local rig = require "lua.testing_rig"

local message_of, test = rig.message_of, rig.test

-- Sends on what the expression gives.
local function fetch(expression)
  return ([[
    anzol.on("a", function(event)
      local res, err = %s
      event:send("out", { json = res and { status = res.status, body = res.body, ok = res.ok,
        type = res.headers["content-type"], retry_after = res.retry_after, ms = res.duration_ms }
        or { code = err.code, message = err.message } })
    end)]]):format(expression)
end

local get = fetch 'anzol.http.get("https://api.example/v1/x", { query = { q = "1" }, timeout = "5s" })'

describe("anzol.testing: http", function()
  after_each(rig.finish)

  local function result(t)
    t:receive("in", { json = { type = "a" } })
    return t.deliveries[#t.deliveries].request.json
  end

  it("answers what the pattern matches, with or without the query", function()
    local t = test(get)
    t:http("https://api.example/v1/*", { status = 201, json = { a = 1 } })
    local answer = result(t)
    assert.equal(201, answer.status)
    assert.equal('{"a":1}', answer.body)
    assert.equal("application/json", answer.type)
    assert.is_true(answer.ok)
    t:http("GET https://api.example/v1/x?q=1", 404)
    assert.equal(404, result(t).status)
    t:http("POST https://api.example/v1/x", 500)
    assert.equal(404, result(t).status)
    assert.matches("nobody called POST https://api.example/v1/x, which t:http answers", message_of(t.close, t), 1, true)
  end)

  it("shows every call", function()
    local t = test(fetch 'anzol.http.post("https://api.example/", { json = { n = 1 }, auth = { bearer = "t" } })')
    t:http("https://api.example/", 204)
    result(t)
    assert.equal(1, #t.calls)
    assert.equal("POST", t.calls[1].method)
    assert.same({ n = 1 }, t.calls[1].json)
    assert.equal("Bearer t", t.calls[1].headers.authorization)
    t:close()
  end)

  it("lets a function answer, and errors be had", function()
    local t = test(get)
    t:http("https://api.example/*", function(request)
      assert.equal("https://api.example/v1/x?q=1", request.url)
      return { error = "dns" }
    end)
    assert.equal("dns", result(t).code)
    t:close()
  end)

  it("takes the time that the answer takes, up to the timeout", function()
    local t = test(get)
    local start_ms = t.now_ms
    t:http("https://api.example/*", { status = 200, after = "2s" })
    assert.equal(2000, result(t).ms)
    assert.equal(start_ms + 2000, t.now_ms)
    t:http("https://api.example/*", { status = 200, after = "9s" })
    assert.equal("timeout", result(t).code)
    assert.equal(start_ms + 7000, t.now_ms)
  end)

  it("lets two calls at a time take the longer time", function()
    local t = test [[
      anzol.on("a", function(event)
        local results = anzol.http.all { { url = "https://a.example/" }, { url = "https://b.example/" } }
        event:send("out", { json = { results[1][1].status, results[2][1].status } })
      end)]]
    t:http("https://a.example/", { status = 201, after = "3s" })
    t:http("https://b.example/", { status = 202, after = "1s" })
    local start_ms = t.now_ms
    assert.same({ 201, 202 }, result(t))
    assert.equal(start_ms + 3000, t.now_ms)
  end)

  it("gives Retry-After, and what is too large", function()
    local t = test(fetch 'anzol.http.get("https://api.example/", { max_body = 4 })')
    t:http("https://api.example/", { status = 503, headers = { ["Retry-After"] = "7" } })
    assert.equal(7, result(t).retry_after)
    t:http("https://api.example/", { body = "12345" })
    assert.equal("too_large", result(t).code)
  end)

  it("follows redirects as far as the call lets it", function()
    local t = test(fetch 'anzol.http.post("https://api.example/a", { json = { n = 1 }, redirects = 2 })')
    t:http("https://api.example/a", { status = 307, headers = { Location = "/b" } })
    t:http("https://api.example/b", { status = 302, headers = { Location = "https://other.example/c" } })
    t:http("https://other.example/c", function(request)
      return { status = 200, body = request.method .. request.body }
    end)
    assert.equal("GET", result(t).body)
    assert.equal('{"n":1}', t.calls[2].body)
    t:http("https://other.example/c", { status = 302, headers = { Location = "https://other.example/d" } })
    assert.equal(302, result(t).status)
  end)

  it("fails the test for a call that nothing answers, whatever the handler does with the error", function()
    local t = test(get)
    local text = message_of(t.receive, t, "in", { json = { type = "a" } })
    assert.matches("un-canned call: no t:http answers\n  GET https://api.example/v1/x?q=1", text, 1, true)
  end)

  it("names what is no pattern", function()
    local t = test ""
    assert.matches("t:http takes a URL", message_of(t.http, t, "api.example", 200), 1, true)
    assert.matches("status is an integer", message_of(t.http, t, "https://x.example/", { status = 7 }), 1, true)
  end)
end)
