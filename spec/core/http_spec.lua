-- HTTP in: the exchange, its answers now or later, its limits, its end.
local rig = require "core.http_rig"
local http = rig.http

local function get(target, headers)
  return ("GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"):format(target, headers or "")
end

-- Callbacks that keep the requests instead of answering them, and count the ends.
local function keeper()
  local kept = { over = 0 }
  return {
    request = function(request) kept[#kept + 1] = request end,
    over = function() kept.over = kept.over + 1 end,
  }, kept
end

describe("a request", function()
  it("shows its method, path, query, client and time", function()
    local seen
    rig.run({
      request = function(request)
        seen = { request:method(), request:path(), request:query(), request:remote(),
          request:received_ms() }
        request:respond(200)
      end,
    }, nil, function(it)
      http.clock_fake(1700000000123, 5000)
      it:exchange(rig.post("/in/caf%C3%A9?a=1&b=%20x", ""))
      assert.are.same({ "POST", "/in/café", "a=1&b=%20x", "127.0.0.1", 1700000000123 }, seen)
    end)
  end)

  it("has a head in wire order, trimmed, pseudo fields first, without trailers", function()
    local seen, later, body
    rig.run({
      head = function(request) seen = request:head() end,
      request = function(request)
        later, body = request:take()
        request:respond(200)
      end,
    }, nil, function(it)
      it:exchange(
        "POST http://other/p?q HTTP/1.1\r\nHost: x\r\nX-B:  2 \t\r\nx-a: 1\r\nX-b: 3\r\n" ..
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: 1\r\n\r\n")
      assert.are.same({ ":method=POST", ":path=/p", ":query=q", ":remote=127.0.0.1", "Host=x",
        "X-B=2",
        "x-a=1", "X-b=3", "Transfer-Encoding=chunked" }, seen)
      assert.are.same(seen, later)
      assert.are.equal("abcde", body)
    end)
  end)

  it("finds a header in any letters, and the first of several", function()
    local seen
    rig.run({
      request = function(request)
        seen = { request:header "x-twice", request:header "X-TWICE", request:header "x-none" }
        request:respond(200)
      end,
    }, nil, function(it)
      it:exchange(get("/", "X-Twice: one\r\nX-Twice: two\r\n"))
      assert.are.same({ "one", "one" }, seen)
    end)
  end)

  it("keeps its slices until it is over, also when it was refused at its head", function()
    local seen
    rig.run({
      head = function(request) request:refuse(404, "unknown_source", "no such source") end,
      over = function(request) seen = request:method() .. request:path() ..
        request:header "x-a" end,
    }, nil, function(it)
      it:exchange(get("/nowhere", "X-A: b\r\n"))
      it.server:turn()
      assert.are.equal("GET/nowhereb", seen)
    end)
  end)

  it("keeps every byte of its body, in pieces too", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local body, seen = table.concat(bytes):rep(1000), nil
    rig.run({
      request = function(request)
        seen = request:body()
        request:respond(200)
      end,
    }, nil, function(it)
      it:exchange(rig.post("/", body))
      assert.is_true(seen == body)
      it:exchange(rig.chunked("/", { body:sub(1, 1), body:sub(2, 70000), body:sub(70001) }))
      assert.is_true(seen == body)
    end)
  end)
end)

describe("an answer", function()
  it("has a type, a length and the bytes", function()
    rig.run({ request = function(request) request:respond(201, '{"a":1}') end }, nil, function(it)
      local answers = it:exchange(get "/")
      assert.are.equal(201, answers[1].status)
      assert.are.equal('{"a":1}', answers[1].body)
      assert.are.equal("application/json; charset=utf-8", answers[1].headers["content-type"])
      assert.are.equal("7", answers[1].headers["content-length"])
    end)
  end)

  it("has the type and the headers that the handler gives it", function()
    rig.run({
      request = function(request)
        request:respond(200, "hi", { content_type = "text/plain", headers = { { "X-A", "1" },
          { "X-B", "2 3" } } })
      end,
    }, nil, function(it)
      local headers = it:exchange(get "/")[1].headers
      assert.are.same({ "text/plain", "1", "2 3" },
        { headers["content-type"], headers["x-a"], headers["x-b"] })
    end)
  end)

  it("to HEAD has the length but no body", function()
    rig.run({ request = function(request) request:respond(200, "0123456789") end }, nil,
      function(it)
      local client = it:connect()
      it:send(client, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      local text, state = "", nil
      it:wait(function()
        local piece
        piece, state = client:receive()
        text = text .. (piece or "")
        return state == "closed"
      end)
      assert.is_truthy(text:match "\r\nContent%-Length: 10\r\n")
      assert.is_truthy(text:match "\r\n\r\n$")
    end)
  end)

  it("closes the connection when asked to", function()
    rig.run({ request = function(request) request:respond(200, "x", { close = true }) end }, nil,
      function(it)
      local answers = it:exchange(get "/" .. get "/second", 2)
      assert.are.equal("close", answers[1].headers.connection)
      assert.are.same({ 1, "closed" }, { #answers, answers.state })
    end)
  end)

  it("that refuses says how to go on", function()
    rig.run({
      head = function(request)
        if request:path() == "/busy" then
          return request:refuse(503, "queue_full", 'try "later"', { retry_after = 7 })
        end
        request:refuse(405, "method_not_allowed", "POST here", { allow = "POST, PUT" })
      end,
    }, nil, function(it)
      local busy, wrong = it:exchange(get "/busy")[1], it:exchange(get "/")[1]
      assert.are.equal('{"code":"queue_full","detail":"try \\"later\\""}', busy.body)
      assert.are.same({ 503, "7" }, { busy.status, busy.headers["retry-after"] })
      assert.are.same({ 405, "POST, PUT" }, { wrong.status, wrong.headers.allow })
    end)
  end)

  it("at the head lets the connection live when no body was announced", function()
    rig.run({ head = function(request) request:refuse(404, "unknown", "no") end }, nil, function(it)
      local answers = it:exchange(get "/a" .. get "/b", 2)
      assert.are.same({ 2, "again" }, { #answers, answers.state })
    end)
  end)

  it("at the head closes the connection when a body was announced", function()
    rig.run({ head = function(request) request:refuse(404, "unknown", "no") end }, nil, function(it)
      local answers = it:exchange(rig.post("/a", "abc") .. get "/b", 2)
      assert.are.same({ 1, "closed", "close" }, { #answers, answers.state,
        answers[1].headers.connection })
    end)
  end)

  it("at the head reaches a client that sends megabytes first", function()
    rig.run({ head = function(request) request:refuse(404, "unknown", "no") end }, nil, function(it)
      local answers = it:exchange(rig.post("/a", ("x"):rep(900000)))
      assert.are.same({ 404, "closed" }, { answers[1].status, it:is_closed(it.clients[1]) and
        "closed" })
    end)
  end)
end)

describe("an answer that comes later", function()
  it("is sent in the next turn of the loop, all of them at once", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, nil, function(it)
      local clients = {}
      for i = 1, 20 do
        clients[i] = it:connect()
        it:send(clients[i], rig.post("/" .. i, "x"))
      end
      it:wait(function() return #kept == 20 end)
      assert.are.equal(20, it.server:open_count())
      for _, request in ipairs(kept) do request:respond(200, '"' .. request:path() .. '"') end
      it.server:turn()
      for i, client in ipairs(clients) do
        local text = client:receive()
        assert.are.equal(('"/%d"'):format(i), rig.parse(text)[1].body)
      end
      assert.are.same({ 20, 0 }, { kept.over, it.server:open_count() })
    end)
  end)

  it("may be given by the callback of another request", function()
    local first
    rig.run({
      request = function(request)
        if not first then
          first = request
          return
        end
        request:respond(200, "second")
        first:respond(200, "first")
      end,
    }, nil, function(it)
      local one, two = it:connect(), it:connect()
      it:send(one, get "/1")
      it:wait(function() return first end)
      it:send(two, get "/2")
      assert.are.equal("second", it:read(two, 1)[1].body)
      assert.are.equal("first", it:read(one, 1)[1].body)
    end)
  end)

  it("holds up what is pipelined behind it, in order", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, nil, function(it)
      local client = it:connect()
      it:send(client, rig.post("/1", "a") .. rig.post("/2", "b") .. rig.chunked("/3", { "c" }))
      for i = 1, 3 do
        it:wait(function() return #kept == i end)
        it:settle()
        assert.are.equal(i, #kept)
        assert.are.equal("/" .. i, kept[i]:path())
        kept[i]:respond(200, tostring(i))
        assert.are.equal(tostring(i), it:read(client, 1)[1].body)
      end
    end)
  end)
end)

describe("a body", function()
  it("is charged while it is open and given back", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, { intake = 10000 }, function(it)
      local stated, chunked = it:connect(), it:connect()
      it:send(stated, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nabc")
      it:send(chunked,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
      it:wait(function() return it.server:intake() == 4005 end)
      assert.are.equal(4005, it.server:intake())
      stated:close()
      it:send(chunked, "0\r\n\r\n")
      it:wait(function() return kept[1] end)
      kept[1]:respond(200)
      it:wait(function() return it.server:intake() == 0 end)
      assert.are.equal(0, it.server:intake())
      assert.are.equal(2, kept.over)
    end)
  end)

  it("over what the process holds gets 503 with Retry-After, before it is read", function()
    local callbacks = keeper()
    rig.run(callbacks, { intake = 10000 }, function(it)
      it:send(it:connect(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc")
      it:wait(function() return it.server:intake() == 9000 end)
      local refused = it:exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
      assert.are.same({ 503, "5", "closed" }, { refused[1].status,
        refused[1].headers["retry-after"],
        it:is_closed(it.clients[2]) and "closed" })
      assert.are.equal(9000, it.server:intake())
      assert.are.equal(1, it.server:open_count())
    end)
  end)

  it("in chunks over what the process holds gets 503 after it", function()
    rig.run(rig.echo {}, { intake = 10000 }, function(it)
      local refused = it:exchange(rig.chunked("/", { ("a"):rep(6000), ("b"):rep(6000) }))
      assert.are.same({ 503, "5" }, { refused[1].status, refused[1].headers["retry-after"] })
      assert.are.equal(0, it.server:intake())
    end)
  end)

  it("over 64 bits of length is refused before anything is counted", function()
    rig.run(rig.echo {}, nil, function(it)
      local answers = it:exchange(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n")
      assert.are.equal(413, answers[1].status)
      assert.are.equal(0, it.server:intake())
    end)
  end)
end)

describe("a client that leaves", function()
  local ways = { "close", "reset", "half_close" }

  for _, way in ipairs(ways) do
    it(("in the headers by %s is forgotten"):format(way), function()
      local callbacks, kept = keeper()
      rig.run(callbacks, nil, function(it)
        local client = it:connect()
        it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nConte")
        it:settle()
        client[way](client)
        assert.is_true(it:wait(function() return it.server:connection_count() == 0 end))
        assert.are.same({ 0, 0 }, { #kept, kept.over })
      end)
    end)

    it(("in the body by %s ends its exchange once"):format(way), function()
      local callbacks, kept = keeper()
      rig.run(callbacks, nil, function(it)
        local client = it:connect()
        it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        it:wait(function() return it.server:open_count() == 1 end)
        client[way](client)
        assert.is_true(it:wait(function() return it.server:connection_count() == 0 end))
        assert.are.same({ 0, 1, 0 }, { #kept, kept.over, it.server:open_count() })
      end)
    end)

    it(("while it waits by %s is noticed within a second and a half"):format(way), function()
      local callbacks, kept = keeper()
      rig.run(callbacks, nil, function(it)
        http.clock_fake(1700000000000, 0)
        local client = it:connect()
        it:send(client, rig.post("/a", "abc"))
        it:wait(function() return #kept == 1 end)
        client[way](client)
        it:pass(900)
        assert.are.equal(0, kept.over)
        it:pass(600)
        assert.is_true(it:wait(function() return it.server:connection_count() == 0 end))
        assert.are.same({ 1, 1, 0 }, { #kept, kept.over, it.server:open_count() })
      end)
    end)
  end

  it("while it waits, and is answered in the same turn, ends once", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, nil, function(it)
      http.clock_fake(1700000000000, 0)
      local client = it:connect()
      it:send(client, rig.post("/a", "abc"))
      it:wait(function() return #kept == 1 end)
      client:reset()
      http.clock_advance(2000)
      it.server:check_deadlines()
      kept[1]:respond(200, "{}")
      assert.is_true(it:wait(function() return it.server:connection_count() == 0 end))
      assert.are.equal(1, kept.over)
    end)
  end)

  it("before it reads the answer ends once", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, nil, function(it)
      local client = it:connect()
      it:send(client, rig.post("/a", "abc"))
      it:wait(function() return #kept == 1 end)
      kept[1]:respond(200, ("x"):rep(8000000))
      it:settle()
      client:reset()
      assert.is_true(it:wait(function() return it.server:connection_count() == 0 end))
      assert.are.equal(1, kept.over)
    end)
  end)
end)

describe("too many connections", function()
  it("close the one that has been idle for longest", function()
    rig.run(rig.echo {}, { connections = 3 }, function(it)
      local clients = {}
      for i = 1, 3 do
        clients[i] = it:connect()
        it:send(clients[i], get "/")
        it:read(clients[i], 1)
      end
      it:send(clients[1], get "/again")
      it:read(clients[1], 1)
      assert.are.equal(200, it:exchange(get "/")[1].status)
      assert.is_true(it:is_closed(clients[2]))
      assert.are.same({ nil, "again" }, { clients[1]:receive() })
      assert.are.same({ nil, "again" }, { clients[3]:receive() })
      assert.are.equal(3, it.server:connection_count())
    end)
  end)

  it("are refused when none is idle", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, { connections = 2 }, function(it)
      for _ = 1, 2 do it:send(it:connect(), get "/") end
      it:wait(function() return #kept == 2 end)
      assert.is_true(it:is_closed(it:connect()))
      assert.are.same({ 2, 0 }, { it.server:open_count(), kept.over })
    end)
  end)

  it("of one address close the oldest idle of that address", function()
    rig.run(rig.echo {}, { per_address = 2 }, function(it)
      local clients = {}
      for i = 1, 3 do
        clients[i] = it:connect()
        it:send(clients[i], get "/")
        assert.are.equal(200, it:read(clients[i], 1)[1].status)
      end
      assert.is_true(it:is_closed(clients[1]))
      assert.are.equal(2, it.server:connection_count())
    end)
  end)
end)

describe("a listener", function()
  it("that goes quiet accepts nobody, ends what runs and closes after it", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, nil, function(it)
      local idle, busy = it:connect(), it:connect()
      it:send(idle, get "/")
      it:wait(function() return #kept == 1 end)
      kept[1]:respond(200, "{}")
      it:read(idle, 1)
      it:send(busy, rig.post("/", "abc"))
      it:wait(function() return #kept == 2 end)
      it.server:quiesce()
      assert.is_true(it:is_closed(idle))
      assert.is_false((pcall(it.connect, it)))
      assert.are.equal(1, it.server:open_count())
      kept[2]:respond(200, "{}")
      local answers = it:read(busy, 1)
      assert.are.same({ 200, "close" }, { answers[1].status, answers[1].headers.connection })
      assert.is_true(it:is_closed(busy))
      assert.are.equal(0, it.server:open_count())
    end)
  end)

  it("that closes answers what waits with 503", function()
    local callbacks, kept = keeper()
    rig.run(callbacks, nil, function(it)
      local clients = {}
      for i = 1, 5 do
        clients[i] = it:connect()
        it:send(clients[i], rig.post("/", "abc"))
      end
      it:wait(function() return #kept == 5 end)
      it:send(it:connect(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
      it:wait(function() return it.server:open_count() == 6 end)
      it.server:close()
      for _, client in ipairs(clients) do
        local answer = rig.parse(client:receive())[1]
        assert.are.same({ 503, "close", "5" },
          { answer.status, answer.headers.connection, answer.headers["retry-after"] })
      end
      assert.are.equal(6, kept.over)
    end)
  end)

  it("serves a Unix socket that only its owner may use", function()
    local path = os.tmpname() .. ".sock"
    local seen
    rig.run({
      request = function(request)
        seen = request:remote()
        request:respond(200)
      end,
    }, { unix = path }, function(it)
      assert.are.equal(200, it:exchange(get "/")[1].status)
      assert.are.equal("unix", seen)
      assert.are.equal(tonumber("600", 8), http.mode(path))
      assert.are.same({ nil, "conflict" }, { http.listen(path), (select(2, http.listen(path))) })
    end)
    os.remove(path)
  end)
end)

describe("a listening socket", function()
  it("names the port that it got", function()
    assert.is_truthy(http.listen("127.0.0.1:0"):match "^127%.0%.0%.1:%d+$")
    assert.is_truthy(http.listen("[::1]:0"):match "^%[::1%]:%d+$")
    assert.is_truthy(http.listen("localhost:0"):match ":%d+$")
  end)

  it("replaces a dead socket file, not a live one and no other file", function()
    local path = os.tmpname()
    local _, status, text = http.listen(path)
    assert.are.equal("conflict", status)
    assert.is_truthy(text:find "a file that is no socket")
    os.remove(path)
    assert.are.equal("unix", http.listen(path))
    assert.are.equal("unix", http.listen(path))
    os.remove(path)
  end)

  it("says what is wrong with an address and how to write it", function()
    for _, address in ipairs {
      "", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "::1:8080", "127.0.0.1:http",
      "127.0.0.1:65536", "127.0.0.1:123456"
    } do
      local _, status, text = http.listen(address)
      assert.are.equal("invalid", status, address)
      assert.is_truthy(text:find("HOST:PORT", 1, true), address)
    end
  end)

  it("tells an address in use from others", function()
    rig.run({}, nil, function(it)
      local _, status, text = http.listen(it.address)
      assert.are.equal("conflict", status)
      assert.is_truthy(text:find("is another anzol serving", 1, true))
    end)
    local _, status, text = http.listen "192.0.2.1:0"
    assert.are.equal("io", status)
    assert.is_truthy(text:find("0.0.0.0", 1, true))
  end)

  it("can be shared by several workers", function()
    local address = http.listen("127.0.0.1:0", true)
    assert.are.equal(address, (http.listen(address, true)))
  end)
end)
