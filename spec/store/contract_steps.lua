-- SPDX-License-Identifier: MIT
-- The contract: steps of a run are kept until it ends well.
local S = require "anzol_test.store"

return function(t)
  local run, event = t.run, t.event

  describe("a step", function()
    local function step(id, name, result, subscription)
      return run("step", { event = id, subscription = subscription or "a", name = name, result = result })
    end
    local function steps(id, subscription)
      return run("list_steps", { event = id, subscription = subscription or "a" }).steps
    end
    local function one(id, fields)
      local all = { event = id, subscriptions = { "a" }, has_steps = true }
      for key, value in pairs(fields or {}) do all[key] = value end
      return all
    end

    it("is found by its name, by the run that it is of", function()
      local id, other = event(), event()
      assert.equal("ok", step(id, "pay", '["p-1"]').status)
      step(id, "mail", "[]")
      step(id, "pay", "[2]", "b")
      step(other, "pay", "[3]")
      assert.same({ pay = '["p-1"]', mail = "[]" }, steps(id))
      assert.same({ pay = "[2]" }, steps(id, "b"))
      assert.same({}, steps(other, "b"))
    end)

    it("stays as it was first when a second try of it commits", function()
      local id = event()
      assert.is_nil(step(id, "pay", "[1]").earlier)
      local again = step(id, "pay", "[2]")
      assert.equal("ok", again.status)
      assert.equal("[1]", again.earlier)
      assert.same({ pay = "[1]" }, steps(id))
    end)

    it("stands in the file", function()
      local id = event()
      step(id, "pay", "[1]")
      t.reopen()
      assert.same({ pay = "[1]" }, steps(id))
    end)

    it("stays while its run fails, and when it is dead", function()
      local id = event()
      step(id, "pay", "[1]")
      run("run", one(id, { number = 1, due_ms = S.now_ms(), error = "no" }))
      assert.same({ pay = "[1]" }, steps(id))
      assert.equal("ok", step(id, "mail", "[2]").status)
      run("run", one(id, { number = 2, due_ms = 0, error = "no" }))
      assert.same({ pay = "[1]", mail = "[2]" }, steps(id))
    end)

    it("goes when its run is handled or skipped", function()
      local handled, skipped = event(), event()
      step(handled, "pay", "[1]")
      step(skipped, "pay", "[1]")
      run("handled", one(handled))
      run("handled", one(skipped, { skip = "no" }))
      assert.equal(0, t.row_count "step")
    end)

    it("goes with its own run, not with the others of the event", function()
      local id = event()
      step(id, "pay", "[1]", "a")
      step(id, "pay", "[2]", "b")
      run("handled", { event = id, subscriptions = { "a", "b" }, index = 2, has_steps = true })
      assert.same({ pay = "[1]" }, steps(id, "a"))
      assert.same({}, steps(id, "b"))
      assert.equal("conflict", step(id, "late", "[3]", "b").status)
      assert.equal("ok", step(id, "late", "[3]", "a").status)
    end)

    it("is refused when its run had ended", function()
      local handled, dead = event(), event()
      run("handled", one(handled))
      run("run", one(dead, { number = 1, due_ms = 0, error = "no" }))
      assert.equal("conflict", step(handled, "pay", "[1]").status)
      assert.equal("conflict", step(dead, "pay", "[1]").status)
      assert.equal("conflict", step(12345, "pay", "[1]").status)
      assert.equal(0, t.row_count "step")
    end)

    it("is let be by an end that is refused", function()
      local id = event()
      step(id, "pay", "[1]")
      local op = run("handled", one(id, { reads = { { ns = "n", key = "k", version = 7 } } }))
      assert.equal("conflict", op.status)
      assert.same({ pay = "[1]" }, steps(id))
    end)

    it("goes with its event at the latest", function()
      local id = event()
      step(id, "pay", "[1]")
      run("run", one(id, { number = 1, due_ms = 0, error = "no" }))
      t.store:retain { { before_ms = S.now_ms() + 1000 } }
      for _ = 1, 2000 do
        if t.row_count "event" == 0 then break end
        run("list_events", { limit = 1 })
      end
      assert.equal(0, t.row_count "event")
      assert.equal(0, t.row_count "step")
    end)
  end)
end
