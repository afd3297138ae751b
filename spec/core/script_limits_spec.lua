-- SPDX-License-Identifier: MIT
-- A bad script hurts only itself: the limits of each phase (core/script/budget.c, state.c, guard.c).
local rig = require "core.script_rig"
local script = rig.script

describe("the limits of scripts", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local cpu_ms = 500 * rig.patience

  -- Every way that is known to hold on to the processor.
  local loops = {
    ["a plain loop"] = "while true do end",
    ["a loop around pcall"] = "while true do pcall(function() while true do end end) end",
    ["pcall of error"] = "while true do pcall(error, 'x') end",
    ["a coroutine"] = "coroutine.wrap(function() while true do end end)()",
    ["nested coroutines"] = [[
      local function f(n)
        local co = coroutine.wrap(function() if n > 0 then f(n - 1) end while true do end end)
        while true do pcall(co) end
      end
      f(20)]],
    ["a coroutine in a loop of pcall and resume"] = [[
      while true do pcall(coroutine.resume, coroutine.create(function() while true do end end)) end]],
    ["coroutine.close"] = [[
      while true do
        local co = coroutine.create(function()
          local x <close> = setmetatable({}, { __close = function() while true do end end })
          coroutine.yield()
        end)
        coroutine.resume(co)
        pcall(coroutine.close, co)
      end]],
    ["a wrapped coroutine that closes when it fails"] = [[
      while true do pcall(coroutine.wrap(function()
        local x <close> = setmetatable({}, { __close = function() while true do end end })
        error "x"
      end)) end]],
    ["a __close handler"] = [[
      local x <close> = setmetatable({}, { __close = function() while true do end end })]],
    ["a __close handler in a loop of pcall"] = [[
      while true do pcall(function()
        local x <close> = setmetatable({}, { __close = function() while true do end end })
      end) end]],
    ["an xpcall handler"] = "xpcall(function() while true do end end, function() while true do end end)",
    ["an xpcall handler of its own error"] = "xpcall(error, function() while true do end end)",
    ["a metamethod"] = "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
    ["a __tostring of the error"] = [[
      error(setmetatable({}, { __tostring = function() while true do end end }))]],
    ["a comparator"] = "table.sort({ 1, 2, 3 }, function(a, b) while true do end end)",
    ["a replacement"] = "(('x'):rep(9)):gsub('x', function() while true do end end)",
    ["an iterator"] = "for _ in function() return 1 end do end",
    ["loaded code"] = "load('while true do end')()",
    ["tail calls"] = "local function f() return f() end f()",
    ["a goto"] = "::again:: goto again",
  }
  -- In verify they are a job, as a handler is but with a shorter limit; in filter a plain call.
  for name, body in pairs(loops) do
    it("stop " .. name, function()
      local project = rig.project(([[
        anzol.source("s", { verify = function() %s end })
        anzol.on("**", { name = "main", filter = function() %s end }, function() end)
      ]]):format(body, body))
      local from = script.cpu_ns()
      local verified = project:admit("s", {})
      local result = project:run("main", {})
      local spent_ms = (script.cpu_ns() - from) / 1e6
      assert.equal("error", verified.outcome)
      assert.equal("failed", result.outcome)
      local limit = "went over its CPU limit of " .. 10 * rig.patience .. " ms"
      assert.matches("^scripts/main%.lua:%d+: 'verify' " .. limit, verified.reason)
      assert.matches("^scripts/main%.lua:%d+: 'filter' " .. limit, result.text)
      assert.is_true(spent_ms < 120 * rig.patience, spent_ms .. " ms")
    end)
  end

  it("stop a handler that loops, with its place and traceback", function()
    local from = script.cpu_ns()
    local result = rig.run "while true do end"
    assert.equal("failed", result.outcome)
    assert.matches("^scripts/main%.lua:3: 'handler' went over its CPU limit of " .. cpu_ms .. " ms",
      result.text)
    assert.matches("stack traceback:\n\tscripts/main%.lua:3: in function", result.text)
    assert.is_true((script.cpu_ns() - from) / 1e6 < cpu_ms + 100 * rig.patience)
  end)

  it("stop what closes a handler that failed", function()
    local from = script.cpu_ns()
    local result = rig.run [[
      local x <close> = setmetatable({}, { __close = function() while true do end end })
      error "go"]]
    assert.matches("go", result.text)
    assert.is_true(script.cpu_ns() - from < (cpu_ms + 100 * rig.patience) * 1e6)
  end)

  it("stop pcalls inside pcalls, by memory or by time", function()
    assert.matches("'handler' went over its", rig.run(
      "local function f() while true do pcall(f) end end f()").text)
  end)

  it("let others run meanwhile", function()
    local project = rig.project [[
      anzol.on("**", { name = "loop" }, function() while true do end end)
      anzol.on("**", { name = "quick" }, function() end)
      anzol.on("**", { name = "ticks" }, function() for i = 1, 20 do anzol.sleep "1ms" end end)
    ]]
    local loop = project:start("loop", {})
    assert.is_nil(loop.outcome)
    assert.equal("handled", project:start("quick", {}).outcome)
    local ticks = project:start("ticks", {})
    project:wait()
    assert.equal("handled", ticks.outcome)
    assert.equal("failed", loop.outcome)
    assert.equal("handled", project:run("quick", {}).outcome)
  end)

  it("keep the right sum in a handler that others interrupted", function()
    local project = rig.project [[
      anzol.on("**", { name = "sum" }, function()
        local sum = 0
        for i = 1, 3000000 do sum = sum + (pcall(math.abs, i) and i or 0) end
        assert(sum == 3000000 * 3000001 // 2)
      end)
    ]]
    local a, b = project:start("sum", {}), project:start("sum", {})
    project:wait()
    assert.equal("", a.text .. b.text)
  end)

  it("leave the state usable after every kill", function()
    local project = rig.project [[
      anzol.on("**", { name = "loop" }, function() while true do end end)
      anzol.on("**", { name = "hog" }, function() local t = {} for i = 1, 1e9 do t[i] = { i } end end)
      anzol.on("**", { name = "fine" }, function(event) return event.data.x end)
    ]]
    for _ = 1, 3 do
      assert.equal("failed", project:run("loop", {}).outcome)
      assert.equal("failed", project:run("hog", {}).outcome)
      for _ = 1, 100 do assert.equal("handled", project:run("fine", {}).outcome) end
    end
  end)

  local hogs = {
    ["a table"] = "local t = {} for i = 1, 1e9 do t[i] = { i } end",
    ["strings"] = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
    ["one long string"] = "local s = 'x' while true do s = s .. s end",
    ["closures"] = "local t = {} for i = 1, 1e9 do t[i] = function() return i end end",
    ["a pcall around it"] = "while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = { i } end end) end",
    ["string.rep"] = "return ('x'):rep(32 << 20)",
    ["deep tables of JSON"] = "return anzol.json.decode('[' .. ('[1],'):rep(500000) .. '1]')",
  }
  for name, body in pairs(hogs) do
    it("stop a job that eats memory with " .. name, function()
      local result = rig.run(body)
      assert.equal("failed", result.outcome)
      assert.matches("memory", result.text)
    end)
  end

  it("end the job that holds most when the state is full, not the one that asks", function()
    local project = rig.project [[
      anzol.on("**", { name = "hold" }, function(event)
        local kept = {}
        for i = 1, event.data do kept[i] = ("x"):rep(1 << 20) end
        anzol.sleep "1h"
        return kept
      end)
      anzol.on("**", { name = "ask" }, function()
        local kept = {}
        for i = 1, 8 do kept[i] = ("x"):rep(1 << 20) end
        anzol.sleep "1ms"
      end)
    ]]
    local held = {}
    for i, size in ipairs { 12, 14, 13, 12, 9 } do
      held[i] = project:start("hold", { body = tostring(size) })
    end
    local ask = project:start("ask", {})
    while not ask.outcome do project:turn() end
    assert.equal("handled", ask.outcome)
    assert.equal("failed", held[2].outcome)
    assert.matches("memory", held[2].text)
    for _, i in ipairs { 1, 3, 4, 5 } do assert.is_nil(held[i].outcome) end
    project:cancel_all()
  end)

  it("let a job make much garbage", function()
    assert.equal("handled", rig.run [[
      for i = 1, 30000 do local s = ('x'):rep(4000) .. i end ]].outcome)
  end)

  it("end deep recursion with an error", function()
    for _, body in ipairs {
      "local function f() return 1 + f() end f()",
      "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k .. 'x'] end return t.a",
      "local function f() return string.gsub('x', 'x', f) end f()",
      "local function f() return select(2, pcall(f)) end error(tostring(f()))",
      "local s = ('('):rep(300) .. ('0') .. (')'):rep(300) assert(load('return ' .. s))",
    } do
      assert.equal("failed", rig.run(body).outcome)
    end
  end)

  -- What lies below costs a walk there, which Lua's own traceback makes some thirty times.
  it("tell the first levels of a deep stack, in an error and to the script", function()
    local recursion = "local function f(n) if n == 0 then %s end return 1 + f(n - 1) end return f(%d)"
    local cases = {
      { call = 'error "too deep"', depth = 500, told = "\n\t%.%.%.\t%(skipping %d+ levels%)\n" },
      { call = 'error "too deep"', depth = 5000, told = "\n\t%.%.%.\t%(more than 1000 levels%)$" },
      { call = "error(debug.traceback('too deep'), 0)", depth = 5000,
        told = "\n\t%.%.%.\t%(more than 1000 levels%)\n" },
    }
    for _, case in ipairs(cases) do
      local result = rig.run(recursion:format(case.call, case.depth))
      assert.matches("too deep\n.*stack traceback:\n.*\n\tscripts/main%.lua:%d+: in upvalue 'f'\n",
        result.text)
      assert.matches(case.told, result.text)
    end
  end)

  local long_calls = {
    ["table.move"] = "table.move({}, 1, 1 << 60, 1, {})",
    ["table.unpack"] = "table.unpack({}, 1, 1 << 60)",
    ["table.concat"] = "table.concat(setmetatable({}, { __index = rawequal }), '', 1, 1 << 60)",
    ["table.insert"] = "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)",
    ["table.remove"] = "table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)",
    ["table.sort"] = "table.sort(setmetatable({}, { __len = function() return 1 << 30 end }), rawequal)",
  }
  for name, body in pairs(long_calls) do
    it("refuse " .. name .. " of huge lengths", function()
      local from = script.now_ns()
      local result = rig.run(body)
      assert.equal("failed", result.outcome)
      assert.is_true(script.now_ns() - from < 1e9 * rig.patience)
    end)
  end

  it("take string.rep of nothing for nothing", function()
    assert.equal("handled", rig.run("assert((''):rep(1 << 60) == '')").outcome)
  end)

  it("bound the coroutines of a job", function()
    assert.matches("more than 1000 coroutines", rig.run [[
      local t = {} for i = 1, 1001 do t[i] = coroutine.create(print) end ]].text)
    assert.equal("handled", rig.run [[
      local t = {} for i = 1, 1000 do t[i] = coroutine.create(print) end ]].outcome)
  end)

  it("hold for filter, type, verify, retry and transform", function()
    local project = rig.project [[
      local function loop() while true do pcall(error) end end
      anzol.source("typed", { verify = anzol.verify.none(), type = loop })
      anzol.source("keyed", { verify = anzol.verify.none(), idempotency_key = loop })
      anzol.source("verified", { verify = loop })
      anzol.endpoint("e", { url = "https://e.example", sign = false, retry = loop, transform = loop })
      anzol.on("**", { name = "filter", filter = loop }, function() end)
    ]]
    local function expect(phase, cpu, text)
      assert.matches(("'%s' went over its CPU limit of %d ms"):format(phase, cpu * rig.patience), text)
    end
    local typed = project:admit("typed", {})
    assert.equal("untyped", typed.outcome)
    expect("type", 10, typed.reason)
    expect("idempotency_key", 10, project:admit("keyed", {}).reason)
    local verified = project:admit("verified", {})
    assert.equal("error", verified.outcome)
    expect("verify", 10, verified.reason)
    expect("filter", 10, project:run("filter", {}).text)
    assert.is_true(project:retry("e", { number = 1, status = 500 }).is_default)
    local transformed = project:transform("e", {})
    assert.equal("limit", transformed.status)
    expect("transform", 50, transformed.err)
  end)

  it("let no lack of memory end the process, wherever it comes", function()
    local project = rig.project [[
      anzol.source("c", { verify = anzol.verify.none(), type = function(req) return req.json.t end,
        idempotency_key = function(req) return req.headers.x .. "k" end })
      anzol.source("lua", { verify = function(req) return #req.body > 0 and req.query ~= nil end })
      anzol.endpoint("e", { url = "https://e.example", sign = false,
        retry = function(attempt) return #tostring(attempt.number) end,
        transform = function(message) message.json.a = 2 return message end })
      anzol.on("**", { name = "main", filter = function(event) return event.data.t ~= nil end },
        function(event)
          event.log.debug("x", { y = 1 })
          event:send({ "e" }, { json = { event.data, "text" .. event.id } }, { idempotency_key = "k" })
          event:emit("a.b", event.data)
          error(setmetatable({}, { __tostring = function() return "end" .. event.id end }))
        end)
    ]]
    local body, headers = '{"t":"a.b","u":[1,2,{"v":"w"}]}', { { "x", "1" }, { ":query", "a=b" } }
    local hooks = {
      function() return project:admit("c", { body = body, headers = headers }).outcome == "ok" end,
      function() return project:admit("lua", { body = body, headers = headers }).outcome == "ok" end,
      function() return project:run("main", { body = body }).text:find "^endevt_" ~= nil end,
      function() return project:transform("e", { body = '{"a":1}' }).status == "ok" end,
      function() return not project:retry("e", { number = 1 }).is_default end,
    }
    local failures = 0
    for _, hook in ipairs(hooks) do
      local bytes = 0
      repeat
        project:memory(bytes)
        local ok = hook()
        project:memory()
        bytes, failures = bytes + 24, failures + (ok and 0 or 1)
        assert.is_true(bytes < 1 << 20)
      until ok
      assert.is_true(hook())
    end
    assert.is_true(failures > 100)
  end)

  it("are an error of loading for a file that loops or eats memory", function()
    local why = rig.refusal "while true do end"
    assert.matches("^scripts/main%.lua:1: 'load' went over its ", why)
    assert.matches(("limit of %d ms"):format(1000 * rig.patience), why)
    assert.matches("'load' went over its memory limit of 64 MiB",
      rig.refusal "local t = {} for i = 1, 1e9 do t[i] = { i } end")
  end)
end)

describe("the sandbox", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("keeps ordinary Lua", function()
    assert.equal("handled", rig.run([[
      assert(("x"):upper() == "X" and #table.pack(1, 2) == 2 and math.type(1) == "integer")
      assert(utf8.char(228) == "ä" and type(os.time()) == "number" and os.date("!%Y", 0) == "1970")
      assert(type(debug.traceback()) == "string" and debug.getinfo(1).currentline > 0)
      assert(load("return 1 + 1")() == 2 and select("#", pcall(error)) == 2)
      assert(collectgarbage("count") > 0 and type(os.clock()) == "number" and os.difftime(5, 3) == 2.0)
      assert(rawequal(1, 1) and rawlen { 1 } == 1 and rawget(rawset({}, "a", 1), "a") == 1)
      assert(tonumber("0x10") == 16 and tostring(nil) == "nil" and next { 1 } == 1 and type(pairs {}) == "function")
      assert(getmetatable(setmetatable({}, { __metatable = "m" })) == "m" and ipairs {} and utf8.len "ä" == 1)
      assert(coroutine.wrap(function() coroutine.yield(3) end)() == 3 and coroutine.isyieldable())
      local ok, why = xpcall(function() error("a", 0) end, function(e) return e .. "b" end)
      assert(not ok and why == "ab")
      assert(select(2, xpcall(function(...) return select("#", ...) end, print, 1, 2)) == 2)
    ]]).outcome)
  end)

  for _, name in ipairs(rig.removed) do
    it("has no " .. name .. ", and says so", function()
      assert.matches(name:gsub("%.", "%%.") .. " is not available in scripts",
        rig.run(name .. "('x')").text)
    end)
  end

  it("has every other function of Lua, and finds no C module", function()
    local result = rig.handled [[
      local gone = {}
      local function try(name, value)
        if type(value) ~= "function" then return end
        local ok, why = pcall(coroutine.wrap(value))
        if not ok and tostring(why):find("is not available in scripts", 1, true) then
          gone[#gone + 1] = name
        end
      end
      for _, library in ipairs { "coroutine", "debug", "io", "math", "os", "package", "string", "table",
        "utf8" } do
        for name, value in pairs(_G[library]) do try(library .. "." .. name, value) end
      end
      for name, value in pairs(_G) do try(name, value) end
      assert(package.cpath == "")
      table.sort(gone)
      event:send("out", { json = gone })]]
    local names = table.move(rig.removed, 1, #rig.removed, 2, { "collectgarbage" })
    table.sort(names)
    assert.same(names, require "dkjson".decode(result.messages[1].body))
  end)

  it("tells what to use for what it has not", function()
    assert.matches("os.getenv is not available in scripts: use anzol.env(name, default), or "
      .. "anzol.secret(name); or trust = \"full\" in anzol.lua gives it back",
      rig.run("os.getenv 'HOME'").text, 1, true)
  end)

  it("does not hand out the functions that the server calls", function()
    assert.equal("handled", rig.run([[
      for level = 0, 9 do
        local info = debug.getinfo(level, "Sf")
        assert(not info or info.func == nil or info.what ~= "C")
      end
      assert(debug.getinfo(1, "f").func and debug.getinfo(print).func == nil)
    ]]).outcome)
  end)

  it("loads text only", function()
    assert.matches("binary chunk", rig.run("assert(load('\\27Lua'))").text)
    assert.matches("text only", rig.run("load('return 1', 'x', 'b')").text)
  end)

  it("closes globals after loading", function()
    assert.matches("assignment to undeclared global 'x'; did you forget 'local'%?",
      rig.run("x = 1").text)
    assert.matches("undefined global 'strng'; did you mean 'string'%?", rig.run("return strng.x").text)
    assert.equal("handled", rig.run("local u = unpack or table.unpack").outcome)
    assert.matches("undefined global 'anzol' %(begin the file with",
      select(3, rig.load { files = { ["scripts/a.lua"] = "anzol.on('x', function() end)" } }))
  end)

  it("has no finalizers, ephemerons or collector", function()
    assert.matches("__gc is not available", rig.run("setmetatable({}, { __gc = print })").text)
    assert.matches("__mode \"k\" is not available", rig.run("setmetatable({}, { __mode = 'k' })").text)
    assert.equal("handled", rig.run("setmetatable({}, { __mode = 'kv' })").outcome)
    assert.matches("only \"count\"", rig.run("collectgarbage()").text)
  end)

  it("requires no files outside, and no C modules", function()
    for _, name in ipairs { "../x", "/etc/passwd", "a/b", "a\\0b", "", "lfs", "socket.core" } do
      assert.equal("failed", rig.run(("require '%s'"):format(name)).outcome, name)
    end
  end)

  it("knows its own objects by identity", function()
    assert.matches("event", rig.run("event.send({}, 'out')").text)
    assert.matches("event", rig.run("event.send(io.stdout, 'out')").text)
    assert.matches("event", rig.run("event.get(anzol.skip(), 'x')").text)
    assert.equal("handled", rig.run("assert(getmetatable(event) == false)").outcome)
  end)
end)
