-- SPDX-License-Identifier: MIT
-- Crons, everys and polls under anzol.testing: they run by the test's clock, as on the server.
local rig = require "lua.testing_rig"

local MONDAY = "2026-03-02T08:00:00Z"

describe("a test of what runs by itself", function()
  after_each(rig.finish)

  local function test(script, options)
    options = options or {}
    options.now = options.now or MONDAY
    return rig.test(script, options)
  end
  local function types(t)
    local list = {}
    for i, event in ipairs(t.events) do list[i] = event.type end
    return list
  end

  it("runs a cron at its times, by its time zone", function()
    local t = test [[
      anzol.cron("digest", { schedule = "0 9 * * MON-FRI", timezone = "Europe/Lisbon" }, function(tick)
        tick:send("out", { json = { at = anzol.time.iso(tick.scheduled_ms), before = tick.previous_ms } })
      end)]]
    t:advance "59m"
    assert.equal(0, #t.deliveries)
    t:advance "1m"
    assert.equal("2026-03-02T09:00:00.000Z", t:delivery("out").request.json.at)
    assert.is_nil(t:delivery("out").request.json.before)
    t:advance "7d"
    assert.equal(6, #t.deliveries)
    assert.equal("2026-03-09T09:00:00.000Z", t:delivery("out").request.json.at)
    assert.same({ "anzol.cron", "digest", "handled" }, { t.events[1].type, t.events[1].source,
      "handled" })
  end)

  it("runs an every each time its interval has gone by", function()
    local t = test 'anzol.every("beat", "10s", function(tick) tick:emit("beat.tick", {}) end)'
    t:advance "35s"
    assert.same({ "beat.tick", "beat.tick", "beat.tick" }, types(t))
    assert.equal("beat", t.events[1].source)
    assert.is_nil(t.events[1].parent_id)
  end)

  it("runs them at once when the spec says so", function()
    local t = test [[
      anzol.every("beat", "10s", function(tick) tick:emit("beat.tick", { at = tick.scheduled_ms }) end)
      anzol.cron("daily", { schedule = "@daily" }, function(tick) tick:emit("day.over", {}) end)]]
    t:cron "beat"
    t:cron "daily"
    assert.same({ "beat.tick", "day.over" }, types(t))
    assert.equal(t.now_ms, t.events[1].json.at)
    t:advance "9s"
    assert.equal(2, #t.events)
    assert.matches("t:cron: there is none called 'x' %(there are: beat, daily%)", rig.message_of(t.cron, t, "x"))
    assert.matches("t:poll: there is none called 'x' %(there is none%)", rig.message_of(t.poll, t, "x"))
  end)

  it("tries a tick that failed again, and does not let a failure go by unseen", function()
    local t = test [[
      anzol.cron("daily", { schedule = "0 9 * * *" }, function(tick)
        anzol.kv("k"):set("tried", tick.run_number)
        if tick.run_number < 3 then error "not yet" end
        tick:emit("done", { at = anzol.time.iso(tick.scheduled_ms) })
      end)]]
    t:advance "1h"
    assert.is_nil(t.kv.k.tried)
    t:advance "10s"
    assert.equal(3, t.kv.k.tried)
    assert.equal("2026-03-02T09:00:00.000Z", t.events[1].json.at)
    t:close()

    t = test 'anzol.every("bad", "1h", function() error "never" end)'
    t:advance "1h"
    assert.matches("the last run of every 'bad' failed, and the spec did not look at it:\n.*never",
      rig.message_of(t.close, t))
    t = test 'anzol.every("bad", "1h", function() error "never" end)'
    assert.matches("never", t:cron("bad").error)
    t:close()
  end)

  it("tells the scripts that ask when one gives up", function()
    local t = test [[
      anzol.cron("daily", { schedule = "0 9 * * *" }, function() error "never" end)
      anzol.on("anzol.routine.failed", function(event) anzol.kv("told"):set(event.data.name, event.data) end)]]
    t:advance "70m"
    assert.same({}, types(t))
    t:advance "10m"
    assert.same({ "anzol.routine.failed" }, types(t))
    local told = t.kv.told.daily
    assert.same({ "cron", "gave_up", 6 }, { told.kind, told.state, told.failures })
    assert.matches("never", told.error)
    assert.matches("never", t:cron("daily").error)
    t:close()
  end)

  describe("with a poll", function()
    local POLL = [[
      local kv = anzol.kv "tickets"
      anzol.poll("tickets", { interval = { min = "5s", max = "10m", jitter = 0 },
        on_error = anzol.backoff.constant { base = "1m", jitter = "none" } }, function(poll)
        local res, err = poll:get("https://api.example/tickets", { query = { since = kv:get "cursor" } })
        if not res then return nil, err end
        if res.status == 304 then return 0 end
        if not res.ok then return nil, res:error() end
        for _, item in ipairs(res:json().items) do
          poll:emit("ticket." .. item.state, item, { idempotency_key = item.id })
          kv:set("cursor", item.id)
        end
        return #res:json().items
      end)
      anzol.on("ticket.*", function(event) event:send("out", { json = event.data }) end)]]
    local function items(...)
      local list = {}
      for i, id in ipairs { ... } do list[i] = { id = id, state = "open" } end
      return { json = { items = list } }
    end

    it("makes events of its items, with the cursor in the same commit", function()
      local t = test(POLL)
      t:http("https://api.example/*", items("a", "b"))
      t:crash_before_commit()
      assert.equal(2, t:poll("tickets").items)
      assert.same({ "ticket.open", "ticket.open" }, types(t))
      assert.equal("b", t.kv.tickets.cursor)
      assert.equal(2, #t.calls)
      assert.same({ { id = "a", state = "open" }, { id = "b", state = "open" } },
        { t.deliveries[1].request.json, t.deliveries[2].request.json })
    end)

    it("makes an item of one key once", function()
      local t = test(POLL)
      t:http("https://api.example/*", items("a"))
      t:poll "tickets"
      t:poll "tickets"
      assert.equal(1, #t.events)
    end)

    it("grows and shrinks its interval", function()
      local t = test(POLL)
      local answer = items()
      t:http("https://api.example/*", function() return answer end)
      assert.same({ 7500, "no_items" }, (function(r) return { r.wait_ms, r.why } end)(t:poll "tickets"))
      t:advance "1h"
      answer = items("x")
      local result = t:poll "tickets"
      assert.same({ 150000, "items" }, { result.wait_ms, result.why })
      assert.equal(t.now_ms + 150000, result.next_ms)
    end)

    it("remembers what the source called its answer, once that is committed", function()
      local t = test(POLL)
      local asked = {}
      t:http("https://api.example/*", function(request)
        asked[#asked + 1] = { request.headers["if-none-match"], request.headers["if-modified-since"] }
        if request.headers["if-none-match"] == '"v1"' then return 304 end
        return { headers = { etag = '"v1"', ["last-modified"] = "Mon, 02 Mar 2026 07:00:00 GMT" },
          json = { items = {} } }
      end)
      t:crash_before_commit()
      t:poll "tickets"
      assert.same({ {}, {} }, asked)
      assert.equal(0, t:poll("tickets").items)
      assert.same({ '"v1"', "Mon, 02 Mar 2026 07:00:00 GMT" }, asked[3])
    end)

    it("goes by what the source says", function()
      local t = test(POLL)
      local answer
      t:http("https://api.example/*", function() return answer end)
      local function poll(headers, status)
        answer = { status = status, headers = headers, json = { items = {} } }
        local result = t:poll "tickets"
        return { result.wait_ms, result.why }
      end
      assert.same({ 90000, "max_age" }, poll { ["cache-control"] = "max-age=90" })
      assert.same({ 1800000, "rate_limit" }, poll { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "1800" })
      assert.same({ 1200000, "retry_after" }, poll({ ["retry-after"] = "1200" }, 429))
      assert.same({ 60000, "error" }, poll({}, 500))
      assert.same({ 60000, "error" }, poll({ ["retry-after"] = "1" }, 503))
      -- A 200 may say so too, by a time of day too; no longer than a day.
      assert.same({ 900000, "retry_after" }, poll { ["retry-after"] = "900" })
      assert.same({ 1200000, "retry_after" }, poll { ["retry-after"] = "Mon, 02 Mar 2026 08:20:00 GMT" })
      assert.same({ 86400000, "retry_after" }, poll { ["retry-after"] = "864000" })
      -- The limits of rate, in each of their forms: what is left over the time until there is more.
      for _, headers in ipairs {
        { RateLimit = '"day";r=1000;t=600, "default";r=2;t=3600' },
        { RateLimit = "limit=100, remaining=2, reset=3600" },
        { ["RateLimit-Limit"] = "100", ["RateLimit-Remaining"] = "2", ["RateLimit-Reset"] = "3600" },
        { ["X-RateLimit-Remaining"] = "2", ["X-RateLimit-Reset"] = "3600" },
        { ["X-Rate-Limit-Remaining"] = "2", ["X-Rate-Limit-Reset"] = tostring((t.now_ms // 1000) + 3600) },
      } do
        assert.same({ 1800000, "rate_limit" }, poll(headers))
      end
      assert.same({ 86400000, "rate_limit" },
        poll { ["x-ratelimit-remaining"] = "0", ["x-ratelimit-reset"] = "999999" })
      -- With a failure it is the longest of all.
      assert.same({ 1800000, "rate_limit" }, poll({ ["retry-after"] = "70", ["x-ratelimit-remaining"] = "0",
        ["x-ratelimit-reset"] = "1800" }, 429))
    end)

    it("waits for the Retry-After of an Error, by whatever call it came, if on_error is shorter", function()
      local t = test [[
        anzol.poll("plain", { interval = "10s", on_error = anzol.backoff.constant { base = "1m", jitter = "none" } },
        function()
          local res, err = anzol.http.get "https://api.example/x"
          if not res then return nil, err end
          return nil, res:error()
        end)]]
      local after
      t:http("https://api.example/*", function()
        return { status = 503, headers = { ["retry-after"] = after } }
      end)
      local function poll(text)
        after = text
        local result = t:poll "plain"
        return { result.wait_ms, result.why }
      end
      assert.same({ 300000, "retry_after" }, poll "300")
      assert.same({ 60000, "error" }, poll "59")
      assert.same({ 60000, "error" }, poll(nil))
    end)

    it("runs by itself from its place in the first minute on", function()
      local t = test(POLL)
      t:http("https://api.example/*", items())
      t:advance "5s"
      assert.equal(1, #t.calls)
      t:advance "1h"
      assert.is_true(#t.calls > 10 and #t.calls < 25, #t.calls)
    end)

    it("never overlaps itself, and others wait for it no longer than they must", function()
      local t = test [[
        local running = anzol.cache "running"
        anzol.poll("slow", { interval = "10s" }, function(poll)
          if running:incr "now" > 1 then error "overlap" end
          anzol.sleep "25s"
          running:incr("now", -1)
          poll:emit("slow.done", {})
        end)
        anzol.on("a", function(event) anzol.sleep "1s" event:send("out") end)]]
      t:advance "15s"
      t:receive("in", { json = { type = "a" } })
      assert.equal(1, #t.deliveries)
      t:advance "5m"
      assert.is_true(#t.events >= 11 and #t.events <= 13, #t.events)
    end)

    it("may be long: the next begins when one ends, and a timeout is none", function()
      local t = test [[
        anzol.poll("updates", { long = true }, function(poll)
          local res, err = poll:get "https://bot.example/updates"
          if not res then return nil, err end
          for _, update in ipairs(res:json()) do poll:emit("update", update) end
        end)
        anzol.on("a", function(event) event:send("out") end)]]
      local number = 0
      t:http("https://bot.example/*", function()
        number = number + 1
        if number % 3 == 0 then return { after = "6m", json = {} } end
        return { after = "30s", json = { { number = number } } }
      end)
      t:receive("in", { json = { type = "a" } })
      assert.equal(1, #t.deliveries)
      t:advance "12m"
      assert.is_true(number == 6 or number == 7, number)
      assert.is_true(#t.events >= 4)
      local result = t:poll "updates"
      assert.is_nil(result.error)
    end)

    it("asks again when it likes: anzol.after", function()
      local t = test [[
        anzol.poll("pages", { interval = "1h" }, function(poll)
          local page = (anzol.kv("k"):get "page" or 0) + 1
          anzol.kv("k"):set("page", page)
          poll:emit("page", { page = page })
          if page % 3 > 0 then return anzol.after "2s" end
        end)]]
      t:advance "1m"
      assert.equal(3, #t.events)
    end)

    it("says what it may return", function()
      local t = test [[
        anzol.poll("bad", { interval = "1h" }, function() return "many" end)
        anzol.poll("none", { interval = "1h" }, function() return nil, "no answer" end)
        anzol.poll("skips", { interval = "1h" }, function() return anzol.skip() end)
        anzol.every("after", "1h", function() return anzol.after(1) end)
        anzol.on("a", function() return anzol.after(1) end)]]
      assert.matches("a poll returns how many items it found, nil and an Error, or anzol.after", t:poll("bad").error)
      assert.equal("no answer\n\tin 'poll' of poll \"none\" (scripts/main.lua:7)", t:poll("none").error)
      assert.matches("anzol.skip is not for 'poll'", t:poll("skips").error)
      assert.matches("anzol.after is not for 'every'", t:cron("after").error)
      assert.matches("anzol.after is for polls", t:receive("in", { json = { type = "a" } }).event.error)
    end)
  end)
end)

describe("registering what runs by itself", function()
  after_each(rig.finish)

  local wrong = {
    ['anzol.cron("a", { schedule = "61 * * * *" }, print)'] = "option 'schedule' of anzol.cron 'a': .*minute",
    ['anzol.cron("a", { schedule = "@daily", timezone = "Europe/Lissabon" }, print)'] =
      "option 'timezone' of anzol.cron 'a': .*",
    ['anzol.cron("a", { schedule = "@daily", missed = "some" }, print)'] =
      'option \'missed\' of anzol.cron \'a\' must be "latest", "all" or "none", got \'some\'',
    ['anzol.cron("a", { scedule = "@daily" }, print)'] =
      "unknown option 'scedule' for anzol.cron 'a' %(did you mean 'schedule'",
    ['anzol.cron("a", {}, print)'] = "anzol.cron 'a' needs 'schedule'",
    ['anzol.cron("a", { schedule = "@daily" })'] = "anzol.cron 'a': argument 3 is the function, got no value",
    ['anzol.cron("A!", { schedule = "@daily" }, print)'] = "bad name 'A!' for anzol.cron",
    ['anzol.every("a", "1h", print) anzol.every("a", "1h", print)'] =
      "anzol.every 'a' is registered twice, first at scripts/main.lua:",
    ['anzol.every("a", "1h", print) anzol.cron("a", { schedule = "@daily" }, print)'] =
      "anzol.cron 'a' has the name of an anzol.every at scripts/main.lua:",
    ['anzol.cron("a", { schedule = "@daily" }, print) anzol.every("a", "1h", print)'] =
      "anzol.every 'a' has the name of an anzol.cron at scripts/main.lua:",
    ['anzol.poll("a", { interval = "1h" }, print) anzol.sse("a", { url = "https://a.example/" }, print)'] =
      "anzol.sse 'a' has the name of an anzol.poll at scripts/main.lua:",
    ['anzol.sse("a", { url = "https://a.example/" }, print) anzol.poll("a", { interval = "1h" }, print)'] =
      "anzol.poll 'a' has the name of an anzol.sse at scripts/main.lua:",
    ['anzol.every("a", "99ms", print)'] =
      "the interval of anzol.every 'a' must be a duration from 100ms to 366d, got '99ms'",
    ['anzol.every("a", "367d", print)'] =
      "the interval of anzol.every 'a' must be a duration from 100ms to 366d, got '367d'",
    ['anzol.every("a", { min = "1m" }, print)'] = "the interval of anzol.every 'a' must be a duration .*, got table",
    ['anzol.poll("a", {}, print)'] = "anzol.poll 'a' needs 'interval'",
    ['anzol.poll("a", { interval = { min = "1m", max = "5s" } }, print)'] =
      "option 'max' %(5s%) of interval of anzol.poll 'a' must be longer than 'min' %(1m%) "
        .. "%(for a regular interval write interval = \"1m\"%)",
    ['anzol.poll("a", { interval = { min = "1m" } }, print)'] =
      "interval of anzol.poll 'a' needs 'max', as { min = \"5s\", max = \"10m\" }",
    ['anzol.poll("a", { interval = { min = "1ms", max = "1m" } }, print)'] =
      "option 'min' of interval of anzol.poll 'a' must be a duration from 100ms to 366d, got '1ms'",
    ['anzol.poll("a", { interval = "soon" }, print)'] =
      "option 'interval' of anzol.poll 'a' must be a duration %(.*, got 'soon'",
    ['anzol.poll("a", { long = true, interval = "1m" }, print)'] =
      "anzol.poll 'a' has both 'interval' and 'long': a long poll asks again as soon as it was answered "
        .. "%(leave one of them out%)",
    ['anzol.sse("a", { url = "https://x.example", auth = "x" }, print)'] =
      "'auth' of anzol.sse 'a' takes a table of options, got string",
    ['anzol.sse("a", { url = "https://x.example", auth = { barer = "x" } }, print)'] =
      "unknown option 'barer' for 'auth' of anzol.sse 'a' %(did you mean 'bearer'",
    ['anzol.poll("a", { interval = { min = "1m", max = "5m", jitter = 0.6 } }, print)'] =
      "option 'jitter' of interval of anzol.poll 'a' is from 0 to 0.5",
    ['anzol.poll("a", { interval = { min = "1m", max = "5m", grow = 0.5 } }, print)'] =
      "option 'grow' of interval of anzol.poll 'a' is at least 1 and at most 1000",
    ['anzol.poll("a", { interval = "1m", version = ("x"):rep(8065) }, print)'] =
      "option 'version' of anzol.poll 'a' has at most 8064 bytes",
    ['anzol.sse("a", {}, print)'] = "'url' of anzol.sse 'a' must be a string or anzol.secret",
    ['anzol.sse("a", { url = "ftp://x" }, print)'] = "option 'url' of anzol.sse 'a': ",
    ['anzol.sse("a", { url = "https://x.example", timeout = "10ms" }, print)'] =
      "option 'timeout' of anzol.sse 'a' must be a duration from 1s to 1d, got '10ms'",
    ['anzol.poll("a", { interval = "1m", on_error = "10s" }, print)'] =
      "option 'on_error' of anzol.poll 'a' must be one of anzol.backoff, got '10s'",
  }
  for script, message in pairs(wrong) do
    it("says what is wrong with " .. script, function()
      assert.matches(message, rig.message_of(rig.test, script))
    end)
  end
end)
