-- SPDX-License-Identifier: MIT
-- Batches of anzol.on: each event is in exactly one handled batch of its key, in stored order, over
-- kill -9 and reloads and whichever worker got it (core/store/sqlite_batch.c, core/worker/batch.c). A
-- handler notes its numbers in anzol.kv, so the notes are what committed.
local S = require "anzol_test.store"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local WITHIN_MS = 20000
local is_long = os.getenv "ANZOL_LONG" == "1"
local EVENTS = is_long and 3000 or 250
local KEYS = 5
local MAX = 10
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

local HEAD = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(), type = function(req) return req.query.type end,
  idempotency_key = function(req) return req.query.id end })
local function by(event) return event.data.key end
local running = anzol.cache "running"
]]

-- Notes { numbers of a batch }, …; an overlap of a key's batches is noted too.
local SCRIPT = HEAD .. [[
local function note(name)
  return function(events)
    local first = events[1]
    local key = first.data.key
    if running:incr(name .. key) > 1 then anzol.kv("overlaps"):set(key, true) end
    if first.data.sleep then anzol.sleep(first.data.sleep) end
    local raises = first.run_number <= (first.data.raises or 0)
    running:incr(name .. key, -1)
    if raises then error "once more" end
    local notes = anzol.kv(name)
    local list, numbers = notes:get(key) or {}, {}
    for i, event in ipairs(events) do numbers[i] = event.data.number end
    list[#list + 1] = numbers
    notes:set(key, list)
  end
end
anzol.on("chaos.*", { name = "chaos", batch = { by = by, wait = "30ms", max = ]] .. MAX .. [[ } }, note "chaos")
anzol.on("quick.*", { name = "quick", batch = { by = by, wait = "200ms", max = 3 } }, note "quick")
anzol.on("slow.*", { name = "slow", batch = { by = by, wait = "2s" } }, note "slow")
anzol.on("both.*", { name = "both-1", batch = { by = by, wait = "100ms" } }, note "both-1")
anzol.on("both.*", { name = "both-2" }, function(event)
  if event.data.wait then anzol.sleep(event.data.wait) end
  anzol.kv("both-2"):set(tostring(event.data.number), true)
end)
anzol.on("make.*", { name = "make" }, function(event)
  for i = 1, 5 do event:emit("quick.emitted", { key = event.data.key, number = i }) end
end)
anzol.endpoint("gone", { url = "http://127.0.0.1:65535/", sign = false, allow_private = true,
  retry = anzol.backoff.constant { base = "1s", attempts = 1 } })
anzol.on("lost.*", { name = "lost" }, function(event) event:send "gone" end)
anzol.on("anzol.delivery.dead", { name = "dead", batch = { wait = "1h", max = 3 } }, function(events)
  for i, event in ipairs(events) do anzol.kv("dead"):set(event.data.event_id, i) end
end)
anzol.on("anzol.reload.refused", { name = "refused", batch = { wait = "1h", max = 3 } }, function(events)
  anzol.kv("refused"):set("count", #events)
end)
-- version 1
]]

describe("a batch of anzol.on", function()
  local server

  before_each(function() server = Server.start { scripts = { ["main.lua"] = SCRIPT }, workers = 3 } end)
  after_each(function() server:close() end)

  local function sql(text) return S.sql(server.state_dir .. "/anzol.db", text) end

  local function post(kind, data, id)
    local answer = server:post(("/in/open?type=%s%s"):format(kind, id and "&id=" .. id or ""),
      json.encode(data))
    return assert(json.decode(answer.body).id, answer.body)
  end

  local function notes(name, key)
    local rows = sql(("SELECT value FROM kv WHERE ns = '%s' AND key = '%s'"):format(name, key))
    return rows[1] and json.decode(rows[1][1]) or {}
  end

  local function await_end()
    wait.until_true("every event is done with", WITHIN_MS, function()
      return sql("SELECT count(*) FROM event_due")[1][1] == 0
    end)
    assert.equal(0, sql("SELECT count(*) FROM batch")[1][1])
  end

  local function idle()
    await_end()
    assert.same({}, sql "SELECT key FROM kv WHERE ns = 'overlaps'")
  end

  local function reload(script)
    server:write_script("main.lua", script)
    assert.equal(0, cli.ask(server, { "reload" }).code)
  end

  local function flatten(lists)
    local all = {}
    for _, list in ipairs(lists) do
      for _, number in ipairs(list) do all[#all + 1] = number end
    end
    return all
  end

  it("is handled at its time, and at once when it is full", function()
    for number = 1, 7 do post("quick.a", { key = "k", number = number }) end
    idle()
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 }, { 7 } }, notes("quick", "k"))
  end)

  it("runs again as a whole, and lets no other of its key pass meanwhile", function()
    for number = 1, 6 do
      post("quick.a", { key = "k", number = number, sleep = "20ms", raises = number == 1 and 1 or 0 })
    end
    idle()
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, notes("quick", "k"))
  end)

  it("takes what handlers emit", function()
    post("make.some", { key = "k" })
    idle()
    local batches = notes("quick", "k")
    assert.equal(3, #batches[1])
    local numbers = flatten(batches)
    table.sort(numbers)
    assert.same({ 1, 2, 3, 4, 5 }, numbers)
  end)

  it("takes what the server tells: one message of many dead deliveries", function()
    for number = 1, 3 do post("lost.a", { number = number }) end
    wait.until_true("they are told", WITHIN_MS, function()
      return sql("SELECT count(*) FROM kv WHERE ns = 'dead'")[1][1] == 3
    end)
    local places = {}
    for i, row in ipairs(sql "SELECT value FROM kv WHERE ns = 'dead' ORDER BY value") do places[i] = row[1] end
    assert.same({ "1", "2", "3" }, places)
  end)

  it("does not hold up the news of a reload that was refused", function()
    server:write_script("main.lua", "local x = = 1")
    assert.equal(78, cli.ask(server, { "reload" }).code)
    idle()
    assert.equal(1, notes("refused", "count"))
  end)

  it("leaves other subscriptions of its events to themselves", function()
    for number = 1, 4 do post("both.a", { key = "k", number = number }) end
    idle()
    assert.same({ 1, 2, 3, 4 }, flatten(notes("both-1", "k")))
    assert.equal(4, sql("SELECT count(*) FROM kv WHERE ns = 'both-2'")[1][1])
  end)

  it("does not wait for another handler of its first event", function()
    local id = post("both.a", { key = "k", number = 1, wait = "20s" })
    wait.until_true("the batch is handled", WITHIN_MS, function() return #notes("both-1", "k") == 1 end)
    assert.equal("pending", server:get("/api/v1/event/" .. id).state)
  end)

  it("that is open when the server ends closes at its time", function()
    for number = 1, 3 do post("slow.a", { key = "k", number = number }) end
    server:kill()
    server:restart()
    post("slow.a", { key = "k", number = 4 })
    idle()
    assert.same({ { 1, 2, 3, 4 } }, notes("slow", "k"))
  end)

  it("whose subscription vanished is dead with all of its events, and says why", function()
    local ids = {}
    for number = 1, 3 do ids[number] = post("slow.a", { key = "k", number = number }) end
    reload(HEAD)
    idle()
    for _, id in ipairs(ids) do
      local event = server:get("/api/v1/event/" .. id)
      assert.equal("dead", event.state)
      assert.truthy(event.runs[1].error:find('subscription "slow" is no longer in the scripts', 1, true))
    end
    assert.matches("handler gave up  event=evt_%w+ subscription=slow run=1", server:log())
  end)

  it("that is dead is tried again event by event, when somebody asks", function()
    local ids = {}
    for number = 1, 3 do ids[number] = post("slow.a", { key = "k", number = number }) end
    reload(HEAD)
    idle()
    reload(SCRIPT)
    assert.equal(0, cli.ask(server, { "dead", "retry", table.unpack(ids) }).code)
    await_end() -- side by side, perhaps
    local batches = notes("slow", "k")
    assert.equal(3, #batches)
    local numbers = flatten(batches)
    table.sort(numbers)
    assert.same({ 1, 2, 3 }, numbers)
  end)

  it("whose handler takes single events now is handled one by one", function()
    for number = 1, 3 do post("slow.a", { key = "k", number = number }) end
    reload(HEAD .. [[
      anzol.on("slow.*", { name = "slow" }, function(event)
        local notes = anzol.kv "slow"
        local list = notes:get(event.data.key) or {}
        list[#list + 1] = { event.data.number }
        notes:set(event.data.key, list)
      end)]])
    idle()
    assert.same({ { 1 }, { 2 }, { 3 } }, notes("slow", "k"))
  end)

  it(("loses no event and handles none twice, over kill -9 and reloads (seed %d)"):format(seed), function()
    print(("\n    batches: ANZOL_SEED=%d"):format(seed))
    math.randomseed(seed)
    local model, version = {}, 1
    for number = 1, EVENTS do
      local key = "k" .. math.random(KEYS)
      model[key] = model[key] or {}
      table.insert(model[key], number)
      local data = { key = key, number = number, sleep = math.random(4) == 1 and "10ms" or nil,
        raises = math.random(60) == 1 and 1 or nil }
      local what = math.random(60)
      if what == 1 then
        version = version + 1
        reload((SCRIPT:gsub("version 1", "version " .. version)))
      end
      wait.until_true("the event is taken", WITHIN_MS, function()
        if what <= 3 then
          what = 60
          process.sleep_ms(math.random(0, 15))
          server:kill()
          server:restart()
        end
        return pcall(post, "chaos.a", data, "n" .. number)
      end)
    end
    idle()
    for key, numbers in pairs(model) do
      local batches = notes("chaos", key)
      assert.same(numbers, flatten(batches))
      for _, batch in ipairs(batches) do assert.is_true(#batch <= MAX) end
    end
  end)
end)
