-- SPDX-License-Identifier: MIT
-- Crons, everys and polls on the real server (core/worker/routine.c): they run when their time
-- comes, what they ask for commits with their place, and that outlives kills and reloads.
local Clock = require "support.clock"
local S = require "anzol_test.store"
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local process = require "anzol_test.process"
local wait = require "support.wait"

local WITHIN_MS = 10000

local HEAD = 'local anzol = require "anzol"\nlocal notes = anzol.kv "notes"\n'

describe("a routine of the server", function()
  local server

  after_each(function() server:close() end)

  local function start(script, options)
    options = options or {}
    options.scripts = { ["main.lua"] = HEAD .. script }
    server = Server.start(options)
  end
  local function sql(text) return S.sql(server.state_dir .. "/anzol.db", text) end
  local function note(key)
    local row = sql(("SELECT value FROM kv WHERE ns = 'notes' AND key = '%s'"):format(key))[1]
    return row and json.decode(row[1])
  end
  local function await_note(key, least)
    return wait.until_true(("%s is %d"):format(key, least), WITHIN_MS, function()
      local value = note(key)
      return value and value >= least and value
    end)
  end
  -- Due all at once: after a restart.
  local function make_due(count)
    wait.until_true("they have places", WITHIN_MS, function()
      return sql("SELECT count(*) FROM routine")[1][1] == count
    end)
    server:stop()
    sql "UPDATE routine SET due_ms = 0"
    server:restart()
  end
  local function row(name)
    return sql(("SELECT due_ms, tick_ms, failures, error, runs, items FROM routine WHERE name = '%s'"):format(name))[1]
  end

  it("runs each time, and what it emits and writes is there", function()
    start [[
      anzol.every("beat", "100ms", function(tick)
        notes:incr("ran", 1)
        tick:emit("beat.tick", { at = tick.scheduled_ms, before = tick.previous_ms })
      end)
      anzol.on("beat.*", function(event)
        notes:incr("handled", 1)
        if event.data.before then notes:set("gap", event.data.at - event.data.before) end
      end)
    ]]
    await_note("handled", 5)
    assert.equal(0, note "gap" % 100)
    assert.is_true(note "ran" >= 5)
    local event = server:list "/api/v1/event"[1]
    assert.equal("beat.tick", event.type)
  end)

  it("sends, with an event that its messages are of", function()
    local receiver = Receiver.start()
    start(([[
      anzol.endpoint("chat", { url = "%s", sign = false, allow_private = true })
      anzol.cron("digest", { schedule = "* * * * * *" }, function(tick)
        if not notes:get "sent" then tick:send("chat", { json = { text = "hello" } }) end
        notes:set("sent", true)
      end)
    ]]):format(receiver:url "/hook"))
    receiver:await(1, WITHIN_MS)
    assert.equal('{"text":"hello"}', receiver:take()[1].body)
    local event = server:list "/api/v1/event"[1]
    assert.equal("anzol.cron", event.type)
    assert.equal("digest", event.source)
    assert.equal("handled", event.state)
    receiver:stop()
  end)

  it("that fails commits nothing, says so, and is tried again", function()
    start [[
      anzol.every("flaky", "1h", function(tick)
        notes:set("lost", true)
        error "not today"
      end)
      anzol.poll("asks", { interval = "1h", on_error = anzol.backoff.constant { base = "100ms", jitter = "none" } },
      function(poll)
        if poll.run_number < 4 then return nil, "no answer" end
        notes:set("tries", poll.run_number)
        return 7
      end)
    ]]
    make_due(2)
    await_note("tries", 4)
    wait.until_true("the every has failed", WITHIN_MS, function() return row "flaky"[3] >= 1 end)
    assert.is_nil(note "lost")
    assert.truthy(row "flaky"[4]:find("not today", 1, true))
    assert.equal(7, row "asks"[6])
    assert.matches('routine failed  poll=asks failures=2 error="no answer', server:log())
  end)

  it("tells scripts when a time is given up, and when a source keeps failing", function()
    start [[
      local soon = anzol.backoff.constant { base = "20ms", jitter = "none" }
      anzol.every("gone", "100ms", function() error "not today" end)
      anzol.poll("failing", { interval = "1h", on_error = soon }, function() return nil, "no answer" end)
      anzol.poll("fine", { interval = "100ms" }, function(poll) return 0 end)
      anzol.on("anzol.routine.failed", function(event)
        assert(event.source == "anzol")
        notes:incr("told-" .. event.data.name, 1)
        notes:set("last-" .. event.data.name, event.data)
      end)
    ]]
    make_due(3)
    wait.until_true("the poll failed on", WITHIN_MS, function() return row "failing"[3] >= 10 end)
    await_note("told-failing", 1)
    await_note("told-gone", 1)
    local failing, gone = note "last-failing", note "last-gone"
    assert.same({ "poll", "failing", "failing", 6 }, { failing.kind, failing.name, failing.state, failing.failures })
    assert.matches("^no answer", failing.error)
    assert.same({ "every", "gave_up", 1 }, { gone.kind, gone.state, gone.failures })
    assert.matches("main.lua:%d+: not today", gone.error)
    assert.same({ 1, 1 }, { note "told-failing", note "told-gone" }) -- not each time
    assert.is_nil(note "told-fine")
    assert.equal(2, sql("SELECT count(*) FROM event WHERE type = 'anzol.routine.failed'")[1][1])
  end)

  it("never overlaps itself, though it is reloaded while it runs", function()
    local script = [[
      local running = anzol.cache "running"
      anzol.every("slow", "100ms", function(tick)
        if running:incr "now" > 1 then notes:set("overlap", true) end
        anzol.sleep("300ms")
        running:incr("now", -1)
        notes:incr("ran", 1)
      end)
    ]]
    start(script)
    for i = 1, 4 do
      await_note("ran", 2 * i)
      server:write_script("main.lua", HEAD .. script .. "-- " .. i)
      assert.equal(0, cli.ask(server, { "reload" }).code)
    end
    await_note("ran", 10)
    assert.is_nil(note "overlap")
  end)

  it("runs by hand, whatever its time, once", function()
    start [[
      anzol.cron("yearly", { schedule = "@yearly" }, function(tick)
        notes:set("at", tick.scheduled_ms)
        notes:incr("yearly", 1)
      end)
      anzol.every("hourly", "1h", function() notes:incr("hourly", 1) end)
      anzol.poll("rare", { interval = "1h" }, function()
        notes:incr("rare", 1)
        anzol.sleep "300ms"
        return 1
      end)
    ]]
    wait.until_true("they have places", WITHIN_MS, function()
      return sql("SELECT count(*) FROM routine")[1][1] == 3
    end)
    local due = row "yearly"[1]
    local asked = cli.ask(server, { "crons", "run", "yearly", "hourly", "none" })
    assert.equal(1, asked.code)
    assert.equal("yearly due\nhourly due\n", asked.output)
    assert.matches("none: the scripts that serve have none of this name", asked.errors)
    await_note("yearly", 1)
    await_note("hourly", 1)
    assert.is_true(math.abs(note "at" - os.time() * 1000) < 30000 * wait.patience)
    wait.until_true("it waits for its own time again", WITHIN_MS, function() return row "yearly"[1] == due end)
    local rare = note "rare" or 0
    for _ = 1, 3 do assert.equal(0, cli.ask(server, { "polls", "run", "rare", "-o", "json" }).code) end
    wait.until_true("it ran", WITHIN_MS, function() return row "rare"[5] > rare end)
    assert.is_true(note "yearly" == 1 and note "hourly" == 1)
  end)

  it("keeps its place in time over a kill and a reload, also before it ever ran", function()
    local script = 'anzol.every("rare", "1h", function() end)\n'
    start(script)
    local due = wait.until_true("it has a place", WITHIN_MS, function() return row "rare" end)[1]
    server:kill()
    server:restart()
    server:write_script("main.lua", HEAD .. script .. 'anzol.every("other", "2h", function() end)')
    assert.equal(0, cli.ask(server, { "reload" }).code)
    wait.until_true("the new one has a place", WITHIN_MS, function() return row "other" end)
    assert.equal(due, row "rare"[1])
  end)

  it("that is not registered any more rests, and goes on when it is again", function()
    local script = 'anzol.every("beat", "100ms", function() notes:incr("ran", 1) end)\n'
    start(script)
    await_note("ran", 2)
    server:write_script("main.lua", HEAD)
    assert.equal(0, cli.ask(server, { "reload" }).code)
    local ran = note "ran"
    process.sleep_ms(250)
    assert.is_true(note "ran" <= ran + 1)
    server:write_script("main.lua", HEAD .. script)
    assert.equal(0, cli.ask(server, { "reload" }).code)
    await_note("ran", ran + 3)
  end)

  it("of a cron makes up for what came while the server was down, as it says", function()
    start [[
      for _, missed in ipairs { "latest", "all", "none" } do
        anzol.cron(missed, { schedule = "0 * * * *", missed = missed }, function(tick)
          notes:incr(missed, 1)
        end)
      end
    ]]
    wait.until_true("they have places", WITHIN_MS, function()
      return sql("SELECT count(*) FROM routine")[1][1] == 3
    end)
    server:stop()
    sql "UPDATE routine SET due_ms = due_ms - 18000000, tick_ms = tick_ms - 18000000"
    server:restart()
    await_note("all", 5)
    await_note("latest", 1)
    process.sleep_ms(100)
    assert.is_true(note "all" <= 6 and note "latest" <= 2)
    assert.is_true((note "none" or 0) <= 1)
    assert.is_true(sql("SELECT min(due_ms) FROM routine")[1][1] > os.time() * 1000)
  end)

  it("of a cron runs for no time twice while the clock is set forth and back; intervals do not care", function()
    server = Server.new { scripts = { ["main.lua"] = HEAD .. [[
      anzol.cron("second", { schedule = "* * * * * *" }, function(tick)
        tick:emit("tick", { at = tick.scheduled_ms })
      end)
      anzol.every("beat", "500ms", function() notes:incr("beats", 1) end)
    ]] } }
    local clock = Clock.new(server.dir)
    server.options.env = clock:env()
    server:launch():await()
    await_note("beats", 1)
    local from_ms, beats = process.mono_ms(), note "beats"
    for _, set_s in ipairs { 3600, 0, 315360000, 0, -3, 2, -1, 1, 0 } do
      clock:set(set_s)
      process.sleep_ms(1300)
    end
    local expected = (process.mono_ms() - from_ms) / 500
    assert.is_true(math.abs(note "beats" - beats - expected) <= 3 * wait.patience)
    wait.until_true("it runs by the clock that is there", WITHIN_MS, function()
      local due_ms = row "second"[1]
      return due_ms <= os.time() * 1000 + 2000 and due_ms >= os.time() * 1000 - 1000
    end)
    local ticks = sql("SELECT count(*), count(DISTINCT content.body) FROM event JOIN content USING(id) "
      .. "WHERE type = 'tick'")[1]
    assert.equal(ticks[1], ticks[2])
    assert.is_true(ticks[1] >= 5, ticks[1])
  end)

  it("runs again, each effect once, when the server is killed at any time", function()
    start([[
      anzol.poll("count", { interval = "100ms" }, function(poll)
        local number = (notes:get "number" or 0) + 1
        anzol.sleep(0.02)
        notes:set("number", number)
        poll:emit("counted", { number = number })
        return 1
      end)
      anzol.on("counted", function(event) notes:set("got-" .. event.data.number, true) end)
    ]], { workers = 2 })
    math.randomseed(tonumber(os.getenv "ANZOL_SEED") or os.time())
    for _ = 1, os.getenv "ANZOL_LONG" == "1" and 200 or 8 do
      process.sleep_ms(math.random(20, 250))
      server:kill()
      server:restart()
    end
    local number = await_note("number", (note "number" or 0) + 2)
    wait.until_true("all are handled", WITHIN_MS, function() return note("got-" .. number) end)
    local events = sql("SELECT count(*), count(DISTINCT content.body) FROM event JOIN content USING(id) "
      .. "WHERE type = 'counted'")
    assert.equal(events[1][1], events[1][2])
    for i = 1, number do assert.is_true(note("got-" .. i), i) end
  end)
end)
