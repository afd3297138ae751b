-- SPDX-License-Identifier: MIT
-- anzol.all and anzol.http.all: several waits at once (core/script/bind_all.c).
local rig = require "core.script_rig"
local script = rig.script

local CHILDREN_MAX = 100

local function handled(body)
  local result = rig.run(body)
  assert.equal("", result.text)
  assert.equal("handled", result.outcome)
end

describe("anzol.all", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("gives the first results in order, however long each takes", function()
    handled [[
      local results, err = anzol.all(
        function() anzol.sleep "8ms" return "a", "not this" end,
        function() return nil end,
        function() anzol.sleep(0) return { 3 } end,
        function() end)
      assert(err == nil and results.n == 4)
      assert(results[1] == "a" and results[2] == nil and results[3][1] == 3 and results[4] == nil)]]
  end)

  it("waits for all at once", function()
    local project = rig.handler [[
      local list = {}
      for i = 1, 20 do list[i] = function() anzol.sleep "30ms" end end
      anzol.all(table.unpack(list))]]
    local from = script.now_ns()
    assert.equal("", project:run("main", {}).text)
    assert.is_true((script.now_ns() - from) / 1e6 < 300 * rig.patience)
  end)

  it("of nothing is nothing", function()
    handled "local results = anzol.all() assert(results.n == 0 and #results == 0)"
  end)

  it("ends with the first Error, and the others with it", function()
    handled [[
      local closed, later = 0, false
      local function other()
        local guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        anzol.sleep "1h"
        later = true
      end
      local results, err = anzol.all(other, function()
        anzol.sleep "5ms"
        return anzol.json.decode "{"
      end, other)
      assert(results == nil and err.code == "json" and closed == 2 and not later)
      local value, text = anzol.all(function() return nil, "plain words" end)
      assert(value == nil and text == "plain words")]]
  end)

  it("raises what one of them raises, with its place, and ends the others", function()
    handled [[
      local closed
      local function other()
        local guard <close> = setmetatable({}, { __close = function() closed = true end })
        anzol.sleep "1h"
      end
      local ok, why = pcall(anzol.all, other, function() anzol.sleep(0) error "boom" end)
      assert(not ok and why:match "^scripts/main.lua:8: boom$" and closed, why)
      ok, why = pcall(anzol.all, function() error { code = 7 } end)
      assert(not ok and why.code == 7)]]
    local result = rig.run "anzol.all(function() local x = event.data.no.field end)"
    assert.matches("^scripts/main.lua:3: attempt to index a nil value", result.text)
  end)

  it("may stand within itself, and in coroutines of the script's own", function()
    handled [[
      local function tree(n)
        if n == 0 then anzol.sleep(0) return 1 end
        local results = anzol.all(function() return tree(n - 1) end, function() return tree(n - 1) end)
        return results[1] + results[2]
      end
      assert(tree(4) == 16)
      local gen = coroutine.wrap(function()
        for i = 1, 3 do
          coroutine.yield(anzol.all(function() anzol.sleep(0) return i end)[1])
        end
      end)
      assert(gen() + gen() + gen() == 6)
      local inner = anzol.all(function()
        local sum = 0
        for v in coroutine.wrap(function() for i = 1, 3 do anzol.sleep(0) coroutine.yield(i) end end) do
          sum = sum + v
        end
        return sum
      end)
      assert(inner[1] == 6)]]
  end)

  it("takes functions only", function()
    for body, why in pairs {
      ["anzol.all(5)"] = "bad argument #1 to 'all' %(function expected, got number%)",
      ["anzol.all(print, nil)"] = "bad argument #2 to 'all' %(function expected, got nil%)",
    } do
      assert.matches(why, rig.run(body).text)
    end
  end)

  it("says where it cannot wait", function()
    assert.matches("anzol.all cannot wait in 'load'", (rig.refusal "anzol.all(print)"))
  end)

  it("sends and emits as its handler does", function()
    local result = rig.run [[
      anzol.all(function() anzol.sleep(0) event:send "out" end, function() event:emit("a.b", {}) end)]]
    assert.equal("", result.text)
    assert.equal(1, #result.deliveries)
    assert.equal(1, #result.emits)
  end)

  it("bounds how many there are at once, those within others counted", function()
    local body = [[
      local list = {}
      for i = 1, %d do list[i] = function() anzol.sleep(0) end end
      anzol.all(table.unpack(list))
      anzol.all(table.unpack(list))]]
    handled(body:format(CHILDREN_MAX))
    local why = "more than 100 at once in one 'handler', by anzol.all and anzol.http.all"
    assert.matches(why, rig.run(body:format(CHILDREN_MAX + 1)).text)
    assert.matches(why, rig.run(([[anzol.all(function() %s end)]]):format(
      body:format(CHILDREN_MAX))).text)
    handled(("anzol.all(function() %s end)"):format(body:format(CHILDREN_MAX - 1)))
  end)

  it("is stopped at the limits of its job: time, CPU, memory", function()
    local project = rig.project [[
      local function hang() anzol.sleep "1h" end
      local function spin() while true do end end
      local function hog() local t = {} for i = 1, 1e9 do t[i] = { i } end end
      local function nested(f) return function() return anzol.all(hang, f) end end
      anzol.on("**", { name = "wall", deadline = "20ms" }, nested(nested(hang)))
      anzol.on("**", { name = "cpu" }, nested(nested(spin)))
      anzol.on("**", { name = "memory" }, nested(nested(hog)))
      anzol.on("**", { name = "sum" }, function()
        local hogs = {}
        for i = 1, 20 do
          hogs[i] = function()
            local t = {}
            for j = 1, 2000 do t[j] = ("x"):rep(1000) .. j end
            anzol.sleep(1)
            return t
          end
        end
        anzol.all(table.unpack(hogs))
      end)
      anzol.on("**", { name = "fine" }, function() end)
    ]]
    assert.matches("'handler' went over its time limit of 20 ms", project:run("wall", {}).text)
    assert.matches("^scripts/main.lua:2: 'handler' went over its CPU limit", project:run("cpu", {}).text)
    assert.matches("'handler' went over its memory limit", project:run("memory", {}).text)
    assert.matches("'handler' went over its memory limit", project:run("sum", {}).text)
    assert.equal("handled", project:run("fine", {}).outcome)
    assert.equal(0, project:job_count())
  end)

  it("is cancelled whole, and closes what is to be closed", function()
    local project = rig.project [[
      local closed = 0
      local function hang()
        local guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        anzol.sleep "1h"
      end
      anzol.on("**", { name = "main" }, function()
        anzol.all(hang, function() anzol.all(hang, hang) end)
      end)
      anzol.on("**", { name = "look" }, function() error(tostring(closed), 0) end)
    ]]
    local result = project:start("main", {})
    project:turn(20)
    project:cancel_all()
    assert.equal("cancelled", result.outcome)
    assert.matches("^3", project:run("look", {}).text)
  end)

  it("lets others run while one computes, with the right sums", function()
    local project = rig.project [[
      local function sum()
        local s = 0
        for i = 1, 1000000 do s = s + i end
        return s
      end
      anzol.on("**", { name = "main" }, function()
        local results = anzol.all(sum, sum, sum)
        for i = 1, 3 do assert(results[i] == 500000500000) end
      end)
      anzol.on("**", { name = "quick" }, function() anzol.sleep(0) end)
    ]]
    local main, quick = project:start("main", {}), project:start("quick", {})
    while not quick.outcome do project:turn() end
    assert.is_nil(main.outcome)
    project:wait()
    assert.equal("", main.text)
  end)
end)

describe("anzol.http.all", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  local function handler(body)
    return rig.project(([[
      local http = anzol.http
      anzol.on("**", { name = "main" }, function() %s end)
    ]]):format(body))
  end

  -- Turns the loop until nothing new is asked for.
  local function asked(project)
    project:turn(200)
    return project:exchanges()
  end

  it("gives pairs of answer and Error, in order", function()
    local project = handler [[
      local results = http.all { { url = "https://a.example/1" }, { url = "https://a.example/2" },
        { url = "bad:x" }, { url = "https://a.example/4", method = "POST", json = {} } }
      assert(#results == 4)
      assert(results[1][1].body == "one" and results[1][2] == nil)
      assert(results[2][1] == nil and results[2][2].code == "timeout")
      assert(results[3][1] == nil and results[3][2].code == "url")
      assert(results[4][1].status == 500)]]
    local result = project:start("main", {})
    local exchanges = asked(project)
    assert.equal(3, #exchanges)
    assert.equal("POST", exchanges[3].method)
    project:answer(exchanges[3].number, { status = 500 })
    project:answer(exchanges[2].number, { error = "timeout", host = "a.example" })
    assert.is_nil(result.outcome)
    project:answer(exchanges[1].number, { body = "one" })
    assert.equal("", result.text)
    assert.equal("handled", result.outcome)
  end)

  it("asks for so many at a time", function()
    for given, at_once in pairs { [""] = 8, [", { concurrency = 3 }"] = 3, [", { concurrency = 100 }"] = 50 } do
      local project = handler(([[
        local requests = {}
        for i = 1, 50 do requests[i] = { url = "https://a.example/" .. i } end
        local results = http.all(requests%s)
        for i = 1, 50 do assert(results[i][1].body == "https://a.example/" .. i) end]]):format(given))
      local result = project:start("main", {})
      local most = 0
      while not result.outcome do
        local exchanges = asked(project)
        most = math.max(most, #exchanges)
        local last = exchanges[#exchanges]
        project:answer(last.number, { body = last.url })
      end
      assert.equal("", result.text)
      assert.equal(at_once, most)
    end
  end)

  it("of nothing is nothing", function()
    assert.equal("", rig.run("assert(#anzol.http.all {} == 0)").text)
  end)

  it("raises what is misused, and cancels the others", function()
    local project = handler [[
      local ok, why = pcall(function()
        http.all { { url = "https://a.example/" }, { url = "https://a.example/", time = 1 } }
      end)
      error(why, 0)]]
    local result = project:start("main", {})
    assert.same({}, asked(project))
    assert.matches("^scripts/main.lua:3: request 2 of anzol.http.all: unknown option 'time' for "
      .. "anzol.http.request", result.text)
    for body, why in pairs {
      ["http.all()"] = "bad argument #1",
      ["http.all { 'https://a.example/' }"] = "request 1 of anzol.http.all must be a table, got string",
      ["http.all({}, { concurency = 1 })"] = "did you mean 'concurrency'?",
      ["http.all({}, { concurrency = 0 })"] = "must be an integer from 1 to 100",
      ["http.all({}, { concurrency = 101 })"] = "must be an integer from 1 to 100",
    } do
      local text = handler(body):run("main", {}).text
      assert.is_truthy(text:find(why, 1, true), text)
    end
  end)

  it("is cancelled with its job", function()
    local project = handler [[
      http.all { { url = "https://a.example/1" }, { url = "https://a.example/2" } }]]
    local result = project:start("main", {})
    assert.equal(2, #asked(project))
    project:cancel_all()
    assert.equal("cancelled", result.outcome)
    assert.same({}, project:exchanges())
  end)
end)
