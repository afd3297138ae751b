-- SPDX-License-Identifier: MIT
-- anzol.testing: what specs of users are written with, and how it fails a test.
local files = require "support.files"
local rig = require "lua.testing_rig"
local testing = require "anzol.testing"

local forward, message_of, test = rig.forward, rig.message_of, rig.test

describe("anzol.testing", function()
  after_each(rig.finish)

  describe("new", function()
    it("names every error of the scripts with its place", function()
      local dir = rig.project {
        ["scripts/a.lua"] = '\nanzol.endpoint("x", { url = "ftp://x", sign = false })',
        ["scripts/b.lua"] = "local x = = 1",
      }
      local text = message_of(testing.new, { dir = dir })
      assert.matches("scripts/a.lua:2: ", text, 1, true)
      assert.matches("scripts/b.lua:1: ", text, 1, true)
    end)

    it("asks for secrets by name, and says which is missing", function()
      local dir = rig.project { ["scripts/a.lua"] = 'local s = anzol.secret "KEY"' }
      assert.matches("secret KEY is not set", message_of(testing.new, { dir = dir }), 1, true)
      testing.new({ dir = dir, secrets = { KEY = "k" } }):close()
      testing.new({ dir = dir, secrets = testing.any_secret }):close()
    end)

    it("gives any secret as test-NAME, but those that are given", function()
      local secrets = testing.any_secret { URL = "https://x.example/" }
      assert.equal("test-KEY", secrets.KEY)
      assert.equal("https://x.example/", secrets.URL)
    end)

    it("shows no variable of the process", function()
      local t = test([[
        local home = anzol.env("HOME", "nothing")
        anzol.on("a", function(event) event:send("out", { json = { home, anzol.env("X", "-") } }) end)
      ]], { env = { X = "1" } })
      t:receive("in", { json = { type = "a" } })
      assert.same({ "nothing", "1" }, t.deliveries[1].request.json)
    end)

    it("takes the scripts that anzol.lua names, or those it is given", function()
      local dir = rig.project {
        ["anzol.lua"] = 'return { scripts = { "rules/*.lua" } }',
        ["rules/a.lua"] = 'anzol.source("a", { verify = anzol.verify.none(), type = "a" })',
        ["scripts/b.lua"] = 'anzol.source("b", { verify = anzol.verify.none(), type = "b" })',
      }
      local t = testing.new { dir = dir }
      assert.matches("there are: a)", message_of(t.receive, t, "x"), 1, true)
      t:close()
      t = testing.new { dir = dir, scripts = { "scripts/*.lua" } }
      assert.matches("there are: b)", message_of(t.receive, t, "x"), 1, true)
      t:close()
    end)

    it("refuses what it does not know, and says what was meant", function()
      assert.matches("unknown option 'script' for testing.new; did you mean 'scripts'?",
        message_of(testing.new, { script = {} }), 1, true)
      assert.matches("now is RFC 3339", message_of(testing.new, { now = "today" }), 1, true)
    end)

    it("sets the clock of the scripts", function()
      local t = test([[anzol.on("a", function(event)
        event:send("out", { json = { now = anzol.time.iso() } }) end)]],
        { now = "2026-03-02T08:00:00Z" })
      t:receive("in", { json = { type = "a" } })
      assert.equal("2026-03-02T08:00:00.000Z", t.deliveries[1].request.json.now)
      assert.equal(1772438400000, t.now_ms)
    end)

    it("makes chance follow from the seed", function()
      local function draw(seed)
        local t = test([[anzol.on("a", function(event)
          event:send("out", { json = { anzol.random(), anzol.random() } }) end)]], { seed = seed })
        t:receive("in", { json = { type = "a" } })
        return t.deliveries[1].request.json
      end
      local first = draw(7)
      assert.same(first, draw(7))
      assert.are_not.same(first, draw(8))
      assert.is_true(first[1] >= 0 and first[1] < 1 and first[1] ~= first[2])
    end)
  end)

  describe("receive", function()
    it("answers as the server does", function()
      local t = test(forward)
      local answer = t:receive("in", { json = { type = "a" } })
      assert.equal(200, answer.status)
      assert.equal(t.events[1].id, answer.json.id)
      assert.equal("application/json", answer.headers["Content-Type"])
      assert.equal(400, t:receive("in", { body = "{" }).status)
      assert.equal(405, t:receive("in", { method = "PUT", json = {} }).status)
      assert.equal(1, #t.events)
    end)

    it("answers handshakes as the server does, and tells scripts of those left open", function()
      local t = test([[
        anzol.source("grid", { verify = anzol.verify.none(), type = function(req) return req.json.type end,
          handshake = { origins = { "a.example" } } })
        anzol.on("anzol.source.handshake", function(event) event:send("out", { json = event.data }) end)
      ]])
      local function ask(origin, callback)
        return t:receive("grid", { method = "OPTIONS", headers = { ["WebHook-Request-Origin"] = origin,
          ["WebHook-Request-Callback"] = callback } })
      end
      local answer = ask "a.example"
      assert.same({ 200, "a.example", "*" }, { answer.status, answer.headers["WebHook-Allowed-Origin"],
        answer.headers["WebHook-Allowed-Rate"] })
      assert.equal(202, ask("b.example", "https://b.example/c").status)
      assert.same({ source = "grid", origin = "b.example", callback = "https://b.example/c" },
        t.deliveries[1].request.json)
      assert.equal(202, t:receive("grid", { json = { type = "a" } }).status)
      assert.equal(415, t:receive("grid", { body = "{" }).status)
    end)

    it("refuses a body over max_body", function()
      local t = test [[anzol.source("small", { verify = anzol.verify.none(), type = "s", max_body = 10 })]]
      assert.equal(200, t:receive("small", { body = ("x"):rep(10) }).status)
      assert.equal(413, t:receive("small", { body = ("x"):rep(11) }).status)
    end)

    it("handles a key once within its window", function()
      local t = test(forward)
      local first = t:receive("in", { json = { type = "a", key = "k" } })
      t:advance "24h"
      local second = t:receive("in", { json = { type = "a", key = "k" } })
      assert.is_true(second.json.duplicate)
      assert.equal(first.json.id, second.json.id)
      assert.equal(1, #t.events)
      t:advance "1s"
      t:receive("in", { json = { type = "a", key = "k" } })
      assert.equal(2, #t.events)
    end)

    it("signs as the source's sender does, with its provider or its verifier", function()
      local t = test([[
        anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "G" } })
        anzol.source("standard", { type = "s", verify = anzol.verify.standard { secret = anzol.secret "S" } })
        anzol.source("own", { type = "o", verify = function() return true end })
      ]], { secrets = testing.any_secret })
      assert.equal(200, t:receive("github", { sign = true, type = "push", json = { ref = "x" } }).status)
      assert.equal("github.push", t.events[1].type)
      assert.equal(200, t:receive("standard", { sign = true, json = {} }).status)
      assert.equal(401, t:receive("standard", { json = {} }).status)
      assert.equal(401, t:receive("standard", { sign = true, json = {},
        headers = { ["webhook-signature"] = "v1,AAAA" } }).status)
      assert.matches("nobody can sign for it", message_of(t.receive, t, "own", { sign = true }), 1, true)
    end)

    it("sends fixtures with their headers, forms, bytes and queries", function()
      local t = test [[
        anzol.source("raw", { verify = anzol.verify.none(), type = function(req)
          return req.headers["x-type"] or req.query.type or req.form.type end })
        anzol.on("**", function(event) event:send("out") end)
      ]]
      files.write(rig.dirs[1] .. "/fixtures/shop/order.json", '{ "id": 7 }\n')
      files.write(rig.dirs[1] .. "/fixtures/shop/order.headers", "X-Type: order\nX-Other: 1\n")
      t:receive("raw", { fixture = "shop/order" })
      assert.equal("order", t.events[1].type)
      assert.equal('{ "id": 7 }\n', t.deliveries[1].request.body)
      t:receive("raw", { form = { type = "b c", n = 1 }, headers = { ["X-Type"] = "form" } })
      assert.equal("n=1&type=b%20c", t.events[2].body)
      t:receive("raw", { body = "\0\1", query = { type = "q" } })
      assert.equal("q", t.events[3].type)
      assert.equal("\0\1", t.deliveries[3].request.body)
      assert.matches("no fixture 'nothing'", message_of(t.receive, t, "raw", { fixture = "nothing" }), 1, true)
    end)

    it("keeps null, empty arrays, integers and reals on the way through", function()
      local t = test [[anzol.on("a", function(event) event:send("out", { json = event.data }) end)]]
      t:receive("in", { json = { type = "a", none = testing.null, list = testing.array {},
        object = {}, int = 3, real = 0.1, nested = { { 1, 2 }, { testing.null } } } })
      local json = t.deliveries[1].request.json
      assert.equal(testing.null, json.none)
      assert.equal("integer", math.type(json.int))
      assert.equal(0.1, json.real)
      assert.same({ { 1, 2 }, { testing.null } }, json.nested)
      assert.matches('"list":[]', t.deliveries[1].request.body, 1, true)
      assert.matches('"object":{}', t.deliveries[1].request.body, 1, true)
      assert.equal("null", tostring(testing.null))
    end)

    it("refuses what JSON cannot hold", function()
      local t = test(forward)
      assert.matches("a function cannot be JSON", message_of(t.receive, t, "in", { json = { print } }), 1, true)
      local loop = {}
      loop.loop = loop
      assert.matches("does it hold itself?", message_of(t.receive, t, "in", { json = loop }), 1, true)
    end)

    it("names what it does not know", function()
      local t = test(forward)
      assert.matches("no source 'ni' is registered (there are: in)", message_of(t.receive, t, "ni"), 1, true)
      assert.matches("^spec/lua/testing_spec.lua:%d+: there is no 'recieve' in a test; did you mean 'receive'%?$",
        message_of(function() t:recieve "in" end))
      assert.matches("there is no 'xyzzy' in a test$", message_of(function() return t.xyzzy end))
      assert.matches("did you mean 'json'?", message_of(t.receive, t, "in", { jso = {} }), 1, true)
      assert.matches("one of json, body, form and fixture",
        message_of(t.receive, t, "in", { json = {}, body = "" }), 1, true)
    end)

    it("stores what has no type, with a dead run that tells why", function()
      local t = test(forward)
      assert.equal(200, t:receive("in", { json = { type = 1 } }).status)
      assert.equal("anzol.untyped", t.events[1].type)
      assert.matches("type must return a string", t.events[1].error)
      assert.equal("type", t.dead_letters[1].kind)
    end)

    it("hides what is hidden, and says 500 when verify raises", function()
      local t = test [[
        anzol.source("h", { verify = function(req) if req.headers.authorization == "bad" then error "no" end
          return true end, type = "h" })
      ]]
      assert.equal(200, t:receive("h", { headers = { Authorization = "Bearer x", ["X-A"] = "1" } }).status)
      assert.is_nil(t.events[1].headers.authorization)
      assert.equal("1", t.events[1].headers["X-A"])
      local answer = t:receive("h", { headers = { Authorization = "bad" } })
      assert.equal(500, answer.status)
      assert.matches("no", answer.reason)
    end)
  end)

  describe("what goes wrong outside of handlers", function()
    local pager = [[
      anzol.source("closed", { verify = function() return false, "no key fits" end, type = "x" })
      anzol.source("to", { verify = anzol.verify.none(), type = function(req) return "to." .. req.body end })
      for _, name in ipairs { "crm", "loop" } do
        anzol.endpoint(name, { url = "https://out.example/in", sign = false,
          retry = anzol.backoff.constant { base = "1s", attempts = 2, jitter = "none" } })
        anzol.on("to." .. name, function(event) event:send(name) end)
      end
      anzol.endpoint("pager", { url = "https://pager.example/in", sign = false })
      anzol.on("anzol.**", function(event)
        event:send("pager", { json = event.data })
        if event.data.endpoint == "loop" then event:send "loop" end
      end)
    ]]

    it("is told to scripts that ask: a delivery that died", function()
      local t = test(pager)
      t:answer("crm", 500, 502)
      t:receive("to", { body = "crm" })
      t:advance "1s"
      local dead = t.events[2]
      assert.same({ "anzol.delivery.dead", "anzol", t.events[1].id, 1 },
        { dead.type, dead.source, dead.parent_id, dead.depth })
      assert.same({ "crm", 502, 2, "no attempts left after 2" },
        { dead.json.endpoint, dead.json.status, dead.json.attempts, dead.json.reason })
      assert.matches('"status":502', t:delivery("pager").request.body, 1, true)
      assert.equal(1, #t.dead_letters)
    end)

    it("is told to scripts that ask: an endpoint that wants no more", function()
      local t = test(pager)
      t:answer("crm", 410)
      t:receive("to", { body = "crm" })
      assert.same({ "anzol.endpoint.disabled", "anzol.delivery.dead" },
        { t.events[2].type, t.events[3].type })
    end)

    it("is told to scripts that ask: requests that are not genuine, once a minute", function()
      local t = test(pager)
      for _ = 1, 3 do assert.equal(401, t:receive("closed", { body = "secret" }).status) end
      assert.equal(1, #t.events)
      assert.same({ source = "closed", reason = "no key fits", remote_ip = "192.0.2.1", count = 1 },
        t.events[1].json)
      t:advance "1m"
      t:receive "closed"
      assert.equal(3, t.events[2].json.count)
    end)

    it("ends at a depth of 16", function()
      local t = test(pager)
      t:answer_always("loop", 500)
      t:receive("to", { body = "loop" })
      t:advance "1h"
      assert.equal(17, #t.events)
      assert.equal(16, t.events[17].depth)
    end)
  end)

  describe("a test fails", function()
    it("for an attempt past the canned answers, and prints the request", function()
      local t = test(forward)
      t:answer("out", 500)
      t:receive("in", { json = { type = "a" } })
      local text = message_of(t.advance, t, "10s")
      assert.matches("un-canned attempt: endpoint 'out' has no answer left for\n  POST https://out.example/in\n",
        text, 1, true)
      assert.matches("Content-Type: application/json", text, 1, true)
      assert.matches('  {"type":"a"}', text, 1, true)
    end)

    it("where the spec stands", function()
      local t = test(forward)
      assert.matches("^[^:]*testing_spec.lua:%d+: ", message_of(function() t:receive("nope") end))
    end)

    it("at its end for answers that nobody asked for", function()
      local t = test(forward)
      t:answer("out", 200, 200)
      t:receive("in", { json = { type = "a" } })
      assert.matches("endpoint 'out' was not asked for 1 of its answers", message_of(t.close, t), 1, true)
      t = test(forward)
      t:answer_always("out", 200)
      assert.matches("endpoint 'out' was never asked for its answer", message_of(t.close, t), 1, true)
    end)

    it("at its end for a failed run that the spec did not look at", function()
      local bad = [[anzol.on("a", function() error "boom" end)]]
      local t = test(bad)
      t:receive("in", { json = { type = "a" } })
      assert.matches("failed, and the spec did not look at it:\n.*boom", message_of(t.close, t))
      t = test(bad)
      t:receive("in", { json = { type = "a" } })
      assert.is_string(t.events[1].error)
      t:close()
      t = test(bad)
      t:receive("in", { json = { type = "a" } })
      assert.equal(0, #t.dead_letters)
      t:close()
    end)

    it("for names and answers that cannot be", function()
      local t = test(forward)
      assert.matches("no endpoint 'uot'", message_of(t.answer, t, "uot", 200), 1, true)
      assert.matches("no delivery to 'out'", message_of(t.delivery, t, "out"), 1, true)
      assert.matches("status is an integer", message_of(t.answer, t, "out", { status = 99 }), 1, true)
      assert.matches("did you mean 'status'?", message_of(t.answer, t, "out", { statu = 200 }), 1, true)
      assert.matches("none an attempt can have", message_of(t.answer, t, "out", { error = "bad" }), 1, true)
      assert.matches("takes a duration", message_of(t.advance, t, "soon"), 1, true)
    end)

    it("once it was closed", function()
      local t = test(forward)
      t:close()
      assert.matches("no open test", message_of(t.receive, t, "in"), 1, true)
    end)
  end)

  it("shows what scripts log, and what the server logs of them", function()
    local t = test [[
      anzol.endpoint("r", { url = "https://r.example/", sign = false, retry = function() error "oops" end })
      anzol.on("a", function(event)
        event.log.warn('said "it"', { code = "timeout", n = 3 })
        anzol.log.debug "quiet"
        anzol.log.info("told", { yes = true })
        anzol.log.error(nil, { why = anzol.json.null })
        event:send("r")
      end)]]
    t:answer("r", 500)
    t:receive("in", { json = { type = "a" } })
    local line = t.logs[1]
    assert.equal("warn", line.level)
    assert.equal('said "it"', line.message)
    assert.same({ code = "timeout", n = "3" }, line.fields)
    assert.matches("scripts/main.lua:", line.script, 1, true)
    assert.equal(t.events[1].id, line.event_id)
    assert.same({ "debug quiet", "info told", "error nil" }, { t.logs[2].level .. " " .. t.logs[2].message,
      t.logs[3].level .. " " .. t.logs[3].message, t.logs[4].level .. " " .. t.logs[4].message })
    assert.same({ { yes = "true" }, { why = "null" } }, { t.logs[3].fields, t.logs[4].fields })
    assert.equal("retry function failed, the default policy is used", t.logs[5].message)
  end)

  it("keeps lines of logs whole, whatever a payload puts into names and values", function()
    local t = test [[anzol.on("a", function(event)
      anzol.log.info("one\ntwo", { ["x\ny=1 event"] = "v\n\"w", [""] = 1, ["é"] = 2, plain = 3,
        message = "m", event = "e", script = "s" })
      for i = 1, 1005 do anzol.log.info(i) end
    end)]]
    t:receive("in", { json = { type = "a" } })
    assert.equal("one\ntwo", t.logs[1].message)
    assert.same({ x_y_1_event = "v\n\"w", _ = "1", __ = "2", plain = "3",
      message = "m", event = "e", script = "s" }, t.logs[1].fields)
    assert.equal(t.events[1].id, t.logs[1].event_id)
    assert.equal(1001, #t.logs)
    assert.equal("999", t.logs[1000].message)
    assert.same({ "warn", "a thousand lines: those that follow are left out" },
      { t.logs[1001].level, t.logs[1001].message })
  end)

  it("shows what scripts print or write, as logs", function()
    local t = test [[anzol.on("a", function()
      print("a", nil, 1.5, true)
      io.write("b", 2, "\n")
      io.stdout:write("c\n"):write "d"
      io.stderr:write "e"
      warn("f", "g")
    end)]]
    t:receive("in", { json = { type = "a" } })
    local lines = {}
    for i, line in ipairs(t.logs) do
      lines[i] = line.level .. " " .. line.message
      assert.matches("^scripts/main.lua:%d+$", line.script)
    end
    assert.same({ "info a\tnil\t1.5\ttrue", "info b2", "info c", "info d", "info e", "warn fg" }, lines)
  end)

  it("keeps two tests apart", function()
    local one = test(forward, { now = "2026-01-01T00:00:00Z" })
    local two = test(forward, { now = "2026-06-01T00:00:00Z" })
    one:receive("in", { json = { type = "a" } })
    two:advance "1h"
    two:receive("in", { json = { type = "a" } })
    assert.equal(1, #one.events)
    assert.equal(1767225600000, one.events[1].received_at_ms)
    assert.equal(1780275600000, two.events[1].received_at_ms)
  end)

  it("is not disturbed by a test that nobody closed, collected in the middle of a run", function()
    local env = setmetatable({}, { __index = function() collectgarbage() end })
    local t = test([[anzol.on("a", function(event)
      anzol.env "ANY"
      event:send("out", { json = { now = anzol.time.now() } })
    end)]], { env = env })
    testing.new { dir = rig.project {}, scripts = { "*.lua" }, now = 0 }
    t:receive("in", { json = { type = "a" } })
    assert.equal(t.now_ms, t.deliveries[1].request.json.now)
  end)

  it("is no place to require anzol itself", function()
    package.loaded.anzol = nil
    assert.matches("a spec loads these with", message_of(require, "anzol"), 1, true)
  end)
end)
