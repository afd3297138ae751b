-- SPDX-License-Identifier: MIT
-- What handlers can do and what comes of it (core/script).
local rig = require "core.script_rig"

describe("a handler", function()
  setup(function() rig.script.quiet(true) end)
  after_each(rig.finish)

  it("is handled when it returns nothing, with nothing to send", function()
    local result = rig.handled ""
    assert.same({}, result.messages)
    assert.same({}, result.deliveries)
    assert.same({}, result.emits)
  end)

  it("sees the fields of its event", function()
    local result = rig.handled([[
      event:send("out", { json = { event.id, event.type, event.source, event.body, event.run_number,
        event.received_at_ms, event.content_type, event.headers["X-A"], event.query.q } })
    ]], { type = "a.b", source = "s", body = '{"x":1}', id = 0x100000000,
      headers = { { ":query", "q=1%202&r=+" }, { "Content-Type", "application/json" },
        { "x-a", "1" }, { "X-A", "2" } } })
    assert.equal('["evt_000004gfFC4","a.b","s","{\\"x\\":1}",1,1767225600000,'
      .. '"application/json","1, 2","1 2"]', result.messages[1].body)
  end)

  it("gets nil for a field that there is not, and an error for setting one", function()
    assert.equal("handled", rig.run("assert(event.colour == nil)").outcome)
    assert.matches("an event is read%-only", rig.run("event.type = 'x'").text)
  end)

  it("reads headers in wire order, all of a name, without pseudo fields", function()
    local result = rig.handled([[
      local names = {}
      for name, value in pairs(event.headers) do names[#names + 1] = name .. "=" .. value end
      event:send("out", { json = { names, event.headers:all "a", event.headers[":path"] or "none" } })
    ]], { headers = { { ":path", "/in" }, { "B", "1" }, { "A", "2" }, { "a", "3" } } })
    assert.equal('[["B=1","A=2","a=3"],["2","3"],"none"]', result.messages[1].body)
  end)

  it("reads paths into the data; nil and null give the default", function()
    local result = rig.handled([[
      event:send("out", { json = { event:get "a.b.1", event:get("a.c", 5), event:get("n", 6),
        event:get("a.b.1.x", 7), event:get("f", 8) } })
    ]], { body = '{"a":{"b":["x"]},"n":null,"f":false}' })
    assert.equal('["x",5,6,7,false]', result.messages[1].body)
  end)

  it("has a copy of the data to edit", function()
    local result = rig.handled([[
      event.data.x = event.data.x + 1
      event:send("out", { json = event.data })
      event:send("out")
    ]], { body = '{"x":1}' })
    assert.equal('{"x":2}', result.messages[1].body)
    assert.equal('{"x":1}', result.messages[2].body)
  end)

  it("decodes a form by its content type", function()
    local result = rig.handled([[ event:send("out", { json = { event.data.a, event.data["b c"] } }) ]],
      { body = "a=1&b+c=%C3%A4", headers = { { "content-type", "application/x-www-form-urlencoded" } } })
    assert.equal('["1","ä"]', result.messages[1].body)
  end)

  it("fails on data that is not JSON, and says where", function()
    local result = rig.run("return event.data.x", { body = "hello" })
    assert.equal("failed", result.outcome)
    assert.matches("the body is not JSON: a value expected %(byte 1%)", result.text)
  end)

  it("skips with a reason, and what it sent before is not sent", function()
    local result = rig.run([[ event:send "out" return anzol.skip "a reason" ]])
    assert.equal("skipped", result.outcome)
    assert.equal("a reason", result.text)
    assert.same({}, result.messages)
  end)

  it("asks to be run again later", function()
    local result = rig.run([[ return anzol.retry_later "90s" ]])
    assert.equal("retry_later", result.outcome)
    assert.equal(90000, result.delay_ms)
  end)

  it("fails when it returns nil and an error, as calls do", function()
    for body, text in pairs {
      ["return anzol.json.decode '{'"] = "^json: no JSON: .*\n\tin 'handler' of subscription \"main\"",
      ["return nil, 'no such customer'"] = "^no such customer\n\tin 'handler'",
      ["return nil, setmetatable({}, { __tostring = function() error 'x' end })"] = "error object is a table",
    } do
      local result = rig.run("event:send 'out' " .. body)
      assert.equal("failed", result.outcome)
      assert.matches(text, result.text)
      assert.same({}, result.messages)
    end
    for _, body in ipairs { "return nil", "return nil, nil", "return false, 'x'", "return 5, 'x'",
      "return event:send 'out'", "return nil, false" } do
      assert.equal("handled", rig.run(body).outcome, body)
    end
  end)

  it("leaves nothing behind when it fails, and tells place, phase and traceback", function()
    local result = rig.run([[
      event:send "out"
      local x = nil
      return x.y
    ]])
    assert.equal("failed", result.outcome)
    assert.same({}, result.messages)
    assert.matches("^scripts/main%.lua:%d+: attempt to index a nil value %(local 'x'%)", result.text)
    assert.matches("in 'handler' of subscription \"main\" %(scripts/main%.lua:3%)", result.text)
    assert.matches("stack traceback:", result.text)
    assert.is_true(#result.text <= 4096)
  end)

  it("may fail with any object; its words are taken under protection", function()
    assert.matches("custom", rig.run([[
      error(setmetatable({}, { __tostring = function() return "custom" end })) ]]).text)
    assert.matches("error object is a table value", rig.run([[
      error(setmetatable({}, { __tostring = function() error "again" end })) ]]).text)
    assert.matches("nil", rig.run("error(nil)").text)
    assert.is_true(#rig.run("error(('x'):rep(1e6))").text <= 4096)
  end)

  it("is filtered before it runs", function()
    local project = rig.project [[
      anzol.on("**", { name = "main", filter = function(event) return event.data.ok end },
        function(event) error "not reached" end)
      anzol.on("**", { name = "bad", filter = function(event) error "broken" end }, function() end)
      anzol.on("**", { name = "sends", filter = function(e) e:send "out" end }, function() end)
    ]]
    local result = project:run("main", { body = '{"ok":false}' })
    assert.equal("skipped", result.outcome)
    assert.equal("filter", result.text)
    local bad = project:run("bad", {})
    assert.equal("failed", bad.outcome)
    assert.matches("broken\n\tin 'filter' of subscription \"bad\"", bad.text)
    assert.matches("event:send works in the handler of this event only, not in 'filter'",
      project:run("sends", {}).text)
  end)

  it("cannot use its event when it is over", function()
    local project = rig.project [[
      local kept
      anzol.on("**", { name = "main" }, function(event)
        if kept then return kept.id end
        kept = event
      end)
    ]]
    assert.equal("handled", project:run("main", {}).outcome)
    assert.matches("this event's handler is over", project:run("main", {}).text)
  end)

  it("waits while others run", function()
    local project = rig.project [[
      local order = {}
      anzol.on("**", { name = "main" }, function(event)
        anzol.sleep(event.data.wait)
        order[#order + 1] = event.data.name
        if #order == 3 then error(table.concat(order)) end
      end)
    ]]
    local slow = project:start("main", { body = '{"wait":"40ms","name":"c"}' })
    project:start("main", { body = '{"wait":0.02,"name":"b"}' })
    project:start("main", { body = '{"wait":0,"name":"a"}' })
    assert.is_nil(slow.outcome)
    assert.equal(3, project:job_count())
    project:wait()
    assert.matches("abc", slow.text)
    assert.equal(0, project:job_count())
  end)

  it("stops waiting at its deadline", function()
    local project = rig.project [[
      anzol.on("**", { name = "main", deadline = "30ms" }, function() anzol.sleep "1h" end)
    ]]
    local result = project:run("main", {})
    assert.equal("failed", result.outcome)
    assert.matches("'handler' went over its time limit of 30 ms", result.text)
  end)

  it("is cancelled while it waits, and closes what is to be closed", function()
    local project = rig.project [[
      local closed = false
      anzol.on("**", { name = "main" }, function()
        local guard <close> = setmetatable({}, { __close = function() closed = true end })
        anzol.sleep "1h"
      end)
      anzol.on("**", { name = "look" }, function() error(tostring(closed)) end)
    ]]
    local result = project:start("main", {})
    project:cancel_all()
    assert.equal("cancelled", result.outcome)
    assert.matches("true", project:run("look", {}).text)
  end)

  it("says where waiting works, where it does not", function()
    local project = rig.project [[
      anzol.on("**", { name = "filter", filter = function() anzol.sleep(1) end }, function() end)
      anzol.on("**", { name = "sort" }, function()
        table.sort({ 2, 1 }, function(a, b) anzol.sleep(1) return a < b end) end)
      anzol.on("**", { name = "yield" }, function() coroutine.yield() end)
    ]]
    assert.matches("anzol%.sleep cannot wait in 'filter' %(subscription \"filter\", "
      .. "scripts/main%.lua:1%)%. Waiting works in: verify, challenge, respond, handler, cron, every, "
      .. "poll, sse, init%.",
      project:run("filter", {}).text)
    assert.matches("cannot wait inside a callback", project:run("sort", {}).text)
    assert.matches("coroutine%.yield outside of a coroutine", project:run("yield", {}).text)
  end)

  it("uses coroutines of its own as ever", function()
    assert.equal("handled", rig.run([[
      local sum = 0
      for i in coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i) end end) do sum = sum + i end
      assert(sum == 15)
    ]]).outcome)
  end)
end)

describe("event:send", function()
  setup(function() rig.script.quiet(true) end)
  after_each(rig.finish)

  it("forwards the received bytes without copying them", function()
    local message = rig.handled("event:send 'out'", { body = "\0\1raw", type = "a.b" }).messages[1]
    assert.is_true(message.is_forwarded)
    assert.equal("\0\1raw", message.body)
    assert.equal("a.b", message.type)
  end)

  it("sends JSON, a form or a body, with the content type that goes with it", function()
    local result = rig.handled [[
      event:send("out", { json = { 1, "ä" } })
      event:send("out", { form = { b = 2, a = "x y&" } })
      event:send("out", { body = "plain" })
      event:send("out", { body = "<a/>", headers = { ["Content-Type"] = "text/xml", ["X-B"] = 1, ["X-A"] = "a" } })
    ]]
    local function sent(i)
      return result.messages[i].body, rig.header(result.messages[i].head, "content-type")
    end
    assert.same({ '[1,"ä"]', "application/json" }, { sent(1) })
    assert.same({ "a=x%20y%26&b=2", "application/x-www-form-urlencoded" }, { sent(2) })
    assert.same({ "plain", "application/octet-stream" }, { sent(3) })
    assert.same({ "<a/>", "text/xml" }, { sent(4) })
    assert.same({ { "Content-Type", "text/xml" }, { "X-A", "a" }, { "X-B", "1" } },
      result.messages[4].head)
  end)

  it("sets method, path and query of one message", function()
    local head = rig.handled([[
      event:send("out", { json = {}, method = "PUT", path = "/x/1", query = { a = "b c" } })
    ]]).messages[1].head
    assert.equal("PUT", rig.header(head, ":method"))
    assert.equal("/x/1", rig.header(head, ":path"))
    assert.equal("a=b%20c", rig.header(head, ":query"))
  end)

  it("keeps the received body with its type when only headers are given", function()
    local message = rig.handled([[ event:send("out", { headers = { ["X-A"] = "1" }, type = "t.x" }) ]],
      { body = "zip", headers = { { "Content-Type", "a/b" }, { "Content-Encoding", "gzip" },
        { "X-Secret", "s" } } }).messages[1]
    assert.is_false(message.is_forwarded)
    assert.equal("zip", message.body)
    assert.equal("t.x", message.type)
    assert.same({ { "X-A", "1" }, { "content-type", "a/b" }, { "content-encoding", "gzip" } },
      message.head)
  end)

  it("makes one message for several endpoints, and gives its id", function()
    local result = rig.handled [[
      local id = event:send({ "out", "other", "out" }, { json = {} }, { delay = "5m", expires = "1h" })
      event:send("out", { json = { id } })
    ]]
    assert.equal(2, #result.messages)
    assert.equal(3, #result.deliveries)
    assert.equal('["' .. result.messages[1].id .. '"]', result.messages[2].body)
    assert.same({ endpoint = "out", delay_ms = 300000, message = result.messages[1].id },
      result.deliveries[1])
    assert.equal("other", result.deliveries[2].endpoint)
    assert.is_true(result.messages[1].expires_ms > 0)
    assert.equal(0, result.messages[2].expires_ms)
  end)

  it("gives ids by position, the same in every run", function()
    local project = rig.handler [[ event:send "out" event:send "other" event:send "out" ]]
    local function ordinals(limits)
      local list = {}
      for _, message in ipairs(project:run("main", {}, limits).messages) do
        list[#list + 1] = message.ordinal
      end
      return list
    end
    assert.same({ 1, 2, 3 }, ordinals {})
    assert.same({ 1, 2, 3 }, ordinals { number = 2 })
    assert.same({ 100, 101, 102 }, ordinals { first = 100, count = 3 })
  end)

  it("refuses more messages than the run's share, and names the limit", function()
    local result = rig.run("for i = 1, 4 do event:send 'out' end", {}, { first = 1, count = 3 })
    assert.equal("failed", result.outcome)
    assert.matches("at most 3 messages %(254 for each event", result.text)
    assert.equal(254, #rig.handled("for i = 1, 254 do event:send 'out' end").messages)
    assert.matches("at most 254 messages", rig.run("for i = 1, 255 do event:send 'out' end").text)
  end)

  it("makes one message of equal idempotency keys in a run", function()
    local result = rig.handled [[
      local a = event:send("out", { json = 1 }, { idempotency_key = "k" })
      local b = event:send({ "out", "other" }, { json = 2 }, { idempotency_key = "k" })
      local c = event:send("out", { json = 3 }, { idempotency_key = "l" })
      assert(a == b and a ~= c)
    ]]
    assert.equal(2, #result.messages)
    assert.equal(3, #result.deliveries)
    assert.equal("1", result.messages[1].body)
  end)

  it("refuses 1,001 deliveries in a run", function()
    assert.matches("at most 1000 deliveries", rig.project([[
      local names = {}
      for i = 1, 501 do
        names[i] = "e" .. i
        anzol.endpoint(names[i], { url = "https://e.example", sign = false })
      end
      anzol.on("**", { name = "main" }, function(event)
        event:send(names, { json = 1 }) event:send(names, { json = 2 })
      end)
    ]]):run("main", {}).text)
  end)

  for name, case in pairs {
    ["an unknown endpoint"] = { "local name = 'ouh' event:send(name)", "unknown endpoint 'ouh'; did you mean 'out'%?" },
    ["no endpoint"] = { "event:send()", "takes the name of an endpoint" },
    ["an empty list"] = { "event:send({})", "empty list of endpoints" },
    ["an unknown option"] = { "event:send('out', nil, { dely = 1 })",
      "unknown option 'dely' for event:send; did you mean 'delay'%?" },
    ["a priority beyond the last"] = { "event:send('out', nil, { priority = 10 })",
      "'priority' of event:send must be an integer from %-9 to 9" },
    ["a wrong duration"] = { "event:send('out', nil, { delay = 'soon' })",
      "option 'delay' of event:send must be a duration %(.*%), got 'soon'" },
    ["an unknown field"] = { "event:send('out', { jsn = 1 })",
      "unknown option 'jsn' for a message; did you mean 'json'%?" },
    ["two bodies"] = { "event:send('out', { json = 1, body = 'x' })", "one of 'json', 'body' and 'form'" },
    ["a table as body"] = { "event:send('out', { body = {} })", "for a table use 'json'" },
    ["a text as message"] = { "event:send('out', 'x')", "is a table { json = … }" },
    ["a framing header"] = { "event:send('out', { json = 1, headers = { Host = 'x' } })",
      "header 'Host' in the message is set by the sender itself" },
    ["a header that splits"] = { "event:send('out', { json = 1, headers = { A = 'x\\r\\nB: y' } })",
      "holds a control character" },
    ["a bad header name"] = { "event:send('out', { json = 1, headers = { ['A B'] = 'x' } })", "bad header name" },
    ["a bad method"] = { "event:send('out', { json = 1, method = 'get' })", 'must be in upper case, "GET"' },
    ["a method that is no token"] = { "event:send('out', { json = 1, method = 'A B' })", 'a method as "POST"' },
    ["an empty method"] = { "event:send('out', { json = 1, method = '' })", 'a method as "POST"' },
    ["a method that is too long"] = { "event:send('out', { json = 1, method = ('X'):rep(33) })",
      "a token of at most 32 bytes" },
    ["a tunnel"] = { "event:send('out', { json = 1, method = 'CONNECT' })", "CONNECT asks for a tunnel" },
    ["a TRACE"] = { "event:send('out', { json = 1, method = 'TRACE' })", "TRACE has no body" },
    ["a bad path"] = { "event:send('out', { json = 1, path = 'x' })", "begins with '/'" },
    ["a bad type"] = { "event:send('out', { json = 1, type = 'a b' })", "'type' of a message" },
    ["a body that is too large"] = { "event:send('out', { json = ('x'):rep(15 << 20) })", "memory" },
  } do
    it("refuses " .. name .. " with file and line", function()
      local result = rig.run(case[1])
      assert.equal("failed", result.outcome)
      assert.matches(case[2], result.text)
      assert.matches("scripts/main%.lua:3", result.text)
    end)
  end
end)

describe("event:emit", function()
  setup(function() rig.script.quiet(true) end)
  after_each(rig.finish)

  it("makes an event one level deeper, with its parent and key", function()
    local result = rig.handled([[
      local id = event:emit("chat.mention", { who = "ana" }, { idempotency_key = "k1" })
      event:send("out", { json = { id } })
    ]], { depth = 3, source = "slack", id = 0x100000000 })
    local emit = result.emits[1]
    assert.equal("chat.mention", emit.type)
    assert.equal("slack", emit.source)
    assert.equal("k1", emit.key)
    assert.equal(4, emit.depth)
    assert.equal('{"who":"ana"}', emit.body)
    assert.equal("evt_000004gfFC4", emit.parent)
    assert.equal('["' .. emit.id .. '"]', result.messages[1].body)
  end)

  it("ends a chain at depth 16", function()
    assert.equal("handled", rig.run("event:emit('a', {})", { depth = 15 }).outcome)
    assert.matches("at most 16 deep", rig.run("event:emit('a', {})", { depth = 16 }).text)
  end)

  it("refuses types of the server, bad types and the 255th event", function()
    assert.matches("made by the server", rig.run("event:emit('anzol.x', {})").text)
    assert.matches("made by the server", rig.run("event:emit('api.x', {})").text)
    assert.matches("bad event type 'a b'", rig.run("event:emit('a b', {})").text)
    assert.equal(254, #rig.handled("for i = 1, 254 do event:emit('a', {}) end").emits)
    assert.matches("at most 254 events", rig.run("for i = 1, 255 do event:emit('a', {}) end").text)
  end)
end)
