-- SPDX-License-Identifier: MIT
-- Polls of a real source that grows, fails, limits and is slow, while the server that polls it is
-- killed again and again: each item is an event once, and the source is asked as often as it allows.
-- The source is another Anzol, which answers in `challenge`.
local S = require "anzol_test.store"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local is_long = os.getenv "ANZOL_LONG" == "1"
local KILLS = is_long and 1000 or 6
local MOST = is_long and 12000 or 60 -- items
local WITHIN_MS = 30000
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

-- Items 1 to as many as there are by now: one each 25 ms from the first request on. Those behind
-- `since`, or without it the newest.
local SOURCE = [[
local anzol = require "anzol"
local state = anzol.cache "state"
local function last()
  local now = anzol.time.now()
  state:add("start", now)
  return math.min((now - state:get "start") // 25, MOST)
end
local function answer(req)
  local most = last()
  local since = tonumber(req.query.since) or math.max(0, most - 200)
  local etag = ('"%d"'):format(most)
  if req.headers["if-none-match"] == etag then return { status = 304, headers = { etag = etag } } end
  local items = {}
  for number = since + 1, math.min(most, since + 200) do items[#items + 1] = { number = number } end
  return { status = 200, headers = { etag = etag }, json = { items = items } }
end
local function source(name, respond)
  anzol.source(name, { methods = { "GET" }, verify = anzol.verify.none(), challenge = function(req)
    state:incr("asked-" .. name, 1)
    return respond(req)
  end })
end
source("plain", answer)
source("all", answer)
source("flaky", function(req)
  if anzol.random() < 0.3 then return { status = 500, body = "no" } end
  if anzol.random() < 0.2 then anzol.sleep "300ms" end
  return answer(req)
end)
local limiter = anzol.limiter("limited", "5/s", { burst = 1 })
source("limited", function(req)
  if not limiter:take(1, { wait = false }) then
    state:incr("refused", 1)
    return { status = 429, headers = { ["retry-after"] = "1" } }
  end
  local result = answer(req)
  result.headers["x-ratelimit-remaining"], result.headers["x-ratelimit-reset"] = "0", "1"
  return result
end)
source("held", function(req)
  local until_ms = anzol.time.now() + 400
  while last() <= tonumber(req.query.since) and anzol.time.now() < until_ms do anzol.sleep "20ms" end
  return answer(req)
end)
source("events", function(req)
  local since, most = tonumber(req.headers["last-event-id"] or "0"), last()
  if anzol.random() < 0.1 then return { status = 503, body = "not now" } end
  local lines = { "retry: 50", ": what came since " .. since }
  for number = since + 1, math.min(most, since + 20) do
    lines[#lines + 1] = ("id: %d\nevent: item\ndata: {\"number\":%d}\n"):format(number, number)
  end
  return { status = 200, headers = { ["content-type"] = "text/event-stream; charset=utf-8" },
    body = table.concat(lines, "\n") .. "\n" }
end)
source("count", function(req) return { status = 200, json = { n = state:get(req.query.key) or 0 } } end)
]]

local POLLS = [[
local anzol = require "anzol"
local BASE = "http://127.0.0.1:%d/in/"
local soon = anzol.backoff.constant { base = "100ms", jitter = "none" }
local function follow(name, options)
  options.on_error = soon
  anzol.poll(name, options, function(poll)
    local kv = anzol.kv(name)
    local since = kv:get "since" or 0
    local res, err = poll:get(BASE .. name, { query = { since = since }, allow_private = true })
    if not res then return nil, err end
    if res.status == 304 then return 0 end
    if not res.ok then return nil, res:error() end
    local items = res:json().items
    for _, item in ipairs(items) do
      poll:emit("item." .. name, item)
      kv:set("since", item.number)
    end
    return #items
  end)
end
follow("plain", { interval = "100ms" })
follow("flaky", { interval = { min = "100ms", max = "1s" } })
follow("limited", { interval = "100ms" })
follow("held", { long = true })
anzol.sse("events", { url = BASE .. "events", allow_private = true, on_error = soon }, function(message)
  if message.type ~= "item" then error("unexpected " .. message.type) end
  message:emit("item.events", message.json)
end)
anzol.poll("all", { interval = "150ms", on_error = soon }, function(poll)
  local res, err = poll:get(BASE .. "all", { allow_private = true })
  if not res then return nil, err end
  if res.status == 304 then anzol.kv("all"):incr("unchanged", 1) return 0 end
  for _, item in ipairs(res:json().items) do
    poll:emit("item.all", item, { idempotency_key = tostring(item.number) })
  end
end)
]]

local NAMES = { "all", "events", "flaky", "held", "limited", "plain" }

describe("polls of a real source", function()
  local source, server

  after_each(function()
    if server then server:close() end
    if source then source:close() end
  end)

  local function sql(text) return S.sql(server.state_dir .. "/anzol.db", text) end
  local function counted(key)
    return json.decode(source:get_public("/in/count?key=" .. key)).n
  end

  it("make one event of each item, over kills, failures, limits and slowness", function()
    print(("seed %d"):format(seed))
    math.randomseed(seed)
    source = Server.start { scripts = { ["main.lua"] = ("local MOST = %d\n"):format(MOST) .. SOURCE } }
    local http = require "support.http"
    function source:get_public(path)
      return assert(http.request { port = self.port, method = "GET", path = path }).body
    end
    server = Server.start { scripts = { ["main.lua"] = POLLS:format(source.port) } }
    local started_ms = process.mono_ms()
    for _ = 1, KILLS do
      process.sleep_ms(math.random(50, 400))
      server:kill()
      server.port, server.admin_port = nil, nil -- what it asks may have taken them meanwhile
      server:restart()
    end
    wait.until_true("every item is there", is_long and 600000 or WITHIN_MS, function()
      local rows = sql "SELECT type, count(*) FROM event WHERE type LIKE 'item.%' GROUP BY type ORDER BY type"
      if #rows < #NAMES then return false end
      for _, row in ipairs(rows) do
        if row[2] < MOST then return false end
      end
      return true
    end)
    local elapsed_s = (process.mono_ms() - started_ms) / 1000
    for _, name in ipairs(NAMES) do
      local row = sql(("SELECT count(*), count(DISTINCT content.body) FROM event JOIN content USING(id) "
        .. "WHERE type = 'item.%s'"):format(name))[1]
      assert.same({ MOST, MOST }, row, name)
    end
    -- What the source allows: a request in each second of "limited" (a killed run asks again), ten a
    -- second of "plain".
    local asked, refused = counted "asked-limited", counted "refused"
    assert.is_true(asked <= elapsed_s + 2 * KILLS + 3, ("%d in %.1f s"):format(asked, elapsed_s))
    assert.is_true(refused <= KILLS + 1, refused)
    for _, name in ipairs { "plain", "flaky" } do -- the adaptive one is at its least all the time, at most
      local count = counted("asked-" .. name)
      assert.is_true(count <= 10 * elapsed_s + KILLS + 2, ("%s: %d in %.1f s"):format(name, count, elapsed_s))
    end
    -- The long one asks again when it was answered: with an item, or after 400 ms.
    asked = counted "asked-held"
    assert.is_true(asked <= MOST + elapsed_s / 0.4 + KILLS + 2, ("held: %d in %.1f s"):format(asked, elapsed_s))
    wait.until_true("an answer that was known", WITHIN_MS, function()
      local row = sql("SELECT value FROM kv WHERE ns = 'all' AND key = 'unchanged'")[1]
      return row and tonumber(row[1]) >= 1
    end)
  end)

  it("that wait for an answer hold up neither a reload nor the end of the server", function()
    source = Server.start { scripts = { ["main.lua"] = [[
      local anzol = require "anzol"
      anzol.source("held", { methods = { "GET" }, verify = anzol.verify.none(),
        challenge = function() anzol.sleep "2400ms" return { status = 200, json = {} } end })]] } }
    local script = ([[
      local anzol = require "anzol"
      anzol.poll("held", { long = true }, function(poll)
        local res, err = poll:get("http://127.0.0.1:%d/in/held", { allow_private = true })
        if not res then return nil, err end
        anzol.kv("k"):incr("answers", 1)
        return 0
      end)]]):format(source.port)
    server = Server.start { scripts = { ["main.lua"] = script } }
    wait.until_true("it has a place", WITHIN_MS, function()
      return sql("SELECT count(*) FROM routine")[1][1] == 1
    end)
    process.sleep_ms(200)
    server:write_script("main.lua", script .. "\n-- again")
    local started_ms = process.mono_ms()
    assert.equal(0, cli.ask(server, { "reload" }).code)
    assert.same({ "exit", 0 }, { server:stop() })
    assert.is_true(process.mono_ms() - started_ms < 2000 * wait.patience)
    server.port, server.admin_port = nil, nil
    server:restart()
    wait.until_true("it goes on", WITHIN_MS, function()
      return sql("SELECT count(*) FROM kv WHERE ns = 'k'")[1][1] == 1
    end)
  end)

  it("are shown by anzol polls and crons, and by metrics", function()
    source = Server.start { scripts = { ["main.lua"] = "local MOST = 5\n" .. SOURCE } }
    server = Server.start { scripts = { ["main.lua"] = POLLS:format(source.port) .. [[
      anzol.cron("daily", { schedule = "0 9 * * *", timezone = "Europe/Lisbon" }, function() end)
      anzol.every("beat", "100ms", function() error "not today" end)]] } }
    local rows = wait.until_true("plain has found all", WITHIN_MS, function()
      local found = {}
      for _, row in ipairs(server:get "/api/v1/poll".data) do found[row.name] = row end
      return found.plain and found.plain.items == 5 and found.limited.why == "rate_limit" and found
    end)
    assert.is_true(rows.plain.isRegistered)
    assert.equal("100ms", rows.plain.rule)
    assert.equal("long", rows.held.rule)
    assert.is_true(rows.limited.intervalMs >= 1000)
    local list = cli.ask(server, { "polls" })
    assert.equal(0, list.code, list.errors)
    assert.matches("NAME +LAST RUN +NEXT RUN +INTERVAL +WHY +LAST +ITEMS +ERROR", list.output)
    assert.matches("plain +%S+ +%S+ +100ms +rule +%d +5 +%-", list.output)
    assert.matches("rule +100ms to 1s\n", cli.ask(server, { "polls", "show", "flaky" }).output)
    local none = cli.ask(server, { "polls", "show", "none" })
    assert.equal(1, none.code)
    assert.matches("there is no poll 'none'; 'anzol polls' lists them", none.errors)
    wait.until_true("beat has failed", WITHIN_MS, function()
      return cli.ask(server, { "crons" }).output:find "beat +every +100ms +%S+ +%S+ +%d+ +%S*main.lua:%d+: not today"
    end)
    local crons = cli.ask(server, { "crons" }).output
    assert.matches("daily +cron +0 9 %* %* %*, Europe/Lisbon +%- +%S+T0[89]:00:00.000Z +0 +%-", crons)
    -- As JSON: what the API says, and of `show` one object a line.
    local function as_json(...)
      local words = { ... }
      table.move({ "-o", "json" }, 1, 2, #words + 1, words)
      local answer = cli.ask(server, words)
      assert.equal(0, answer.code, answer.errors)
      return json.decode(answer.output, 1, json.null), answer.output
    end
    local daily = as_json("crons", "show", "daily")
    assert.same({ name = "daily", kind = "cron", isRegistered = true, rule = "0 9 * * *, Europe/Lisbon",
      lastRun = json.null, lastDurationMs = 0, nextRun = daily.nextRun, why = "rule", previousTick = json.null,
      runs = 0, failures = 0, error = json.null }, daily)
    assert.matches("^%d+%-%d+%-%d+T0[89]:00:00.000Z$", daily.nextRun)
    local names = {}
    for i, row in ipairs(as_json("crons").data) do names[i] = row.name end
    table.sort(names)
    assert.same({ "beat", "daily" }, names)
    local limited = as_json("polls", "show", "limited")
    assert.same({ "poll", "100ms", "rate_limit" }, { limited.kind, limited.rule, limited.why })
    assert.is_true(limited.intervalMs >= 1000 and limited.answerMs >= 0 and limited.lastItems >= 0)
    assert.matches("^%d+%-%d+%-%d+T", limited.nextRun)
    names = {}
    for i, row in ipairs(as_json("polls").data) do names[i] = row.name end
    table.sort(names)
    assert.same(NAMES, names)
    local metrics = assert(require "support.http".request { port = server.admin_port, method = "GET",
      path = "/metrics", headers = { Authorization = "Bearer " .. Server.token } }).body
    assert.matches('anzol_polls_total{outcome="ok",poll="plain"} %d', metrics)
    assert.matches('anzol_poll_interval_seconds{poll="plain"} 0.1', metrics)
    assert.matches('anzol_poll_items_total{poll="plain"} 5\n', metrics)
    assert.matches('anzol_everys_total{every="beat",outcome="failed"} %d', metrics)
  end)
end)
