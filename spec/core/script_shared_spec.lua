-- SPDX-License-Identifier: MIT
-- anzol.cache, limiter, breaker and metric as scripts see them.
local rig = require "core.script_rig"
local script = rig.script

describe("what scripts share", function()
  setup(function() script.quiet(true) end)
  after_each(function()
    script.clock()
    rig.finish()
  end)

  -- Runs the body of a handler whose last expression it emits as JSON.
  local function values(body, load_text)
    local project = rig.project((load_text or "") .. ([[
      anzol.on("**", { name = "main" }, function(event)
        %s
      end)]]):format(body))
    local result = project:run("main", {})
    assert.equal("handled", result.outcome, result.text)
    return result.emits[1] and result.emits[1].body, project
  end

  local function failure(body, load_text)
    local project = rig.project((load_text or "") .. ([[
      anzol.on("**", { name = "main" }, function(event) %s end)]]):format(body))
    local result = project:run("main", {})
    assert.equal("failed", result.outcome)
    return result.text
  end

  describe("a cache", function()
    it("gives back what was put in, integers and null too", function()
      local out = values [[
        local cache = anzol.cache "c"
        cache:set("text", "a\0b")
        cache:set("whole", 1 << 60)
        cache:set("real", 0.1)
        cache:set("yes", true)
        cache:set("null", anzol.json.null)
        cache:set("deep", { list = { 1, 2 }, empty = anzol.json.array() })
        local deep = cache:get "deep"
        event:emit("out", { cache:get "text" == "a\0b", math.type(cache:get "whole"), cache:get "whole",
          cache:get "real", cache:get "yes", anzol.json.is_null(cache:get "null"), deep.list,
          anzol.json.encode(deep.empty), cache:get "nothing" == nil })]]
      assert.equal('[true,"integer",1152921504606846976,0.1,true,true,[1,2],"[]",true]', out)
    end)

    it("adds, counts and deletes", function()
      local out = values [[
        local cache = anzol.cache "c"
        event:emit("out", { cache:add("lock", 1, { ttl = "1m" }), cache:add("lock", 2),
          cache:incr "n", cache:incr("n", 4), cache:delete "n", cache:delete "n" })]]
      assert.equal("[true,false,1,5,true,false]", out)
    end)

    it("counts and adds for the time of a ttl, which a sum does not begin anew", function()
      script.clock(1767225600000)
      local project = rig.project [[
        anzol.on("**", { name = "count" }, function(event)
          local cache = anzol.cache "c"
          event:emit("out", { cache:incr("n", 2, { ttl = "2s" }), cache:add("lock", 1, { ttl = "2s" }) })
        end)]]
      local function count() return project:run("count", {}).emits[1].body end
      assert.equal("[2,true]", count())
      script.advance(1999)
      assert.equal("[4,false]", count())
      script.advance(1)
      assert.equal("[2,true]", count())
    end)

    it("is the same for all handlers and outlives none of its ttl", function()
      script.clock(1767225600000)
      local project = rig.project [[
        anzol.on("put", { name = "put" }, function(event)
          anzol.cache("c"):set("k", "v", { ttl = "2s" })
        end)
        anzol.on("get", { name = "get" }, function(event)
          event:emit("out", { anzol.cache("c"):get "k" or "gone" })
        end)]]
      project:run("put", {})
      assert.equal('["v"]', project:run("get", {}).emits[1].body)
      script.advance(2000)
      assert.equal('["gone"]', project:run("get", {}).emits[1].body)
    end)

    it("works once the scripts serve, not while they load", function()
      local why = rig.refusal 'local anzol = require "anzol" anzol.cache("c"):get "k"'
      assert.matches("cache:get works once the scripts serve, not in 'load'", why)
    end)

    local mistakes = {
      ["takes no nil"] = { 'anzol.cache("c"):set("k", nil)', "cache:set got no value; to remove one" },
      ["names a bad ttl"] = { 'anzol.cache("c"):set("k", 1, { ttl = "soon" })',
        "option 'ttl' of cache:set must be a duration" },
      ["takes no ttl of nothing"] = { 'anzol.cache("c"):set("k", 1, { ttl = 0 })', "at least 1ms" },
      ["names a bad option"] = { 'anzol.cache("c"):set("k", 1, { tll = 1 })', "did you mean 'ttl'" },
      ["counts numbers only"] = { 'anzol.cache("c"):set("k", "x") anzol.cache("c"):incr "k"',
        "what is there under 'k' is no number" },
      ["has keys of a length"] = { 'anzol.cache("c"):get(("x"):rep(513))', "longer than 512 bytes" },
      ["has values of a size"] = { 'anzol.cache("c"):set("k", ("x"):rep(256 * 1024))',
        "takes more than 256 KiB" },
      ["has namespaces of a length"] = { 'anzol.cache(("x"):rep(65))', "1 to 64 bytes" },
    }
    for name, case in pairs(mistakes) do
      it(name, function() assert.matches(case[2], failure(case[1]), 1, true) end)
    end

    it("takes a key and a value of just the longest", function()
      assert.equal("[true]", values [[
        local cache = anzol.cache(("x"):rep(64))
        cache:set(("x"):rep(512), ("y"):rep(256 * 1024 - 1))
        event:emit("out", { #cache:get(("x"):rep(512)) == 256 * 1024 - 1 })]])
    end)
  end)

  describe("a limiter", function()
    it("gives its burst at once, then says how long to wait", function()
      script.clock(1767225600000)
      local out = values([[
        event:emit("out", { limiter:take(), limiter:take(), limiter:take(), select(2, limiter:take()) })]],
        'local limiter = anzol.limiter("api", "10/s", { burst = 3 }) ')
      assert.equal("[true,true,true,0.1]", out)
    end)

    it("is taken from by the number, one second's worth at once unless it says another burst", function()
      script.clock(1767225600000)
      local out = values([[
        event:emit("out", { limiter:take(7), limiter:take(4), select(2, limiter:take(4)), limiter:take(3),
          (limiter:take(0.5)) })]], 'local limiter = anzol.limiter("api", "10/s") ')
      assert.equal("[true,false,0.1,true,false]", out)
    end)

    it("waits for its turn if asked", function()
      local out = values([[
        limiter:take()
        event:emit("out", { limiter:take(1, { wait = true }), limiter:take(1, { wait = true }) })]],
        'local limiter = anzol.limiter("api", "200/s", { burst = 1 }) ')
      assert.equal("[true,true]", out)
    end)

    it("does not wait longer than the job may live", function()
      local out = values([[
        limiter:take()
        local ok, err = limiter:take(1, { wait = true })
        event:emit("out", { ok == nil, err.code, err.retryable, err.retry_after > 3000 })]],
        'local limiter = anzol.limiter("api", "1/h") ')
      assert.equal('[true,"rate_limited",true,true]', out)
    end)

    it("cannot wait where nothing waits", function()
      local project = rig.project [[
        local limiter = anzol.limiter("api", "1/s")
        anzol.on("**", { name = "main", filter = function() return limiter:take(1, { wait = true }) end },
          function() end)]]
      assert.matches("limiter:take cannot wait in 'filter'", project:run("main", {}).text)
    end)

    it("names what is wrong", function()
      assert.matches('must be a count and a time, as "50/s"', rig.refusal
        'local anzol = require "anzol" anzol.limiter("api", "fast")', 1, true)
      assert.matches("option 'burst' of anzol.limiter 'api' is at least 1", rig.refusal
        'local anzol = require "anzol" anzol.limiter("api", "1/s", { burst = 0.5 })', 1, true)
      assert.matches("at most 2.0 at once", failure("limiter:take(3)",
        'local limiter = anzol.limiter("api", "2/s") '), 1, true)
    end)
  end)

  describe("a breaker", function()
    local breaker = 'local breaker = anzol.breaker("geo", { failures = 2, cooldown = "1m" }) '

    it("passes arguments and results through", function()
      assert.equal('[3,"b","a",true]', values([[
        local results = table.pack(breaker:call(function(a, b) return b, a, true end, "a", "b"))
        event:emit("out", { results.n, table.unpack(results) })]], breaker))
    end)

    it("opens after failures: raised, a retryable Error, an answer of 500", function()
      for _, fails in ipairs { "error 'x'", "return nil, { code = 'timeout', retryable = true }",
        "return { status = 503 }", "return false, 'why'" } do
        local out = values(([[
          local calls = 0
          local function try() return breaker:call(function() calls = calls + 1 %s end) end
          pcall(try) pcall(try)
          local result, err = try()
          event:emit("out", { result == nil, err.code, calls, err.retry_after })]]):format(fails),
          breaker)
        assert.matches('^%[true,"circuit_open",2,%d', out, fails)
      end
    end)

    it("counts no success and no mistake of the caller", function()
      for _, passes in ipairs { "return 1", "return", "return nil", "return { status = 404 }",
        "return nil, { code = 'blocked_address', retryable = false }" } do
        local out = values(([[
          for _ = 1, 5 do breaker:call(function() %s end) end
          event:emit("out", { breaker:call(function() return "called" end) })]]):format(passes), breaker)
        assert.equal('["called"]', out, passes)
      end
    end)

    it("lets its function wait", function()
      assert.equal('["done"]', values([[
        event:emit("out", { breaker:call(function() anzol.sleep(0.001) return "done" end) })]], breaker))
    end)

    it("raises what its function raised", function()
      assert.matches("main%.lua:%d+: no such luck", failure(
        "breaker:call(function() error 'no such luck' end)", breaker))
    end)

    it("is shared by its name and tries again after its cooldown", function()
      script.clock(1767225600000)
      local project = rig.project [[
        local function geo() return anzol.breaker("geo", { failures = 1, cooldown = "10s" }) end
        anzol.on("a", { name = "bad" }, function() geo():call(function() return nil, "down" end) end)
        anzol.on("b", { name = "good" }, function(event)
          local ok, err = geo():call(function() return true end)
          event:emit("out", { ok or err.code })
        end)]]
      project:run("bad", {})
      assert.equal('["circuit_open"]', project:run("good", {}).emits[1].body)
      script.advance(10000)
      assert.equal("[true]", project:run("good", {}).emits[1].body)
      assert.equal("[true]", project:run("good", {}).emits[1].body)
    end)

    it("forgets failures behind its window, and lets as many probes in as half_open says", function()
      script.clock(1767225600000)
      local project = rig.project [[
        local function geo(n)
          return anzol.breaker("geo" .. n, { failures = 2, window = "5s", cooldown = "10s", half_open = n })
        end
        local function down() return nil, "down" end
        anzol.on("fail", { name = "fail" }, function() for n = 1, 2 do geo(n):call(down) end end)
        anzol.on("nest", { name = "nest" }, function(event)
          local got = {}
          for n = 1, 2 do
            local ok, err = geo(n):call(function()
              local inner, why = geo(n):call(function() return "both" end)
              return inner or why.code
            end)
            got[n] = ok or err.code
          end
          event:emit("out", got)
        end)]]
      local function nest() return project:run("nest", {}).emits[1].body end
      project:run("fail", {})
      script.advance(5001)
      project:run("fail", {})
      assert.equal('["both","both"]', nest())
      project:run("fail", {})
      assert.equal('["circuit_open","circuit_open"]', nest())
      script.advance(10000)
      assert.equal('["circuit_open","both"]', nest())
    end)

    it("opens with five failures in half a minute, for a minute, if it says nothing else", function()
      script.clock(1767225600000)
      local project = rig.project [[
        local geo = anzol.breaker "geo"
        anzol.on("**", { name = "fail" }, function() geo:call(function() return nil, "down" end) end)
        anzol.on("**", { name = "ask" }, function(event)
          local ok, err = geo:call(function()
            local _, inner = geo:call(function() return true end)
            return inner and inner.code or "both"
          end)
          event:emit("out", { ok or err.code })
        end)]]
      local function fail(times) for _ = 1, times do project:run("fail", {}) end end
      local function ask() return project:run("ask", {}).emits[1].body end
      fail(4)
      script.advance(30001)
      fail(4)
      assert.equal('["both"]', ask())
      fail(5)
      assert.equal('["circuit_open"]', ask())
      script.advance(59999)
      assert.equal('["circuit_open"]', ask())
      script.advance(1)
      assert.equal('["circuit_open"]', ask(), "one probe at a time, which asks itself")
      assert.equal('["both"]', ask())
    end)

    it("names what is wrong", function()
      assert.matches("option 'failures' of anzol.breaker 'geo' must be an integer from 1 to 100",
        rig.refusal 'local anzol = require "anzol" anzol.breaker("geo", { failures = 101 })', 1, true)
      assert.matches("did you mean 'cooldown'",
        rig.refusal 'local anzol = require "anzol" anzol.breaker("geo", { cool_down = 1 })', 1, true)
    end)
  end)

  describe("metrics", function()
    local function metrics(body, load_text)
      local _, project = values(body, load_text)
      return project:metrics()
    end

    it("count, stand and are observed, by label sets", function()
      local text = metrics [[
        anzol.metric.counter("orders_total", { country = "pt" }):inc()
        anzol.metric.counter("orders_total", { country = "pt" }):inc(2.5)
        anzol.metric.counter("orders_total", { country = 'a"b\\c' .. "\n" }):inc()
        anzol.metric.gauge("depth"):set(7)
        anzol.metric.gauge("depth"):inc(-3)
        local h = anzol.metric.histogram("size", { kind = true, a = 1 }, { buckets = { 1, 10 } })
        h:observe(0.5) h:observe(1) h:observe(7) h:observe(100)]]
      assert.equal([[
# TYPE depth gauge
depth 4
# TYPE orders_total counter
orders_total{country="pt"} 3.5
orders_total{country="a\"b\\c\n"} 1
# TYPE size histogram
size_bucket{a="1",kind="true",le="1"} 2
size_bucket{a="1",kind="true",le="10"} 3
size_bucket{a="1",kind="true",le="+Inf"} 4
size_sum{a="1",kind="true"} 108.5
size_count{a="1",kind="true"} 4
]], text)
    end)

    it("stop at 100 label sets of a name", function()
      local text = metrics [[
        for i = 1, 101 do anzol.metric.counter("n", { i = i }):inc() end]]
      assert.equal(100, select(2, text:gsub("n{i=", "")))
      assert.is_truthy(text:find('i="100"', 1, true))
      assert.is_nil(text:find('i="101"', 1, true))
    end)

    local mistakes = {
      ["have names"] = { 'anzol.metric.counter("Orders")', "bad name 'Orders' for anzol.metric.counter" },
      ["have names of a length"] = { 'anzol.metric.gauge(("x"):rep(65))', "at most 64" },
      ["have at most ten labels"] = { [[
        local l = {} for i = 1, 11 do l["l" .. i] = i end anzol.metric.gauge("g", l)]],
        "at most 10 labels" },
      ["have labels of a size"] = { 'anzol.metric.gauge("g", { a = ("x"):rep(1025) })', "1024 bytes" },
      ["have one kind"] = { 'anzol.metric.gauge("g"):set(1) anzol.metric.counter("g"):inc()',
        "metric 'g' is of another kind" },
      ["only grow as counters"] = { 'anzol.metric.counter("c"):inc(-1)', "counter 'c' only grows" },
      ["take finite numbers"] = { 'anzol.metric.gauge("g"):set(0/0)', "takes a finite number" },
      ["have their own methods"] = { 'anzol.metric.counter("c"):observe(1)',
        "metric:observe is for histograms" },
      ["have ascending buckets"] = { 'anzol.metric.histogram("h", nil, { buckets = { 2, 1 } })',
        "ascending numbers" },
      ["have a number of buckets"] = { [[
        local b = {} for i = 1, 33 do b[i] = i end anzol.metric.histogram("h", nil, { buckets = b })]],
        "1 to 32 numbers" },
      ["are at most 200"] = { 'for i = 1, 201 do anzol.metric.gauge("g" .. i):set(1) end',
        "more than 200 metrics" },
    }
    for name, case in pairs(mistakes) do
      it(name, function() assert.matches(case[2], failure(case[1]), 1, true) end)
    end
  end)
end)
