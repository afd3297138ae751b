-- SPDX-License-Identifier: MIT
-- Streams of server-sent events as a source (core/worker/stream.c): they stay open, come back behind
-- the last message that committed, and say what is wrong.
local S = require "anzol_test.store"
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local socket = require "socket"
local wait = require "support.wait"

local WITHIN_MS = 10000

describe("a stream as a source", function()
  local source, server

  before_each(function() source = Receiver.start() end)
  after_each(function()
    if server then server:close() end
    source:stop()
  end)

  local function sql(text) return S.sql(server.state_dir .. "/anzol.db", text) end

  -- The stream "s" of the receiver; body: of the function that gets message.
  local function script(body, options)
    return ([[
      local anzol = require "anzol"
      anzol.sse("s", { url = "%s", allow_private = true%s,
        on_error = anzol.backoff.constant { base = "100ms", jitter = "none" } }, function(message)
        %s
      end)]]):format(source:url "/stream", options or "", body)
  end
  local EMIT = 'message:emit("s.message", { data = message.data, id = message.id, type = message.type })'
  local function start(...)
    server = Server.start { scripts = { ["main.lua"] = script(...) }, workers = 1 }
  end

  -- An answer that ends with the connection.
  local function stream(text)
    return { raw = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" .. text }
  end
  local function await_events(count)
    wait.until_true(count .. " events", WITHIN_MS, function()
      return sql("SELECT count(*) FROM event WHERE type = 's.message'")[1][1] >= count
    end)
  end

  it("makes events of its messages, and comes back behind the last of them", function()
    source:answer("/stream", stream "retry: 50\n\nid: 1\ndata: a\n\nid: 2\nevent: b\ndata: b\n\n",
      stream "id: 3\ndata: c\n\n", stream ": nothing\n\n")
    start(EMIT, ', headers = { ["X-Key"] = "k" }, auth = { bearer = "t" }')
    await_events(3)
    local asked = source:await(4, WITHIN_MS):take()
    assert.is_nil(asked[1].headers["last-event-id"])
    assert.same({ "text/event-stream", "k", "Bearer t" },
      { asked[1].headers.accept, asked[1].headers["x-key"], asked[1].headers.authorization })
    assert.equal("2", asked[2].headers["last-event-id"])
    assert.equal("3", asked[3].headers["last-event-id"])
    local bodies = {}
    for i, row in ipairs(sql "SELECT body FROM event JOIN content USING(id) ORDER BY event.id") do
      bodies[i] = json.decode(row[1])
    end
    assert.same({ { data = "a", id = "1", type = "message" }, { data = "b", id = "2", type = "b" },
      { data = "c", id = "3", type = "message" } }, bodies)
    assert.equal(3, server:get "/api/v1/poll".data[1].items)
  end)

  it("goes on behind what committed when the server is killed", function()
    source:answer("/stream", stream "id: 1\ndata: a\n\nid: 2\ndata: b\n\n", stream ": nothing\n\n")
    start(EMIT .. ' if message.id == "2" then anzol.sleep "30s" end')
    await_events(1)
    server:kill()
    source:take()
    source:answer("/stream", stream "retry: 50\nid: 2\ndata: b\n\n", stream ": nothing\n\n")
    server:write_script("main.lua", script(EMIT))
    server.port, server.admin_port = nil, nil
    server:restart()
    await_events(2)
    assert.equal("1", source:take()[1].headers["last-event-id"])
    assert.equal(2, sql("SELECT count(*) FROM event")[1][1])
  end)

  it("tries a message again whose run fails, and lets it go after six times", function()
    source:answer("/stream", stream "retry: 50\nid: 1\ndata: bad\n\nid: 2\ndata: good\n\n",
      stream ": nothing\n\n")
    start('anzol.metric.counter("tries"):inc() if message.data == "bad" then error "no" end ' .. EMIT)
    await_events(1)
    local rows = sql "SELECT body FROM event JOIN content USING(id)"
    assert.equal("good", json.decode(rows[1][1]).data)
    local metrics = assert(require "support.http".request { port = server.admin_port, method = "GET",
      path = "/metrics", headers = { Authorization = "Bearer " .. Server.token } }).body
    assert.matches("anzol_user_tries 7\n", metrics)
    assert.matches("routine gave up  sse=s", server:log())
  end)

  it("says what is wrong with its source, and that it is well again", function()
    source:answer("/stream", { status = 401 }, { status = 401 }, stream "retry: 50\n\n: well\n\n")
    start(EMIT)
    wait.until_true("it failed", WITHIN_MS, function()
      return server:log():find("routine failed  sse=s failures=1 "
        .. "error=\"127.0.0.1 answered 401, which is no stream", 1, true)
    end)
    wait.until_true("it is well", WITHIN_MS, function()
      return cli.ask(server, { "polls" }).output:find "\ns +%S+ +%S+ +%d+ms +long +0 +0 +%-\n"
    end)
  end)

  it("waits for the Retry-After of its source if on_error is shorter", function()
    source:answer("/stream", { status = 503, headers = "Retry-After: 2\r\n", body = "not now" },
      { status = 429, headers = "Retry-After: 7200\r\n" })
    start(EMIT)
    local asked = source:await(2, WITHIN_MS):take()
    assert.is_true(asked[2].at_ms - asked[1].at_ms >= 2000, asked[2].at_ms - asked[1].at_ms)
    local row = wait.until_true("it waits for two hours", WITHIN_MS, function()
      local found = server:get "/api/v1/poll".data[1]
      return found.failures == 2 and found
    end)
    assert.same({ 7200000, "stream" }, { row.intervalMs, row.why })
  end)

  it("that is silent is opened anew; one that waits holds up no end", function()
    source:answer("/stream", { delay_ms = 60000 })
    start(EMIT, ', timeout = "1s"')
    source:await(2, WITHIN_MS)
    local started_ms = process.mono_ms()
    assert.same({ "exit", 0 }, { server:stop() })
    assert.is_true(process.mono_ms() - started_ms < 3000 * wait.patience)
  end)

  it("is taken as fast as its messages are done with, not faster", function()
    local messages = { "retry: 50\n\n" }
    local filler = ("x"):rep(64 * 1024)
    for id = 1, 200 do messages[#messages + 1] = ("id: %d\ndata: %s\n\n"):format(id, filler) end
    source:answer("/stream", stream(table.concat(messages)), stream ": nothing\n\n")
    start('message:emit("s.message", { id = message.id })')
    await_events(200)
    local row = sql("SELECT count(*), count(DISTINCT body) FROM event JOIN content USING(id)")[1]
    assert.same({ 200, 200 }, row)
  end)

  it("of a message that is too large says so, and is opened again", function()
    source:answer("/stream", stream("retry: 50\nid: 1\ndata: " .. ("x"):rep(1024 * 1024) .. "\n\n"),
      stream "retry: 50\nid: 2\ndata: b\n\n", stream ": nothing\n\n")
    start(EMIT)
    wait.until_true("it failed", WITHIN_MS, function()
      return server:log():find('sse=s failures=1 error="a message is larger than 1048576 bytes', 1, true)
    end)
    await_events(1)
    assert.equal("2", json.decode(sql("SELECT body FROM event JOIN content USING(id)")[1][1]).id)
  end)

  describe("that the spec writes itself", function()
    local listener, client

    before_each(function()
      listener = assert(socket.bind("127.0.0.1", 0))
      listener:settimeout(WITHIN_MS / 1000 * wait.patience)
    end)
    after_each(function()
      if client then client:close() end
      listener:close()
    end)

    local function follow(options)
      local port = select(2, listener:getsockname())
      server = Server.start { scripts = { ["main.lua"] = script(EMIT, options)
        :gsub('url = "[^"]*"', ('url = "http://127.0.0.1:%d/stream"'):format(port)) }, workers = 1 }
    end
    -- Takes the next connection, answers that a stream follows; the Last-Event-ID that it came with.
    local function accept()
      client = assert(listener:accept())
      client:settimeout(WITHIN_MS / 1000 * wait.patience)
      client:setoption("tcp-nodelay", true)
      local id
      repeat
        local line = assert(client:receive "*l")
        id = line:match "^[Ll]ast%-[Ee]vent%-[Ii][Dd]: *(.*)$" or id
      until line == ""
      assert(client:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n"))
      return id
    end
    local function send(text) assert(client:send(("%x\r\n%s\r\n"):format(#text, text))) end

    it("takes what trickles in a byte at a time, while the connection stays", function()
      follow ', timeout = "1s"'
      assert.is_nil(accept())
      send "retry: 50\n\n"
      for id = 1, 3 do
        for byte in (("id: %d\ndata: %d of 3\n\n"):format(id, id)):gmatch "." do
          send(byte)
          process.sleep_ms(2)
        end
        await_events(id)
      end
      for _ = 1, 6 do -- together longer than its timeout: a comment is a sign of life
        process.sleep_ms(250)
        send ":\n"
      end
      send "id: 4\ndata: 4\n\n"
      await_events(4)
      listener:settimeout(0)
      assert.is_nil((listener:accept()))
      local first = sql("SELECT body FROM event JOIN content USING(id) ORDER BY event.id")[1][1]
      assert.equal("1 of 3", json.decode(first).data)
    end)

    it("that breaks off within a message comes back for it, whole", function()
      follow()
      accept()
      send "retry: 50\nid: 1\ndata: a\n\nid: 2\ndata: ha"
      await_events(1)
      client:close() -- no last chunk: it broke off
      assert.equal("1", accept())
      send "retry: 50\nid: 2\ndata: half\n\nid: 3\nda"
      await_events(2)
      client:setoption("linger", { on = true, timeout = 0 })
      client:close() -- a reset
      assert.equal("2", accept())
      send "id: 3\ndata: c\n\n"
      await_events(3)
      local said = {}
      for i, row in ipairs(sql "SELECT body FROM event JOIN content USING(id) ORDER BY event.id") do
        said[i] = json.decode(row[1]).data
      end
      assert.same({ "a", "half", "c" }, said)
    end)
  end)
end)
