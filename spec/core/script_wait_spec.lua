-- SPDX-License-Identifier: MIT
-- Waiting wherever Lua lets it: in coroutines of the script's own, iterators, metamethods
-- (core/script/strand.c, bind_coroutine.c).
local rig = require "core.script_rig"
local script = rig.script

-- Runs the body as a handler that must end well.
local function handled(body)
  local result = rig.run(body)
  assert.equal("", result.text)
  assert.equal("handled", result.outcome)
end

describe("a wait", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local places = {
    ["coroutine.wrap"] = "coroutine.wrap(function() anzol.sleep(0) end)()",
    ["coroutine.resume"] = [[
      local co = coroutine.create(function(a) anzol.sleep(0) return a + 1 end)
      local ok, value = coroutine.resume(co, 41)
      assert(ok and value == 42 and coroutine.status(co) == "dead")]],
    ["coroutines within coroutines"] = [[
      local function f(n)
        if n == 0 then anzol.sleep(0) return 7 end
        local ok, value = coroutine.resume(coroutine.create(f), n - 1)
        return ok and coroutine.wrap(function(x) anzol.sleep(0) return x end)(value)
      end
      assert(f(30) == 7)]],
    ["pcall"] = [[
      local ok, why = pcall(function() anzol.sleep(0) error("after", 0) end)
      assert(not ok and why == "after")]],
    ["xpcall and its handler"] = [[
      local ok, why = xpcall(function() anzol.sleep(0) error("x", 0) end, function(m) return m .. "!" end)
      assert(not ok and why == "x!")]],
    ["an iterator"] = [[
      local sum = 0
      for i in function(_, i) anzol.sleep(0) i = (i or 0) + 1 if i < 4 then return i end end do sum = sum + i end
      assert(sum == 6)]],
    ["__index"] = [[
      local t = setmetatable({}, { __index = function(_, k) anzol.sleep(0) return k end })
      assert(t.a == "a" and t[5] == 5)]],
    ["__newindex"] = [[
      local t = setmetatable({}, { __newindex = function(t, k, v) anzol.sleep(0) rawset(t, k, v) end })
      t.a = 1 assert(rawget(t, "a") == 1)]],
    ["__lt, __le, __eq"] = [[
      local function later(x) return function() anzol.sleep(0) return x end end
      local meta = { __lt = later(true), __le = later(false), __eq = later(true) }
      local a, b = setmetatable({}, meta), setmetatable({}, meta)
      assert(a < b and not (a <= b) and a == b)]],
    ["__add, __concat, __unm, __len"] = [[
      local function later(x) return function() anzol.sleep(0) return x end end
      local t = setmetatable({}, { __add = later(1), __concat = later("c"), __unm = later(-1), __len = later(9) })
      assert(t + 1 == 1 and "a" .. t == "c" and -t == -1 and #t == 9)]],
    ["__call"] = [[
      assert(setmetatable({}, { __call = function(_, x) anzol.sleep(0) return x end })(3) == 3)]],
    ["__close"] = [[
      local closed
      do local x <close> = setmetatable({}, { __close = function() anzol.sleep(0) closed = true end }) end
      assert(closed)]],
    ["__pairs"] = [[
      local t = setmetatable({}, { __pairs = function() anzol.sleep(0) return next, { a = 1 } end })
      for k, v in pairs(t) do assert(k == "a" and v == 1) end]],
    ["a loaded chunk"] = [[
      assert(load("local sleep = ... sleep(0) return 5")(anzol.sleep) == 5)]],
    ["a tail call"] = "local function f() return anzol.sleep(0) end return f()",
    ["varargs and multiple results"] = [[
      local function f(...) anzol.sleep(0) return ... end
      local t = table.pack(f(1, nil, 3))
      assert(t.n == 3 and t[1] == 1 and t[3] == 3)]],
  }
  for name, body in pairs(places) do
    it("works in " .. name, function() handled(body) end)
    it("works in " .. name .. " within a coroutine", function()
      handled(("coroutine.wrap(function() %s end)()"):format(body))
    end)
  end

  it("leaves the script's own yields alone", function()
    handled [[
      local seen = {}
      local gen = coroutine.wrap(function(first)
        seen[#seen + 1] = first
        for i = 1, 3 do
          anzol.sleep(0)
          seen[#seen + 1] = coroutine.yield(i, "y" .. i)
          anzol.sleep "1ms"
        end
        return "end"
      end)
      for i = 1, 3 do
        local a, b = gen("in" .. i)
        assert(a == i and b == "y" .. i)
        anzol.sleep(0)
      end
      assert(gen("in4") == "end")
      assert(table.concat(seen, ",") == "in1,in2,in3,in4")]]
  end)

  it("fails in a coroutine as stock Lua does", function()
    handled [[
      local co = coroutine.create(function() anzol.sleep(0) error { code = 5 } end)
      local ok, why = coroutine.resume(co)
      assert(not ok and why.code == 5 and coroutine.status(co) == "dead")
      assert(select(2, coroutine.resume(co)) == "cannot resume dead coroutine")
      local closed
      ok, why = pcall(coroutine.wrap(function()
        local x <close> = setmetatable({}, { __close = function() closed = true end })
        anzol.sleep(0)
        error "late"
      end))
      assert(not ok and closed and why:match "^scripts/main.lua:%d+: late$", why)]]
  end)

  it("is told by name where stock Lua cannot yield", function()
    local result = rig.run [[
      local function why(f, ...) return (select(2, pcall(f, ...))) end
      local sleeper = setmetatable({}, { __tostring = function() anzol.sleep(0) return "" end })
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function() anzol.sleep(0) end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      local texts = {
        why(table.sort, { 2, 1 }, function() anzol.sleep(0) end),
        why(string.gsub, "x", "x", function() anzol.sleep(0) end),
        why(tostring, sleeper),
        select(2, coroutine.close(co)),
        why(table.sort, { 2, 1 }, coroutine.wrap(function() anzol.sleep(0) end)),
      }
      for i = 1, 5 do
        assert(texts[i]:match("anzol.sleep cannot wait inside a callback %(table.sort, string.gsub, "
          .. "__tostring, require, coroutine.close%)"), i .. tostring(texts[i]))
      end]]
    assert.equal("", result.text)
  end)

  it("is told by name in the body of a module that a handler requires", function()
    local project = rig.load { files = {
      ["lua/slow.lua"] = 'require("anzol").sleep(0)',
      ["scripts/main.lua"] = 'require("anzol").on("**", { name = "main" }, function() require "slow" end)',
    } }
    assert.matches("anzol.sleep cannot wait inside a callback", project:run("main", {}).text)
  end)

  it("is told where it works, from each phase that cannot wait", function()
    local project = rig.project [[
      anzol.source("s", { verify = anzol.verify.none(), type = function() anzol.sleep(1) end })
      anzol.source("k", { verify = anzol.verify.none(), idempotency_key = function() anzol.sleep(1) end })
      anzol.endpoint("crm", { url = "https://crm.example/", sign = false,
        transform = function() anzol.sleep(1) end, retry = function() anzol.sleep(1) end })
      anzol.on("**", { name = "main", filter = function() anzol.sleep(1) end }, function() end)
    ]]
    local list = "Waiting works in: verify, challenge, respond, handler, cron, every, poll, sse, init%."
    local function is_told(phase, subject, text)
      local head = ("anzol.sleep cannot wait in '%s' (%s, scripts/main.lua:"):format(phase, subject)
      assert.is_truthy(text:find(head, 1, true), text)
      assert.matches(list, text)
    end
    is_told("type", 'source "s"', project:admit("s", {}).reason)
    is_told("idempotency_key", 'source "k"', project:admit("k", {}).reason)
    is_told("filter", 'subscription "main"', project:run("main", {}).text)
    is_told("transform", 'endpoint "crm"', project:transform("crm", {}).err)
    is_told("load", 'script "scripts/main.lua"', (rig.refusal "anzol.sleep(1)"):gsub("'load'%.",
      "'load' (script \"scripts/main.lua\", scripts/main.lua:"))
  end)

  it("of no time at all, again and again, lets others go on", function()
    local project = rig.project [[
      anzol.on("**", { name = "again" }, function() while true do anzol.sleep(0) end end)
      anzol.on("**", { name = "quick" }, function() anzol.sleep "2ms" end)
    ]]
    local again, quick = project:start("again", {}), project:start("quick", {})
    while not quick.outcome do project:turn() end
    assert.equal("handled", quick.outcome)
    assert.is_nil(again.outcome)
    project:cancel_all()
  end)

  it("takes what is too long for the deadline to the deadline, in a coroutine too", function()
    local project = rig.project [[
      anzol.on("**", { name = "main", deadline = "30ms" }, function()
        coroutine.wrap(function() for i = 1, 1e9 do anzol.sleep "7ms" end end)()
      end)
    ]]
    local result = project:run("main", {})
    assert.equal("failed", result.outcome)
    assert.matches("'handler' went over its time limit of 30 ms", result.text)
  end)
end)

describe("a coroutine that waits", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  -- main waits in a coroutine that look can reach.
  local function project_with(look)
    return rig.project(([[
      local co, own
      anzol.on("**", { name = "main" }, function()
        own = coroutine.running()
        co = coroutine.create(function() anzol.sleep "20ms" return 1 end)
        local ok, value = coroutine.resume(co)
        assert(ok and value == 1)
      end)
      anzol.on("**", { name = "look" }, function() %s end)
    ]]):format(look))
  end

  it("is not to be resumed or closed by anybody else", function()
    local project = project_with [[
      assert(coroutine.status(co) == "normal" and coroutine.status(own) == "normal")
      for _, it in ipairs { co, own } do
        local ok, why = coroutine.resume(it)
        assert(not ok and why:match "cannot resume a coroutine that waits", why)
        ok, why = pcall(coroutine.close, it)
        assert(not ok and why:match "cannot close a coroutine that waits", why)
      end]]
    local main = project:start("main", {})
    assert.equal("", project:run("look", {}).text)
    assert.equal("", main.text)
  end)

  it("says so when its job is over", function()
    local project = project_with [[
      local ok, why = coroutine.resume(co)
      assert(not ok and why:match "whose job ended while it waited", why)
      assert(select(2, coroutine.resume(own)) == "cannot resume dead coroutine")]]
    project:start("main", {})
    project:cancel_all()
    assert.equal("", project:run("look", {}).text)
  end)

  it("that was kept past its job runs for whoever resumes it", function()
    local project = rig.project [[
      local co
      anzol.on("**", { name = "main" }, function(event)
        co = coroutine.create(function()
          coroutine.yield()
          anzol.sleep(0)
          return pcall(function() event:send "out" end)
        end)
        coroutine.resume(co)
      end)
      anzol.endpoint("out", { url = "https://out.example/", sign = false })
      anzol.on("**", { name = "filter", filter = function() error(select(2, coroutine.resume(co)), 0) end },
        function() end)
      anzol.on("**", { name = "other" }, function()
        local ok, sent, why = coroutine.resume(co)
        assert(ok and not sent, why)
        error(why, 0)
      end)
    ]]
    assert.equal("", project:run("main", {}).text)
    assert.matches("handler is over", project:run("other", {}).text)
    assert.equal("", project:run("main", {}).text)
    assert.matches("anzol.sleep cannot wait in 'filter'", project:run("filter", {}).text)
  end)

  it("goes with its job, by limit or by memory, however deep it is", function()
    local project = rig.project [[
      anzol.on("**", { name = "deep", deadline = "20ms" }, function()
        local function f(n)
          local x <close> = setmetatable({}, { __close = function() while true do end end })
          if n == 0 then anzol.sleep "1h" end
          pcall(coroutine.wrap(f), n - 1)
        end
        while true do pcall(f, 20) end
      end)
      anzol.on("**", { name = "fine" }, function() end)
    ]]
    local from = script.cpu_ns()
    assert.matches("over its time limit of 20 ms", project:run("deep", {}).text)
    assert.is_true((script.cpu_ns() - from) / 1e6 < 100 * rig.patience)
    assert.equal("handled", project:run("fine", {}).outcome)
  end)
end)

describe("coroutines outside of jobs", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("are as ever: while files load, in filters, in what does not wait", function()
    local project = rig.project [[
      local function sum()
        local s = 0
        for v in coroutine.wrap(function() for i = 1, 4 do coroutine.yield(i) end end) do s = s + v end
        return s
      end
      assert(sum() == 10 and not coroutine.isyieldable() and select(2, coroutine.running()))
      anzol.endpoint("crm", { url = "https://crm.example/", sign = false,
        transform = function() assert(sum() == 10) return anzol.skip "fine" end })
      anzol.on("**", { name = "main", filter = function() return sum() == 10 end }, function()
        assert(coroutine.isyieldable() and not select(2, coroutine.running()))
        assert(sum() == 10)
      end)
    ]]
    assert.equal("handled", project:run("main", {}).outcome)
    assert.is_true(project:transform("crm", {}).is_skipped)
  end)

  it("give back errors, values and states as stock Lua does", function()
    local body = [[
      local function check(...) return select("#", ...), ... end
      local co = coroutine.create(function(...)
        assert(select("#", ...) == 3)
        local n, a = check(coroutine.yield(nil, 2, nil))
        assert(n == 2 and a == "x")
        return nil, nil
      end)
      assert(coroutine.status(co) == "suspended")
      local n, ok, a, b, c = check(coroutine.resume(co, nil, nil, nil))
      assert(n == 4 and ok and a == nil and b == 2 and c == nil)
      n, ok = check(coroutine.resume(co, "x", nil))
      assert(n == 3 and ok and coroutine.status(co) == "dead")
      assert(select(2, coroutine.resume(co)) == "cannot resume dead coroutine")
      local self
      self = coroutine.wrap(function()
        local me = coroutine.running()
        assert(coroutine.status(me) == "running")
        assert(select(2, coroutine.resume(me)) == "cannot resume non-suspended coroutine")
        return pcall(self)
      end)
      local fine, why = self()
      assert(not fine and why:match "cannot resume non%-suspended coroutine$", why)
      local closing = coroutine.create(function() local x <close> = setmetatable({}, { __close = function(_, e)
        assert(e == nil) error("from close", 0) end }) coroutine.yield() end)
      coroutine.resume(closing)
      fine, why = coroutine.close(closing)
      assert(not fine and why == "from close" and coroutine.status(closing) == "dead")
      assert(coroutine.close(coroutine.create(print)))
      fine, why = pcall(coroutine.resume, 5)
      assert(not fine and why:match "bad argument #1 to .*%(coroutine expected", why)
      fine, why = pcall(coroutine.create, 5)
      assert(not fine and why:match "function expected, got number", why)
      fine, why = pcall(function() coroutine.wrap(function() error { 7 } end)() end)
      assert(not fine and why[1] == 7)
      local many = coroutine.wrap(function(...) return ... end)
      assert(select("#", many(table.unpack({}, 1, 5000))) == 5000)]]
    assert.equal("", rig.run(body).text)
    assert.is_truthy(rig.project(body))
  end)
end)

describe("a coroutine that computes", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("lets others run meanwhile, and has the right sum", function()
    local project = rig.project [[
      local ticks = 0
      anzol.on("**", { name = "sum" }, function()
        local before = ticks
        local function sum_of(n)
          local sum = 0
          for i = 1, n do sum = sum + (pcall(math.abs, i) and i or 0) end
          coroutine.yield(sum)
          return sum
        end
        local nested = coroutine.wrap(function()
          local inner = coroutine.wrap(sum_of)
          return inner(1000000), inner()
        end)
        local a, b = nested()
        assert(a == 500000500000 and b == a, a)
        assert(ticks > before + 3, "nobody else ran: " .. ticks - before)
      end)
      anzol.on("**", { name = "ticks" }, function(event)
        for i = 1, 40 do anzol.sleep "1ms" ticks = ticks + 1 end
      end)
    ]]
    project:start("ticks", {})
    local a, b = project:start("sum", {}), project:start("sum", {})
    project:wait()
    assert.equal("", a.text .. b.text)
  end)

  it("is stopped at the limit of its job while others get their turns", function()
    local project = rig.project [[
      anzol.on("**", { name = "loop" }, function() coroutine.wrap(function() while true do end end)() end)
      anzol.on("**", { name = "quick" }, function() anzol.sleep "2ms" end)
    ]]
    local loop = project:start("loop", {})
    local quick = project:start("quick", {})
    while not quick.outcome do project:turn() end
    assert.is_nil(loop.outcome)
    project:wait()
    assert.matches("went over its CPU limit", loop.text)
  end)

  it("is not interrupted where a yield would not get through", function()
    handled [[
      local sum = 0
      table.sort({ 3, 2, 1 }, function(a, b)
        sum = sum + coroutine.wrap(function() local s = 0 for i = 1, 500000 do s = s + 1 end return s end)()
        return a < b
      end)
      assert(sum % 500000 == 0 and sum > 0)]]
  end)
end)
