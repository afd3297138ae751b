-- SPDX-License-Identifier: MIT
-- The table that all workers share (core/shared): cache, limiters, breakers, from several threads.
local shared = require "anzol_test.shared"

local MIB = 1 << 20

describe("the shared table", function()
  local table_
  before_each(function() table_ = shared.new(64 * MIB) end)
  after_each(function() shared.clock() end)

  describe("as a cache", function()
    it("keeps values by namespace and key", function()
      assert.equal("ok", table_:set("a", "k", "one"))
      assert.equal("ok", table_:set("b", "k", "two"))
      assert.equal("one", table_:get("a", "k"))
      assert.equal("two", table_:get("b", "k"))
      assert.is_nil(table_:get("a", "other"))
      -- No namespace and key read like another pair.
      assert.is_nil(table_:get("", "a\0k"))
      assert.equal("ok", table_:set("a", "k", ""))
      assert.equal("", table_:get("a", "k"))
      assert.is_true(table_:delete("a", "k"))
      assert.is_false(table_:delete("a", "k"))
      assert.is_nil(table_:get("a", "k"))
    end)

    it("forgets at the end of a ttl", function()
      shared.clock(1000)
      table_:set("a", "k", "v", 500)
      shared.clock(1499)
      assert.equal("v", table_:get("a", "k"))
      shared.clock(1500)
      assert.is_nil(table_:get("a", "k"))
      assert.equal("ok", table_:set("a", "k", "v", 0, true))
    end)

    it("adds only what is not there", function()
      assert.equal("ok", table_:set("a", "k", "v", 0, true))
      assert.equal("conflict", table_:set("a", "k", "w", 0, true))
      assert.equal("v", table_:get("a", "k"))
    end)

    it("counts in whole numbers as long as they are whole", function()
      assert.same({ "ok", 5 }, { table_:incr("a", "n", 5) })
      assert.same({ "ok", 3 }, { table_:incr("a", "n", -2) })
      assert.equal("integer", math.type(table_:get("a", "n")))
      assert.same({ "ok", 3.5 }, { table_:incr("a", "n", 0.5) })
      table_:set("a", "text", "no number")
      assert.equal("invalid", (table_:incr("a", "text", 1)))
      table_:incr("a", "most", math.maxinteger)
      assert.equal("limit", (table_:incr("a", "most", 1)))
      assert.equal(math.maxinteger, table_:get("a", "most"))
    end)

    it("pushes out what was used least recently, and no more than it must", function()
      table_ = shared.new(MIB)
      local value = ("x"):rep(1000)
      for i = 1, 5000 do
        assert.equal("ok", table_:set("a", "k" .. i, value))
        table_:get("a", "k1") -- in use all the time
      end
      assert.is_true(table_:bytes() <= MIB)
      assert.is_true(table_:bytes() > MIB // 2)
      assert.equal(value, table_:get("a", "k1"))
      assert.equal(value, table_:get("a", "k5000"))
      assert.is_nil(table_:get("a", "k2"))
    end)

    it("refuses what is larger than a stripe", function()
      table_ = shared.new(MIB)
      assert.equal("limit", table_:set("a", "k", ("x"):rep(MIB // 64)))
      assert.equal("ok", table_:set("a", "k", ("x"):rep(MIB // 64 - 300)))
    end)
  end)

  describe("as a limiter", function()
    it("gives a burst, then the rate, exact over a minute", function()
      shared.clock(0)
      local taken = 0
      for now = 0, 60000, 7 do
        shared.clock(now)
        while table_:take("api", 10, 20, 1) do taken = taken + 1 end
      end
      assert.is_true(math.abs(taken - 620) <= 1, taken)
    end)

    it("says when there is room, and lets those who wait queue up", function()
      shared.clock(0)
      assert.is_true((table_:take("api", 10, 1, 1)))
      assert.same({ false, 100 }, { table_:take("api", 10, 1, 1) })
      assert.same({ true, 100 }, { table_:take("api", 10, 1, 1, 1000) })
      assert.same({ true, 200 }, { table_:take("api", 10, 1, 1, 1000) })
      assert.same({ false, 300 }, { table_:take("api", 10, 1, 1, 299) })
      shared.clock(300)
      assert.is_true((table_:take("api", 10, 1, 1)))
    end)

    it("is not pushed out while it holds back", function()
      table_ = shared.new(MIB)
      shared.clock(0)
      table_:take("api", 0.001, 5, 5)
      for i = 1, 3000 do table_:set("a", "k" .. i, ("x"):rep(1000)) end
      assert.is_false((table_:take("api", 0.001, 5, 1)))
    end)
  end)

  describe("as a breaker", function()
    local function enter() return (table_:enter("geo", 3, 1000, 5000, 1)) end
    local function leave(failed) return table_:leave("geo", 3, 1000, 5000, 1, failed) end

    it("opens at that many failures within the window", function()
      shared.clock(10000)
      for _ = 1, 2 do
        assert.is_true(enter())
        assert.is_false(leave(true))
      end
      shared.clock(11001) -- the first two count no more
      for _ = 1, 2 do
        enter()
        assert.is_false(leave(true))
      end
      enter()
      assert.is_true(leave(true))
      assert.same({ false, 5000 }, { table_:enter("geo", 3, 1000, 5000, 1) })
    end)

    it("half opens with one probe, closes when it succeeds, opens again when it fails", function()
      shared.clock(10000)
      for _ = 1, 3 do enter() leave(true) end
      shared.clock(14999)
      assert.is_false(enter())
      shared.clock(15000)
      assert.is_true(enter())
      assert.is_false(enter())
      assert.is_true(leave(true))
      assert.is_false(enter())
      shared.clock(20000)
      assert.is_true(enter())
      assert.is_false(leave(false))
      assert.is_true(enter())
      assert.is_true(enter())
    end)

    it("tries again when a probe's end was never told", function()
      shared.clock(10000)
      for _ = 1, 3 do enter() leave(true) end
      shared.clock(15000)
      assert.is_true(enter())
      assert.is_false(enter())
      shared.clock(20000)
      assert.is_true(enter())
    end)
  end)

  it("has 10,000 label sets of a name of the core, and tells how many it left out", function()
    for i = 1, 10002 do table_:count("polls_total", "poll", tostring(i)) end
    for _ = 1, 2 do table_:count("polls_total", "poll", "1") end
    local text = table_:metrics(true)
    assert.equal(10000, select(2, text:gsub("p_polls_total{poll=", "")))
    assert.is_truthy(text:find('p_polls_total{poll="10000"} 1\n', 1, true))
    assert.is_truthy(text:find('p_polls_total{poll="1"} 3\n', 1, true))
    assert.is_truthy(text:find('p_metrics_cut_total{metric="anzol_polls_total"} 2\n', 1, true))
  end)

  it("counts right with several threads at it", function()
    local rounds = 3000
    local taken = table_:hammer(4, rounds)
    assert.equal(4 * rounds, table_:get("hammer", "sum"))
    assert.equal(1000, taken)
    assert.matches('p_hammer{a="b"} ' .. 4 * rounds .. "\n", table_:metrics(), 1, true)
  end)
end)
