-- F28, F31: slow senders and readers meet our own deadlines, by the fake clock.
local rig = require "core.http_rig"
local http = rig.http

local function get(target)
  return ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n"):format(target)
end

-- A server whose clock stands at 0 when the test begins.
local function run(callbacks, test)
  rig.run(callbacks, nil, function(it)
    http.clock_fake(1700000000000, 0)
    test(it)
  end)
end

local function is_open(it, client)
  it:settle()
  local _, state = client:receive()
  return state == "again"
end

describe("a client that is slow", function()
  it("to send anything is closed 10 s after its connect", function()
    run({}, function(it)
      local client = it:connect()
      it:settle()
      it:pass(9999)
      assert.is_true(is_open(it, client))
      it:pass(1)
      assert.is_true(it:is_closed(client))
      assert.is_true(it:wait(function() return it.server:connection_count() == 0 end))
    end)
  end)

  it("with its headers is closed 10 s after its connect, though it drips", function()
    run({}, function(it)
      local client = it:connect()
      it:send(client, "GET /a HTTP/1.1\r\n")
      it:settle()
      for i = 1, 9 do
        it:send(client, ("X-%d: a\r\n"):format(i))
        it:pass(1000)
      end
      assert.is_true(is_open(it, client))
      it:pass(1000)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("with the headers of its second request is closed 10 s after that one's line", function()
    run(rig.echo {}, function(it)
      local client = it:connect()
      it:send(client, get "/a")
      it:read(client, 1)
      it:pass(14000)
      it:send(client, "GET /b HTTP/1.1\r\n")
      it:settle()
      it:pass(9999)
      assert.is_true(is_open(it, client))
      it:pass(1)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("with its next request is closed 15 s after the last answer", function()
    run(rig.echo {}, function(it)
      local client = it:connect()
      it:send(client, get "/a")
      it:read(client, 1)
      it:pass(14999)
      assert.is_true(is_open(it, client))
      it:pass(1)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("with its second request line is closed 15 s after the last answer, though it drips",
    function()
    run(rig.echo {}, function(it)
      local client = it:connect()
      it:send(client, get "/a")
      it:read(client, 1)
      for _ = 1, 15 do
        it:send(client, "G")
        it:pass(1000)
      end
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("with its body is closed once it is under 1 KiB/s after 5 s", function()
    local over = 0
    run({ over = function() over = over + 1 end }, function(it)
      local client = it:connect()
      it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
      it:settle()
      it:pass(5000)
      assert.is_true(is_open(it, client))
      it:send(client, ("x"):rep(1024))
      it:settle()
      it:pass(1000)
      assert.is_true(is_open(it, client))
      it:pass(1)
      assert.is_true(it:is_closed(client))
      assert.is_true(it:wait(function() return over == 1 end))
    end)
  end)

  it("with its body, but fast enough, is closed after 30 s", function()
    run({}, function(it)
      local client = it:connect()
      it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
      for _ = 1, 29 do
        it:send(client, ("x"):rep(1100))
        it:settle()
        it:pass(1000)
      end
      assert.is_true(is_open(it, client))
      it:pass(1000)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("with its chunks is held to the same", function()
    run({}, function(it)
      local client = it:connect()
      it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
      for _ = 1, 5 do
        it:send(client, "1\r\nx\r\n")
        it:settle()
        it:pass(1000)
      end
      assert.is_true(is_open(it, client))
      it:pass(1000)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("with its trailers is held to the same", function()
    run({}, function(it)
      local client = it:connect()
      it:send(client,
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\r\n")
      it:settle()
      it:pass(6000)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("to read the answer is closed after 30 s", function()
    run({ request = function(request) request:respond(200, ("x"):rep(30000000)) end }, function(it)
      local client = it:connect()
      client:shrink()
      it:send(client, get "/a")
      it:settle()
      it:pass(29999)
      it:settle()
      assert.are.equal(1, it.server:open_count())
      it:pass(1)
      assert.is_true(it:wait(function() return it.server:open_count() == 0 end))
    end)
  end)

  it("to send the body after 100 Continue is closed (F31)", function()
    run({}, function(it)
      local client = it:connect()
      it:send(client,
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
      assert.are.equal(1, (function()
        it:settle()
        return rig.parse(client:receive()).interim
      end)())
      it:pass(5000)
      it:pass(1000)
      assert.is_true(it:is_closed(client))
    end)
  end)

  it("because the handler takes long is not closed", function()
    local kept
    run({ request = function(request) kept = request end }, function(it)
      local client = it:connect()
      it:send(client, rig.post("/a", "abc"))
      it:wait(function() return kept end)
      for _ = 1, 20 do it:pass(10000) end
      assert.is_true(is_open(it, client))
      kept:respond(200, "{}")
      assert.are.equal(200, it:read(client, 1)[1].status)
    end)
  end)
end)

describe("a body (F31)", function()
  it("shorter than stated is never handed on", function()
    local count = 0
    run({ request = function() count = count + 1 end }, function(it)
      local client = it:connect()
      it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
      it:settle()
      it:pass(30000)
      assert.is_true(it:is_closed(client))
      assert.are.equal(0, count)
    end)
  end)

  it("longer than stated has its surplus judged as the next request", function()
    local log = {}
    run(rig.echo(log), function(it)
      local answers = it:exchange("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" ..
        "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", 2)
      assert.are.same({ "POST /a", "GET /b" }, log)
      assert.are.equal('{"bytes":3}', answers[1].body)
      answers = it:exchange(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcdef\r\n\r\n", 2)
      assert.are.same({ 1, "closed" }, { #answers, answers.state })
      assert.are.equal(3, #log)
    end)
  end)
end)

describe("2,000 slow clients (F28)", function()
  local count = os.getenv "ANZOL_LONG" == "1" and 2000 or 200

  it("do not hold up a normal one, and are closed together", function()
    rig.run(rig.echo {}, { connections = 3000 }, function(it)
      http.clock_fake(1700000000000, 0)
      for _ = 1, count do
        local client = it:connect()
        it:send(client, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Le")
        it.server:turn()
      end
      it:wait(function() return it.server:connection_count() == count end)
      assert.are.equal(200, it:exchange(rig.post("/b", "abc"))[1].status)
      it:pass(10000)
      assert.is_true(it:wait(function() return it.server:connection_count() == 1 end))
      assert.are.equal(200, it:exchange(rig.post("/b", "abc"))[1].status)
    end)
  end)
end)
