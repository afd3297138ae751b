-- SPDX-License-Identifier: MIT
-- event:step over kill -9: a step is done again only if the process ended before its commit, and what
-- it once returned stays (core/script/bind_step.c, core/store/sqlite_step.c).
local Receiver = require "support.receiver"
local S = require "anzol_test.store"
local Server = require "support.server"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local WITHIN_MS = 30000
local is_long = os.getenv "ANZOL_LONG" == "1"
local EVENTS = is_long and 2000 or 120
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

-- Each call of a step is told to the receiver with a word of its own, which the step returns; the
-- second tells of the first one's too. First tries of some fail behind the first step.
local SCRIPT = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(), type = "work.it",
  idempotency_key = function(req) return req.query.id end })
anzol.endpoint("out", { url = anzol.env "RECEIVER_URL" .. "/out", sign = false, allow_private = true })
local function call(path, told)
  told.word = anzol.crypto.uuid()
  local res, err = anzol.http.post(anzol.env "RECEIVER_URL" .. path, { json = told, allow_private = true })
  if not res then return nil, err end
  return told.word
end
anzol.on("work.it", { name = "work", concurrency = 1000 }, function(event)
  local number = event.data.number
  local first = assert(event:step("first", call, "/first", { number = number }))
  if event.run_number == 1 and number % 20 == 0 then error "between the steps" end
  local second = assert(event:step("second", call, "/second", { number = number, first = first }))
  event:send("out", { json = { number = number, first = first, second = second } })
end)
]]

describe("event:step over kill -9", function()
  local server, receiver

  setup(function()
    math.randomseed(seed)
    receiver = Receiver.start()
    server = Server.start { scripts = { ["main.lua"] = SCRIPT }, workers = 2,
      env = { RECEIVER_URL = receiver:url "" } }
  end)
  teardown(function()
    server:close()
    receiver:stop()
  end)

  local function sql(text) return S.sql(server.state_dir .. "/anzol.db", text)[1][1] end

  local function post(number)
    wait.until_true("the event is taken", WITHIN_MS, function()
      if math.random(20) == 1 then
        process.sleep_ms(math.random(0, 15))
        server:kill()
        server:restart()
      end
      return pcall(function()
        local answer = server:post("/in/open?id=" .. number, ('{"number":%d}'):format(number))
        assert(json.decode(answer.body).id)
      end)
    end)
  end

  -- What was told to a path, in order, by number.
  local function told(path, records)
    local by_number = {}
    for _, record in ipairs(records) do
      if record.path == path then
        local body = json.decode(record.body)
        by_number[body.number] = by_number[body.number] or {}
        table.insert(by_number[body.number], body)
      end
    end
    return by_number
  end

  it("does a step again if the process ends before its commit, and not behind it", function()
    server:stop()
    server:launch({ ANZOL_CRASH_AT = "step_commit:2" }):await()
    post(0)
    assert.same({ "exit", 137 }, { server:ended(WITHIN_MS) })
    server:restart()
    wait.until_true("it is sent", WITHIN_MS, function()
      return sql "SELECT count(*) FROM delivery WHERE state = 3" == 1
    end)
    local records = receiver:take()
    local first, second = told("/first", records)[0], told("/second", records)[0]
    assert.equal(1, #first)
    assert.equal(2, #second)
    assert.equal(first[1].word, second[1].first)
    assert.equal(first[1].word, second[2].first)
    assert.equal(second[2].word, told("/out", records)[0][1].second)
  end)

  it(("keeps what a step returned once it is committed (seed %d)"):format(seed), function()
    print(("\n    steps: ANZOL_SEED=%d"):format(seed))
    for number = 1, EVENTS do post(number) end
    wait.until_true("everything is sent", WITHIN_MS, function()
      return sql "SELECT count(*) FROM event_due" == 0
        and sql "SELECT count(*) FROM delivery WHERE state <> 3" == 0
    end)
    local records = receiver:take()
    local out, first, second = told("/out", records), told("/first", records), told("/second", records)
    for number = 1, EVENTS do
      local message = out[number][1]
      for _, again in ipairs(out[number]) do assert.same(message, again) end
      assert.equal(first[number][#first[number]].word, message.first)
      assert.equal(second[number][#second[number]].word, message.second)
      for _, call in ipairs(second[number]) do assert.equal(message.first, call.first) end
    end
    assert.equal(0, sql "SELECT count(*) FROM step")
  end)
end)
