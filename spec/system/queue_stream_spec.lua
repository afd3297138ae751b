-- SPDX-License-Identifier: MIT
-- Queues as streams of server-sent events, the real server.
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local queues = require "support.queues"
local wait = require "support.wait"

local take, finish, make, row = queues.take, queues.finish, queues.make, queues.row

describe("a queue as a stream of server-sent events", function()
  local server, connection

  before_each(function() server = queues.start() end)
  after_each(function()
    if connection then connection:close() end
    connection = nil
    server:close()
  end)

  local function open_stream(name, query, last_id)
    connection = http.open(server.port, 10)
    connection:send(http.format { method = "GET", path = "/queue/" .. name .. (query or ""),
      headers = { Authorization = queues.auth.Authorization, Accept = "text/event-stream",
        ["Last-Event-ID"] = last_id } })
    local head = {}
    repeat
      head[#head + 1] = assert(connection.line:receive "*l")
    until head[#head] == ""
    return connection, table.concat(head, "\n")
  end

  -- The id and the message of the next event; comments are passed over.
  local function event_of()
    local id, data
    while true do
      local line = assert(connection.line:receive "*l")
      id = line:match "^id: (.+)" or id
      data = line:match "^data: (.+)" or data
      if line == "" and data then return id, json.decode(data) end
    end
  end

  local function has_ended() return connection.line:receive "*l" == nil end

  local function ack(name, id) assert.same({ done = 1, lost = {} }, (finish(name, "ack", { ids = { id } }))) end

  local function counts(name)
    for _, queue in ipairs(server:get("/api/v1/queue").data) do
      if queue.name == name then return queue end
    end
  end

  -- What comes in the next second is a comment: there is nothing.
  local function expect_silence()
    assert.same({ ":", "" }, { connection.line:receive "*l", (connection.line:receive "*l") })
  end

  it("gives message after message, each to be acknowledged", function()
    local _, head = open_stream "jobs"
    assert.matches("^HTTP/1.1 200 OK\n", head)
    assert.matches("\nContent%-Type: text/event%-stream\n", head)
    assert.is_nil(head:find "Content%-Length")
    for n = 1, 3 do
      make { to = "jobs", n = n, text = ("x"):rep(100000) }
      local id, message = event_of()
      assert.same({ n, id }, { json.decode(message.body).n, message.id })
      ack("jobs", id)
    end
    server:stop()
    assert.is_true(has_ended())
  end)

  it("ends when the scripts are new, for what they ask may be new too", function()
    open_stream "jobs"
    make { to = "jobs", n = 1 }
    event_of()
    assert.equal(0, cli.ask(server, { "reload" }).code)
    make { to = "jobs", n = 2 }
    event_of()
    assert.is_true(has_ended())
  end)

  it("gives back what it could not write, and leaves the rest to the next one", function()
    open_stream "jobs"
    make { to = "jobs", n = 1 }
    local id = event_of()
    connection:close()
    make { to = "jobs", n = 2 }
    local again = take("jobs", "wait=10s")
    assert.same({ 1, 2 }, { #again, json.decode(again[1].body).n })
    ack("jobs", id)
  end)

  it("does not take what was sent for acknowledged: Last-Event-ID passes nothing over", function()
    make { to = "short", n = 1 }
    open_stream "short"
    local id = event_of()
    connection:close()
    open_stream("short", nil, id)
    local again, message = event_of() -- when its lease is over
    assert.same({ id:gsub("%.1$", ".2"), 1 }, { again, 1 })
    assert.same({ 2, 1 }, { message.attempt, json.decode(message.body).n })
    ack("short", again)
    assert.equal("lease", row(id).attempts[1].error)
  end)

  it("gives the next of an order key after the acknowledgement of the one before", function()
    open_stream "line"
    make { to = "line", key = "a", n = 1 }
    local first = event_of()
    make { to = "line", key = "a", n = 2 }
    make { to = "line", key = "b", n = 3 }
    local _, other = event_of()
    assert.equal(3, json.decode(other.body).n)
    ack("line", first)
    local _, second = event_of()
    assert.equal(2, json.decode(second.body).n)
  end)

  it("takes limit and wait: cut as those of a request, and a comment a second at most", function()
    local _, head = open_stream("jobs", "?limit=11&wait=0")
    assert.matches("\nanzol%-limit: 10\n", head:lower())
    local from = process.mono_ms()
    for _ = 1, 2 do expect_silence() end
    assert.is_true(process.mono_ms() - from >= 1900)
    connection:close()
    local refused = http.request { port = server.port, method = "GET", path = "/queue/jobs?limit=0",
      headers = { Authorization = queues.auth.Authorization, Accept = "text/event-stream" } }
    assert.equal(400, refused.status)
  end)

  it("gives no more than limit that have not ended: acknowledged, given back, over, cancelled", function()
    open_stream("jobs", "?limit=2&wait=1s")
    for n = 1, 6 do make { to = "jobs", n = n } end
    local first = event_of()
    local second = event_of()
    expect_silence()
    assert.equal(1, counts("jobs").receivers)
    ack("jobs", first)
    local third = event_of()
    expect_silence()
    finish("jobs", "nack", { ids = { second }, delay = "1h" })
    local fourth = event_of()
    finish("jobs", "extend", { ids = { third }, lease = 0 }) -- behind those that were due before
    local fifth = event_of()
    expect_silence()
    assert.equal(0, cli.ask(server, { "deliveries", "cancel", fourth:match "^[^.]+" }).code)
    local sixth = event_of()
    expect_silence()
    finish("jobs", "extend", { ids = { fifth }, lease = "1s" })
    assert.equal(third, (event_of()))
    local ids = { first, second, third, fourth, fifth, sixth }
    table.sort(ids)
    for i = 2, 6 do assert.not_equal(ids[i - 1], ids[i]) end
    connection:close()
    wait.until_true("that it left", 5000, function() return counts("jobs").receivers == 0 end)
  end)

  it("leases no more to a receiver that does not read", function()
    for _ = 1, 10 do queues.post("", { ["X-Type"] = "big" }) end
    wait.until_true("all deliveries", 10000, function()
      local queue = counts "jobs"
      return queue.waiting == 20
    end)
    open_stream "jobs"
    wait.until_true("the first", 5000, function() return counts("jobs").leased > 0 end)
    process.sleep_ms(300)
    local leased = counts("jobs").leased
    assert.is_true(leased <= 4, leased .. " messages of 5 MiB are leased")
    connection:close()
    wait.until_true("what was not read to be there again", 10000, function()
      return counts("jobs").leased < leased
    end)
  end)
end)
