-- SPDX-License-Identifier: MIT
-- The rig itself: a judge that cannot find a fault proves nothing.
local Judge = require "support.judge"
local Receiver = require "support.receiver"
local files = require "support.files"
local http = require "support.http"
local process = require "anzol_test.process"
local wait = require "support.wait"

describe("the judge", function()
  local dir, ledger, judge, server

  before_each(function()
    dir = files.temp_dir()
    ledger = dir .. "/ledger"
    files.write(ledger, "evt_1 k-0-1 aa\nevt_2 k-0-2 bb\n")
    judge = Judge.new { expected = function() return { "/a" } end, forwarded = { "/a" } }
    -- A server as the judge sees it: all that is stored.
    server = { stored = { "evt_2", "evt_1" } }
    function server:list(_, stop_at)
      for _, id in ipairs(self.stored) do
        if stop_at({ id = id }) then return end
      end
    end
  end)
  after_each(function() files.remove(dir) end)

  local function arrive(key, id, hash, path)
    judge:read_records { { path = path or "/a", id = id, hash = hash,
      body = ('{"key":"%s"}'):format(key) } }
  end

  it("is content when everything was stored and arrived", function()
    judge:read_ledger(ledger)
    judge:check_stored(server)
    arrive("k-0-1", "msg_1", "aa")
    arrive("k-0-1", "msg_1", "aa")
    arrive("k-0-2", "msg_2", "bb")
    assert.equal(0, judge:open_count())
    assert.equal("", judge:verdict())
    assert.equal(1, judge.repeats)
  end)

  it("notices an acknowledged event that is not stored", function()
    judge:read_ledger(ledger)
    server.stored = { "evt_2" }
    judge:check_stored(server)
    assert.matches("acknowledged but not stored: evt_1", judge:verdict())
  end)

  it("notices one that did not arrive", function()
    judge:read_ledger(ledger)
    arrive("k-0-1", "msg_1", "aa")
    assert.equal(1, judge:open_count())
  end)

  it("notices other bytes", function()
    judge:read_ledger(ledger)
    arrive("k-0-1", "msg_1", "ab")
    judge:open_count()
    assert.matches("other bytes", judge:verdict())
  end)

  it("notices a second message for the same event", function()
    judge:read_ledger(ledger)
    arrive("k-0-1", "msg_1", "aa")
    arrive("k-0-1", "msg_9", "aa")
    assert.matches("two messages: msg_1 and msg_9", judge:verdict())
  end)

  it("notices two events for one key", function()
    files.write(ledger, "evt_1 k-0-1 aa\nevt_9 k-0-1 aa\n")
    judge:read_ledger(ledger)
    assert.matches("two events: evt_1 and evt_9", judge:verdict())
  end)
end)

describe("the sender", function()
  local dir, receiver

  before_each(function()
    dir = files.temp_dir()
    receiver = Receiver.start()
  end)
  after_each(function()
    receiver:stop()
    files.remove(dir)
  end)

  it("posts under the same key until it is answered, and writes that down once", function()
    receiver:answer("*", { reset = true }, { status = 503 },
      { status = 200, body = '{"id":"evt_00000000001"}' })
    local sender = process.sender { port = receiver.port, ledger = dir .. "/ledger",
      secret = "s", connections = 1, post_count_max = 1 }
    wait.until_true("it is over", 5000, function() return sender:is_over() end)
    local counts = sender:stop()
    assert.same({ 1, 1, 1, 0 }, { counts.acknowledged, counts.lost, counts.refused,
      counts.unexpected })
    local records = receiver:take()
    assert.equal(3, #records)
    assert.equal(records[1].body, records[3].body)
    assert.equal(("evt_00000000001 key-0-0 %s\n"):format(records[1].hash),
      files.read(dir .. "/ledger"))
  end)

  it("notices when a repeated key gets another id", function()
    local answers = {}
    for i = 1, 100 do answers[i] = { body = ('{"id":"evt_%011d"}'):format(i) } end
    receiver:answer("*", table.unpack(answers))
    local sender = process.sender { port = receiver.port, ledger = dir .. "/ledger",
      secret = "s", connections = 1, post_count_max = 30, repeat_percent = 50 }
    wait.until_true("it is over", 5000, function() return sender:is_over() end)
    assert.is_true(sender:stop().unexpected > 0)
  end)

  it("notices when a forged signature is let in", function()
    receiver:answer("*", { status = 200, body = '{"id":"evt_00000000001"}' })
    local sender = process.sender { port = receiver.port, ledger = dir .. "/ledger",
      secret = "s", connections = 1, post_count_max = 30, forge_percent = 50 }
    wait.until_true("it is over", 5000, function() return sender:is_over() end)
    assert.matches("status 200", sender:stop().first_unexpected)
  end)
end)

describe("the receiver", function()
  it("answers in turn, late, raw or not at all", function()
    local receiver = Receiver.start()
    receiver:answer("/a", { status = 201, body = "one" }, { raw = "garbage\r\n\r\n" })
    receiver:answer("/late", { delay_ms = 50 })
    receiver:answer("/reset", { reset = true })
    local function post(path)
      return http.request { port = receiver.port, path = path, body = "x" }
    end
    assert.equal("one", post("/a").body)
    assert.is_nil(post("/a").status)
    local from = process.mono_ms()
    assert.equal(200, post("/late").status)
    assert.is_true(process.mono_ms() - from >= 50)
    assert.is_nil((post "/reset"))
    assert.equal(4, #receiver:take())
    receiver:stop()
  end)
end)
