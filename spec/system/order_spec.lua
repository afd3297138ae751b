-- SPDX-License-Identifier: MIT
-- order_by of anzol.on: the runs of one key go one after another in stored order, re-runs included,
-- over kill -9 and reloads and whichever worker got the event (core/script/order.c, the plan of an
-- event in core/store). A handler notes its number in anzol.kv, so the notes are what committed.
local S = require "anzol_test.store"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local WITHIN_MS = 20000
local is_long = os.getenv "ANZOL_LONG" == "1"
local EVENTS = is_long and 3000 or 250
local KEYS = 7
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

local SCRIPT = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(), type = function(req) return req.query.type end,
  idempotency_key = function(req) return req.query.id end })
local function note(name)
  return function(event)
    local data = event.data
    if data.sleep then anzol.sleep(data.sleep) end
    if event.run_number <= (data.raises or 0) then error "once more" end
    if data.later and event.run_number == 1 then return anzol.retry_later(data.later) end
    if data.skip then return anzol.skip "not this one" end
    local notes = anzol.kv(name)
    local list = notes:get(data.key) or {}
    list[#list + 1] = data.number
    notes:set(data.key, list)
  end
end
local function key(event)
  if event.data.bad then error "no key today" end
  return event.data.key
end
anzol.on("step.*", { name = "ordered", order_by = key, concurrency = 1000 }, note "ordered")
anzol.on("both.*", { name = "both-1", order_by = key, concurrency = 1000 }, note "both-1")
anzol.on("both.*", { name = "both-2", concurrency = 1000 }, note "both-2")
anzol.on("make.*", { name = "make" }, function(event)
  for i = 1, 5 do
    event:emit("step.emitted", { key = event.data.key, number = i }, { delay = i == 2 and "50ms" or nil })
  end
end)
-- version 1
]]

describe("order_by of anzol.on", function()
  local server

  before_each(function() server = Server.start { scripts = { ["main.lua"] = SCRIPT }, workers = 3 } end)
  after_each(function() server:close() end)

  local function post(kind, data, id)
    local answer = server:post(("/in/open?type=%s%s"):format(kind, id and "&id=" .. id or ""),
      json.encode(data))
    return assert(json.decode(answer.body).id, answer.body)
  end

  local function notes(name, key)
    local rows = S.sql(server.state_dir .. "/anzol.db",
      ("SELECT value FROM kv WHERE ns = '%s' AND key = '%s'"):format(name, key))
    return rows[1] and json.decode(rows[1][1]) or {}
  end

  local function idle()
    wait.until_true("every event is done with", WITHIN_MS, function()
      return S.sql(server.state_dir .. "/anzol.db", "SELECT count(*) FROM event_due")[1][1] == 0
    end)
  end

  local function one_to(count)
    local list = {}
    for i = 1, count do list[i] = i end
    return list
  end

  it("runs one key's handlers one after another, however long each takes", function()
    for i = 1, 12 do post("step.a", { key = "k", number = i, sleep = (12 - i) * 0.003 }) end
    idle()
    assert.same(one_to(12), notes("ordered", "k"))
  end)

  it("lets a run that fails or puts itself off hold its key, and no other", function()
    post("step.a", { key = "k", number = 1, raises = 1 })
    post("step.a", { key = "k", number = 2, later = "20ms" })
    local third = post("step.a", { key = "k", number = 3 })
    local other = post("step.a", { key = "l", number = 1 })
    wait.until_true("the other key's run", WITHIN_MS, function()
      return server:get("/api/v1/event/" .. other).state == "handled"
    end)
    local event = server:get("/api/v1/event/" .. third)
    assert.equal("pending", event.state)
    assert.is_true(event.runs[1].nextAt == nil or event.runs[1].nextAt == json.null)
    idle()
    assert.same({ 1, 2, 3 }, notes("ordered", "k"))
  end)

  it("lets the next one go when one is skipped", function()
    post("step.a", { key = "k", number = 1, sleep = 0.05 })
    post("step.a", { key = "k", number = 2, skip = true })
    post("step.a", { key = "k", number = 3 })
    idle()
    assert.same({ 1, 3 }, notes("ordered", "k"))
  end)

  it("runs what has no key in no order", function()
    local slow = post("step.a", { number = 1, sleep = 5, skip = true })
    local quick = post("step.a", { number = 2, skip = true })
    wait.until_true("the quick one", WITHIN_MS, function()
      return server:get("/api/v1/event/" .. quick).state == "skipped"
    end)
    assert.equal("pending", server:get("/api/v1/event/" .. slow).state)
  end)

  it("orders each subscription by itself", function()
    for i = 1, 8 do post("both.a", { key = "k", number = i, sleep = (8 - i) * 0.003 }) end
    idle()
    assert.same(one_to(8), notes("both-1", "k"))
    local list = notes("both-2", "k")
    table.sort(list)
    assert.same(one_to(8), list)
  end)

  it("orders what handlers emit; a delay holds the key", function()
    post("make.some", { key = "k" })
    idle()
    assert.same(one_to(5), notes("ordered", "k"))
  end)

  it("fails the run when the function raises, or gives no string", function()
    for _, data in ipairs { { bad = true }, { key = {} }, { key = ("k"):rep(513) } } do
      local id = post("step.a", data)
      local event = wait.until_true("the run failed", WITHIN_MS, function()
        local event = server:get("/api/v1/event/" .. id)
        return event.state == "retrying" and event
      end)
      assert.truthy(event.runs[1].error:find("no key today", 1, true)
        or event.runs[1].error:find("order_by must return a string or nil, got JSON array", 1, true)
        or event.runs[1].error:find("order_by returned 513 bytes, at most 512", 1, true))
    end
  end)

  -- Posts one after another, each until it is acknowledged: a key's stored order is its order here.
  local function post_all(model, disturb)
    for number = 1, EVENTS do
      local key = "k" .. math.random(KEYS)
      local list = model[key] or {}
      model[key] = list
      list[#list + 1] = number
      local data = { key = key, number = number, sleep = math.random(3) == 1 and math.random(5) / 1000 or nil,
        later = math.random(8) == 1 and "10ms" or nil, raises = math.random(60) == 1 and 1 or nil }
      wait.until_true("the event is taken", WITHIN_MS, function()
        disturb()
        return pcall(post, "step.a", data, "n" .. number)
      end)
    end
  end

  local function check(model)
    idle()
    for key, list in pairs(model) do assert.same(list, notes("ordered", key)) end
  end

  it(("is kept over kill -9 and reloads (seed %d)"):format(seed), function()
    print(("\n    order: ANZOL_SEED=%d"):format(seed))
    math.randomseed(seed)
    local model, kills, reloads = {}, 0, 0
    post_all(model, function()
      local chance = math.random(40)
      if chance == 1 then
        process.sleep_ms(math.random(0, 20))
        server:kill()
        server:restart()
        kills = kills + 1
      elseif chance == 2 then
        reloads = reloads + 1
        server:write_script("main.lua", SCRIPT:gsub("version 1", "version 1." .. reloads))
        assert.equal(0, cli.ask(server, { "reload" }).code)
      end
    end)
    check(model)
    print(("    %d events of %d keys, %d kills, %d reloads"):format(EVENTS, KEYS, kills, reloads))
    assert.is_true(kills + reloads > 0)
  end)
end)
