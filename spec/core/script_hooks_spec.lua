-- SPDX-License-Identifier: MIT
-- The other hooks: verify, type, idempotency_key, transform, retry (admit.c, attempt.c).
local rig = require "core.script_rig"
local script = rig.script

local GITHUB = "It's a Secret to Everybody"

describe("an incoming request", function()
  setup(function()
    script.quiet(true)
    script.setenv("ANZOL_SECRET_GITHUB", GITHUB)
    script.setenv("ANZOL_SECRET_STD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
  end)
  teardown(function()
    script.setenv("ANZOL_SECRET_GITHUB", nil)
    script.setenv("ANZOL_SECRET_STD", nil)
  end)
  after_each(rig.finish)

  -- The example of GitHub's own documentation.
  local hello = { body = "Hello, World!", headers = { { "X-GitHub-Event", "push" },
    { "X-GitHub-Delivery", "d-1" }, { "X-Hub-Signature-256",
      "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" } } }

  local function github()
    return rig.project [[
      anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
      anzol.source("typed", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" },
        type = "mine" })
      anzol.source("own", { verify = function(req)
        local github = anzol.verify.github { secret = anzol.secret "GITHUB" }
        return github(req)
      end })
    ]]
  end

  it("from GitHub is verified, typed and keyed by its provider", function()
    assert.same({ outcome = "ok", type = "github.push", key = "d-1" },
      github():admit("github", hello))
  end)

  it("takes an option beside the provider before the provider's own", function()
    assert.equal("mine", github():admit("typed", hello).type)
  end)

  it("with a wrong signature is unverified, with a reason", function()
    local project = github()
    local result = project:admit("github", { body = "Hello, World?", headers = hello.headers })
    assert.equal("unverified", result.outcome)
    assert.truthy(#result.reason > 0)
    assert.matches("missing", project:admit("github", { body = "x" }).reason)
  end)

  it("may be verified in Lua with the declarative verifiers", function()
    local project = github()
    assert.equal("ok", project:admit("own", hello).outcome)
    assert.equal("unverified", project:admit("own", { body = "x", headers = hello.headers }).outcome)
  end)

  it("of Standard Webhooks is verified by a signer's headers", function()
    local project = rig.project [[
      local sign = anzol.provider.standard { secret = anzol.secret "STD" }.sign
      local headers
      anzol.source("std", { provider = anzol.provider.standard { secret = anzol.secret "STD" } })
      anzol.on("**", { name = "sign" }, function(event)
        local headers = sign { id = "msg_1", body = event.body }
        error(anzol.json.encode(headers, { sort = true }), 0)
      end)
    ]]
    local body = '{"type":"invoice.paid","data":{}}'
    local text = project:run("sign", { body = body }).text
    local headers = {}
    for name, value in text:match "^[^\n]*":gmatch '"([%w-]+)":"([^"]*)"' do
      headers[#headers + 1] = { name, value }
    end
    assert.same({ outcome = "ok", type = "invoice.paid", key = "msg_1" },
      project:admit("std", { body = body, headers = headers }))
    assert.equal("unverified", project:admit("std", { body = body .. " ", headers = headers }).outcome)
  end)

  it("shows all its parts to the hooks", function()
    local project = rig.project [[
      anzol.source("s", { verify = function(req)
        return req.method == "PUT" and req.path == "/in/s" and req.query.a == "b" and req.body == '{"x":1}'
          and req.headers["X-A"] == "1" and req.json.x == 1 and req.remote_ip == "10.0.0.1"
          and req.source == "s" and req.received_at_ms == 1767225600000 and req.nothing == nil,
          "some part is wrong"
      end, type = function(req) return req.headers["x-a"] .. ".t" end,
        idempotency_key = function(req) return 42 end })
    ]]
    assert.same({ outcome = "ok", type = "1.t", key = "42" }, project:admit("s", { body = '{"x":1}',
      headers = { { ":method", "PUT" }, { ":path", "/in/s" }, { ":query", "a=b" },
        { ":remote", "10.0.0.1" }, { "x-a", "1" } } }))
    assert.same({ outcome = "unverified", type = "", key = "", reason = "some part is wrong" },
      project:admit("s", { body = "{}" }))
  end)

  it("is let in by true only", function()
    local project = rig.project [[
      for _, value in ipairs { 1, "yes", {} } do
        anzol.source("s" .. type(value), { verify = function() return value end })
      end
      anzol.source("nothing", { verify = function() end })
    ]]
    for _, name in ipairs { "snumber", "sstring", "stable", "nothing" } do
      assert.equal("unverified", project:admit(name, {}).outcome)
    end
  end)

  it("may wait for its verification", function()
    local project = rig.project [[
      anzol.source("s", { verify = function() anzol.sleep "5ms" return true end, type = function(req)
        return req.body end })
    ]]
    assert.same({ outcome = "ok", type = "a.b", key = "" }, project:admit("s", { body = "a.b" }))
  end)

  it("is malformed where a hook meets bad JSON, and an error where verify fails", function()
    local project = rig.project [[
      anzol.source("type", { verify = anzol.verify.none(), type = function(req) return req.json.type end })
      anzol.source("verify", { verify = function(req) return req.json.ok end })
      anzol.source("raises", { verify = function() error "broken" end })
    ]]
    assert.equal("malformed", project:admit("type", { body = "{" }).outcome)
    assert.equal("malformed", project:admit("verify", { body = "{" }).outcome)
    local raised = project:admit("raises", {})
    assert.equal("error", raised.outcome)
    assert.matches("broken\n\tin 'verify' of source \"raises\"", raised.reason)
  end)

  it("is untyped when type or key fail otherwise", function()
    local project = rig.project [[
      anzol.source("raise", { verify = anzol.verify.none(), type = function(req) return req.json.a.b end })
      anzol.source("bad", { verify = anzol.verify.none(), type = function() return "a b" end })
      anzol.source("nil", { verify = anzol.verify.none(), type = function() end })
      anzol.source("null", { verify = anzol.verify.none(), type = function(req) return anzol.json.null end })
      anzol.source("key", { verify = anzol.verify.none(), idempotency_key = function() return {} end })
      anzol.source("long", { verify = anzol.verify.none(), idempotency_key = function() return ("x"):rep(513) end })
    ]]
    for name, words in pairs { raise = "attempt to index", bad = "type returned 'a b'",
      ["nil"] = "type must return a string, got nil",
      null = "type must return a string, got JSON null", key = "idempotency_key must return a string or nil",
      long = "returned 513 bytes, at most 512" } do
      local result = project:admit(name, { body = "{}" })
      assert.equal("untyped", result.outcome)
      assert.matches(words, result.reason)
    end
  end)

  it("is over when its hooks are", function()
    local project = rig.project [[
      local kept
      anzol.source("s", { verify = anzol.verify.none(), type = function(req)
        if kept then return kept.body end
        kept = req
        return "a"
      end })
      local headers
      anzol.source("h", { verify = function(req)
        if headers then error(tostring(headers["x"])) end
        headers = req.headers
        return true
      end })
    ]]
    assert.equal("ok", project:admit("s", {}).outcome)
    assert.matches("this request is over", project:admit("s", {}).reason)
    assert.equal("ok", project:admit("h", { headers = { { "x", "1" } } }).outcome)
    assert.matches("nil", project:admit("h", { headers = { { "x", "1" } } }).reason)
  end)
end)

describe("transform", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local function transform(body, message)
    return rig.project(([[
      anzol.endpoint("e", { url = "https://e.example", sign = false,
        transform = function(message) %s end })
    ]]):format(body)):transform("e", message)
  end

  it("leaves the bytes alone when it changes nothing", function()
    for _, body in ipairs { "", "return message", "local x = message.json.a return message" } do
      local result = transform(body, { body = '{ "a" : 1 }' })
      assert.equal("ok", result.status)
      assert.is_nil(result.body)
    end
  end)

  it("makes new bytes of changed JSON", function()
    local result = transform("message.json.a = 2 return message",
      { body = '{ "a" : 1 }', headers = { { "content-type", "application/json" } } })
    assert.equal('{"a":2}', result.body)
    assert.same({ { "content-type", "application/json" } }, result.head)
  end)

  it("sets a body, headers, method, path and query", function()
    local result = transform([[
      message.body = message.body:upper()
      message.headers["X-A"] = "1"
      message.method, message.path, message.query = "PUT", "/x", { a = 1 }
      return message
    ]], { body = "abc", headers = { { "content-type", "text/plain" } } })
    assert.equal("ABC", result.body)
    assert.same({ { ":method", "PUT" }, { ":path", "/x" }, { ":query", "a=1" }, { "X-A", "1" },
      { "content-type", "text/plain" } }, result.head)
  end)

  it("makes a form, as event:send does", function()
    local result = transform("message.form = { b = 'x y', a = 1 }",
      { body = "{}", headers = { { "content-type", "application/json" }, { "content-encoding", "gzip" } } })
    assert.equal("a=1&b=x%20y", result.body)
    assert.same({ { "content-type", "application/x-www-form-urlencoded" } }, result.head)
    result = transform("return { form = { a = 1 }, headers = { ['Content-Type'] = 'x/form' } }", { body = "{}" })
    assert.same({ "a=1", { { "Content-Type", "x/form" } } }, { result.body, result.head })
  end)

  it("sees of a forwarded message only what goes out", function()
    local result = transform([[
      assert(message.headers["x-hidden"] == nil and message.headers["Content-Type"] == "a/b")
      assert(message.id:sub(1, 4) == "msg_" and message.event_id:sub(1, 4) == "evt_")
      assert(message.type == "t.x" and message.path == nil)
      message.headers["X-A"] = "1"
    ]], { body = "x", is_forwarded = 1, type = "t.x", headers = { { ":path", "/in/x" },
      { "Content-Type", "a/b" }, { "x-hidden", "s" } } })
    assert.equal("ok", result.status)
    assert.same({ { "Content-Type", "a/b" }, { "X-A", "1" } }, result.head)
    assert.equal("x", result.body)
  end)

  it("reads a compressed message, and what it writes anew is not compressed", function()
    -- One stored block of deflate.
    local coded = { body = '\1\7\0\xf8\xff{"n":1}', headers = { { "Content-Type", "application/json" },
      { "Content-Encoding", "deflate" } } }
    local unchanged = transform("assert(message.json.n == 1) return message", coded)
    assert.same({ "ok" }, { unchanged.status, unchanged.body })
    local result = transform("message.json.n = 2 return message", coded)
    assert.equal('{"n":2}', result.body)
    assert.same({ { "Content-Type", "application/json" } }, result.head)
  end)

  it("skips with a reason", function()
    local result = transform("return anzol.skip 'not now'", {})
    assert.is_true(result.is_skipped)
    assert.equal("not now", result.reason)
  end)

  it("fails as a script", function()
    for body, words in pairs {
      ["error 'x'"] = "x\n\tin 'transform' of endpoint \"e\"",
      ["return 5"] = "transform must return the message",
      ["message.json.a = 1 message.body = 'x'"] = "changed several of",
      ["message.json.a = 1 message.form = {}"] = "changed several of",
      ["message.form = 'a=1'"] = "message.form must be a table, got string",
      ["message.body = 5"] = "message.body must be a string",
      ["message.headers['A'] = 'x\\ny'"] = "control character",
      ["return message.json"] = "the body is not JSON",
    } do
      local result = transform(body, { body = body:find "return message.json" and "[" or "{}" })
      assert.equal("invalid", result.status, body)
      assert.matches(words, result.err)
    end
  end)
end)

describe("success", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local function project(body)
    return rig.project(([[
      anzol.endpoint("e", { url = "https://e.example", sign = false,
        success = function(status) %s end })
    ]]):format(body))
  end

  it("decides by the status", function()
    local it = project "return status == 404 or status < 400"
    assert.same({ true, true, false, false },
      { it:success("e", 404), it:success("e", 301), it:success("e", 410), it:success("e", 500) })
  end)

  for _, body in ipairs { "error 'x'", "return nil", "return 1", "return 'true'", "return {}",
    "while true do end" } do
    it("leaves it to 2xx, and counts the error, on: " .. body, function()
      local it = project(body)
      assert.same({ true, true, false, false },
        { it:success("e", 200), it:success("e", 299), it:success("e", 300), it:success("e", 199) })
    end)
  end
end)

describe("retry", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local function retry(body, attempt, age_ms)
    return rig.project(([[
      anzol.endpoint("e", { url = "https://e.example", sign = false,
        retry = function(attempt, delivery) %s end })
    ]]):format(body)):retry("e", attempt or {}, age_ms)
  end

  it("gives a delay, a stop or the default", function()
    assert.same({ is_default = false, is_stop = false, delay_ms = 1500, reason = "" }, retry "return 1.5")
    assert.equal(60000, retry("return '1m'").delay_ms)
    assert.same({ is_default = false, is_stop = true, delay_ms = 0, reason = "gone" },
      retry "return false, 'gone'")
    assert.is_true(retry("").is_default)
    assert.is_true(retry("return nil").is_default)
  end)

  it("sees the attempt and the delivery", function()
    local answer = retry([[
      assert(attempt.number == 3 and attempt.status == 503 and attempt.error == nil)
      assert(attempt.retry_after == 2.5 and attempt.previous_delay == 4 and attempt.body == "busy")
      assert(attempt.headers["x-a"] == "1, 2" and attempt.duration_ms == 12)
      assert(delivery.age == 9 and delivery.attempts == 3 and delivery.endpoint == "e")
      assert(delivery.id:sub(1, 4) == "dlv_" and delivery.state == "in_flight")
      assert(delivery.message_id:sub(1, 4) == "msg_" and delivery.event_id:sub(1, 4) == "evt_")
      return attempt.retry_after
    ]], { number = 3, status = 503, retry_after_ms = 2500, previous_delay_ms = 4000, body = "busy",
      headers = { { "X-A", "1" }, { "x-a", "2" } } }, 9000)
    assert.equal(2500, answer.delay_ms)
    assert.equal(7000, retry("assert(attempt.status == nil and attempt.error == 'timeout') return 7",
      { error = 1 }).delay_ms)
  end)

  for _, body in ipairs { "error 'x'", "return 0/0", "return 1/0", "return -1", "return {}", "return true",
    "return 'soon'", "return 1e300", "local t = {} while true do t[#t + 1] = {} end",
    "while true do end", "error(setmetatable({}, { __tostring = error }))",
    "return coroutine.yield(1)" } do
    it("falls back to the default policy on: " .. body, function()
      assert.is_true(retry(body).is_default)
    end)
  end
end)
