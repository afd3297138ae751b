-- SPDX-License-Identifier: MIT
-- order_by of an endpoint: the messages of one key arrive in order of their commits, whatever fails,
-- over kill -9 and reloads; and what else decides when a message goes: on_dead, delay, expires,
-- priority. What was committed when is read from the store's file.
local Receiver = require "support.receiver"
local S = require "anzol_test.store"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local WITHIN_MS = 30000
local is_long = os.getenv "ANZOL_LONG" == "1"
local KEYS = 200
local EVENTS = is_long and 600 or 40
local MESSAGES = 20 -- of an event
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

local SCRIPT = [[
anzol.source("open", { verify = anzol.verify.none(), type = "send",
  idempotency_key = function(req) return req.query.id end })
local function by_key(message) return message.json.key end
local function endpoint(name, options)
  options.url, options.sign, options.allow_private = "$URL/" .. name, false, true
  options.breaker, options.slow_down = false, false
  options.retry = options.retry or anzol.backoff.constant { base = "20ms", attempts = 10000, jitter = "none" }
  anzol.endpoint(name, options)
end
endpoint("keys", { order_by = by_key, concurrency = 50 })
endpoint("line", { order_by = function() return "" end })
endpoint("skip", { order_by = by_key, retry = anzol.backoff.constant { base = "5ms", attempts = 2 } })
endpoint("block", { order_by = by_key, on_dead = "block",
  retry = anzol.backoff.constant { base = "5ms", attempts = 2 } })
endpoint("slow", { concurrency = 1 })
anzol.on("send", { concurrency = 1000 }, function(event)
  for _, one in ipairs(event.data) do
    event:send(one.to, { json = { key = one.key, number = one.number } }, one.options)
  end
end)
-- version 1
]]

describe("order_by of an endpoint", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, SCRIPT), workers = 3 }
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function sql(text)
    return S.sql(server.state_dir .. "/anzol.db", text)
  end

  local function post(list, id)
    local answer = server:post("/in/open" .. (id and "?id=" .. id or ""), json.encode(list))
    assert(json.decode(answer.body).id, answer.body)
  end

  local function send(to, key, number, options)
    post { { to = to, key = key, number = number, options = options } }
    -- The order of two events is the order of their commits.
    wait.until_true("the event is handled", WITHIN_MS, function()
      return sql("SELECT count(*) FROM event_due")[1][1] == 0
    end)
  end

  local function await_states(...)
    local expected = table.concat({ ... }, " ")
    local seen
    local ok = pcall(wait.until_true, "the states", 5000, function()
      local states = {}
      for _, row in ipairs(sql "SELECT state FROM delivery ORDER BY id") do
        states[#states + 1] = ({ [0] = "pending", "retrying", "", "succeeded", "dead", "cancelled" })[row[1]]
      end
      seen = table.concat(states, " ")
      return seen == expected
    end)
    assert.equal(expected, ok and expected or seen)
  end

  local function reload(text)
    server:write_script("main.lua", scripts.with(receiver, text)["main.lua"])
    local result = cli.ask(server, { "reload" })
    assert.equal(0, result.code, result.err)
  end

  local function idle()
    wait.until_true("everything is delivered", WITHIN_MS, function()
      return sql("SELECT count(*) FROM event_due")[1][1] == 0
        and sql("SELECT count(*) FROM delivery WHERE state < 3")[1][1] == 0
    end)
  end

  -- What arrived at a path: by key, the numbers in order of arrival.
  local function arrivals(path)
    local lists = {}
    for _, record in ipairs(receiver:take()) do
      if record.path == path then
        local data = json.decode(record.body)
        lists[data.key] = lists[data.key] or {}
        table.insert(lists[data.key], data.number)
      end
    end
    return lists
  end

  -- Path and key -> number -> its place in the order of commits.
  local function committed()
    local places, counts = {}, {}
    for _, row in ipairs(sql [[SELECT e.name, c.body FROM delivery d JOIN endpoint e ON e.id = d.endpoint
        JOIN message m ON m.id = d.message JOIN content c ON c.id = m.content ORDER BY d.id]]) do
      local data = json.decode(row[2])
      local line = row[1] == "line" and "line" or row[1] .. data.key
      counts[line] = (counts[line] or 0) + 1
      places[line] = places[line] or {}
      places[line][data.number] = counts[line]
    end
    return places, counts
  end

  -- Each arrives, again at most until the next one does, and never one behind another.
  local function check_arrivals()
    local places, counts = committed()
    local reached = {}
    for _, record in ipairs(receiver:take()) do
      local data = json.decode(record.body)
      local line = record.path == "/line" and "line" or record.path:sub(2) .. data.key
      local place, last = places[line][data.number], reached[line] or 0
      if place ~= last and place ~= last + 1 then
        error(("%s: number %d is the %d. of its key, and came after the %d."):format(line, data.number, place, last))
      end
      reached[line] = place
    end
    assert.same(counts, reached)
    assert.equal(0, sql("SELECT count(*) FROM delivery WHERE state <> 3")[1][1])
  end

  -- Random trouble for so many requests, then none.
  local function trouble(count)
    local answers = {}
    for i = 1, count do
      local chance = math.random(10)
      answers[i] = chance == 1 and { status = 500 } or chance == 2 and { status = 503 }
        or chance == 3 and { reset = true }
        or { status = 200, delay_ms = math.random(4) == 1 and math.random(20) or nil }
    end
    answers[count + 1] = { status = 200 }
    receiver:answer("*", table.unpack(answers))
  end

  it(("is kept over failures, kill -9 and reloads (seed %d)"):format(seed), function()
    print(("\n    delivery order: ANZOL_SEED=%d"):format(seed))
    math.randomseed(seed)
    trouble(math.min(EVENTS * MESSAGES, 5000))
    local number, kills, reloads = 0, 0, 0
    for event = 1, EVENTS do
      local list = {}
      for i = 1, MESSAGES do
        number = number + 1
        list[i] = { to = math.random(10) == 1 and "line" or "keys", key = "k" .. math.random(KEYS), number = number,
          options = { delay = math.random(20) == 1 and "10ms" or nil, priority = math.random(-9, 9) } }
      end
      local chance = math.random(12)
      if chance == 1 or event == EVENTS // 2 then
        process.sleep_ms(math.random(0, 30))
        server:kill()
        server:restart()
        kills = kills + 1
      elseif chance == 2 then
        reloads = reloads + 1
        reload((SCRIPT:gsub("version 1", "version 1." .. reloads)))
      end
      wait.until_true("the event is taken", WITHIN_MS, function() return pcall(post, list, "n" .. event) end)
    end
    idle()
    check_arrivals()
    print(("    %d messages of %d keys, %d kills, %d reloads, %d requests"):format(number, KEYS, kills, reloads,
      (receiver:total())))
    assert.equal(number, sql("SELECT count(*) FROM delivery")[1][1])
  end)

  it("lets a key go on behind a dead letter, or wait for it, over a restart", function()
    receiver:answer("*", { status = 500 }, { status = 500 }, { status = 200 })
    send("skip", "k", 1)
    send("skip", "k", 2)
    await_states("dead", "succeeded")
    receiver:answer("*", { status = 500 }, { status = 500 }, { status = 200 })
    send("block", "k", 1)
    send("block", "k", 2)
    await_states("dead", "succeeded", "dead", "pending")
    server:kill()
    server:restart()
    send("block", "other", 1)
    await_states("dead", "succeeded", "dead", "pending", "succeeded")
  end)

  it("lets keys go on that wait for a dead letter when on_dead becomes skip", function()
    receiver:answer("*", { status = 500 }, { status = 500 }, { status = 200 })
    send("block", "k", 1)
    send("block", "k", 2)
    await_states("dead", "pending")
    reload(SCRIPT .. "-- version 2\n")
    await_states("dead", "pending")
    reload((SCRIPT:gsub('on_dead = "block"', 'on_dead = "skip"')))
    await_states("dead", "succeeded")
  end)

  it("is kept by what is stored, when the endpoint does not ask for it any more, or was gone", function()
    receiver:answer("/keys", { status = 500 })
    for number = 1, 5 do send("keys", "k", number) end
    reload((SCRIPT:gsub('endpoint%("keys", {.-}%)\n', "")))
    reload((SCRIPT:gsub('"keys", { order_by = by_key,', '"keys", {')))
    receiver:answer("/keys", { status = 500 }, { status = 200, delay_ms = 30 }, { status = 500 }, { status = 200 })
    arrivals "/keys"
    idle()
    local last = 0
    for _, number in ipairs(arrivals("/keys").k) do
      assert.is_true(number == last or number == last + 1)
      last = number
    end
    assert.equal(5, last)
  end)

  it("waits for a delay, and goes on behind what expired, over a restart and a reload", function()
    receiver:answer("*", { status = 500 })
    send("keys", "k", 1, { expires = "1500ms" })
    send("keys", "k", 2, { delay = "1200ms" })
    send("keys", "k", 3, { expires = "1ms" })
    local started_ms = sql("SELECT min(received_ms) FROM event")[1][1]
    server:kill()
    server:restart()
    reload(SCRIPT .. "\n")
    arrivals "/keys"
    wait.until_true("the first expired", WITHIN_MS, function()
      return sql("SELECT state FROM delivery ORDER BY id")[1][1] == 4
    end)
    receiver:answer("*", { status = 200 })
    idle()
    local rows = sql "SELECT state, reason FROM delivery ORDER BY id"
    assert.same({ 4, 3, 4 }, { rows[1][1], rows[2][1], rows[3][1] })
    assert.equal("expired before it was delivered", rows[3][2])
    local sent_ms = sql([[SELECT a.started_ms FROM attempt a JOIN delivery d ON d.attempt = a.id
      WHERE d.state = 3]])[1][1]
    assert.is_true(sent_ms - started_ms >= 1200, "after " .. sent_ms - started_ms .. " ms")
  end)

  it("tells which ones wait for their key", function()
    receiver:answer("*", { status = 500 })
    send("keys", "k", 1)
    send("keys", "k", 2)
    local list = server:get("/api/v1/delivery").data
    assert.equal("pending", list[1].state)
    assert.equal(json.null, list[1].nextAttemptAt or json.null)
    assert.equal(0, list[1].attemptCount)
    assert.same({ true, false }, { list[1].isHeld, list[2].isHeld })
    assert.matches("pending +0 +%- +held\n", cli.ask(server, { "deliveries" }).output)
    local shown = cli.ask(server, { "deliveries", "show", list[1].id }).output
    assert.matches("next attempt +held: one before it of its order key", shown)
  end)
end)

describe("priority", function()
  it("is first among what is due, over a restart", function()
    local receiver = Receiver.start()
    receiver:answer("*", { status = 200, delay_ms = 300 }, { status = 200 })
    local server = Server.start { scripts = scripts.with(receiver, SCRIPT), workers = 2 }
    local list = { { to = "slow", number = 0 } }
    for i, priority in ipairs { 0, -9, 9, 0, 9, 3 } do
      list[i + 1] = { to = "slow", number = i, options = { priority = priority } }
    end
    assert.equal(200, server:post("/in/open", json.encode(list)).status)
    receiver:await(1)
    server:kill()
    server:restart()
    receiver:await(8)
    local order = {}
    for i, record in ipairs(receiver:take()) do order[i] = json.decode(record.body).number end
    server:close()
    receiver:stop()
    -- The first one was under way.
    assert.same({ 3, 5, 6 }, { order[2], order[3], order[4] })
    assert.equal(2, order[8])
  end)
end)
