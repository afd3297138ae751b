-- SPDX-License-Identifier: MIT
-- anzol.testing: the values of anzol.kv.
local rig = require "lua.testing_rig"

local message_of, test = rig.message_of, rig.test

describe("anzol.testing: kv", function()
  after_each(rig.finish)

  local function handler(body)
    return ([[local kv = anzol.kv "box" anzol.on("a", function(event) %s end)]]):format(body)
  end
  local function run(t, fields)
    fields = fields or {}
    fields.type = "a"
    t:receive("in", { json = fields })
    return t.deliveries[#t.deliveries] and t.deliveries[#t.deliveries].request.json
  end

  it("is what the spec gave, and then what runs committed", function()
    local t = test(handler [[
      local seen = kv:get "seen" or { n = 0 }
      kv:set("seen", { n = seen.n + 1 })
    ]], { kv = { box = { seen = { n = 41 } } } })
    run(t)
    assert.same({ n = 42 }, t.kv.box.seen)
    assert.is_nil(t.kv.box.other)
    t.kv.box.seen = { n = 7 }
    run(t)
    assert.same({ n = 8 }, t.kv.box.seen)
    t.kv.box.seen = nil
    run(t)
    assert.same({ n = 1 }, t.kv.box.seen)
    t:close()
  end)

  it("holds nothing of a run that failed, or whose commit was lost", function()
    local t = test(handler [[
      kv:incr "runs"
      if event.run_number == 1 then error "not yet" end
    ]])
    run(t)
    assert.is_nil(t.kv.box.runs)
    t:crash_before_commit()
    t:advance "1s"
    assert.equal(1, t.kv.box.runs)
  end)

  it("adds deltas, to what was set in the same run too", function()
    local t = test(handler [[
      kv:incr("n", 2)
      kv:set("m", 10)
      kv:incr("m", -3)
      kv:incr("r", 1)
    ]], { kv = { box = { r = 0.5 } } })
    run(t)
    run(t)
    assert.equal(4, t.kv.box.n)
    assert.equal(7, t.kv.box.m)
    assert.equal(2.5, t.kv.box.r)
  end)

  it("lets sums expire, and a value that lives keep its time", function()
    local t = test(handler [[kv:incr("n", 2, { ttl = "1m" }) kv:incr "n" kv:incr "old"]],
      { kv = { box = { old = 5 } } })
    run(t)
    assert.same({ n = 3, old = 6 }, { n = t.kv.box.n, old = t.kv.box.old })
    t:advance "59s"
    assert.equal(3, t.kv.box.n)
    t:advance "1s"
    assert.is_nil(t.kv.box.n)
    assert.equal(6, t.kv.box.old)
  end)

  it("fails a run that adds to what is no number, and all of its effects", function()
    local t = test(handler [[event:send("out") kv:set("other", 1) kv:incr "word"]], { kv = { box = { word = "x" } } })
    run(t)
    assert.equal(0, #t.deliveries)
    assert.matches("the value is no number", t.events[1].error)
    assert.is_nil(t.kv.box.other)
  end)

  it("lists by prefix, in order, behind what expired", function()
    local t = test(handler [[
      kv:set("k/" .. event.data.name, event.data.name, { ttl = event.data.ttl })
      local names = anzol.json.array {}
      for _, row in ipairs(kv:list("k/", 10)) do names[#names + 1] = row.key end
      event:send("out", { json = names })
    ]])
    run(t, { name = "b", ttl = "1m" })
    run(t, { name = "a", ttl = "1h" })
    assert.same({ "k/a", "k/b", "k/c" }, run(t, { name = "c", ttl = "1h" }))
    t:advance "1m"
    assert.same({ "k/a", "k/c", "k/d" }, run(t, { name = "d", ttl = "1h" }))
    assert.is_nil(t.kv.box["k/b"])
    local keys = {}
    for key in pairs(t.kv.box) do keys[#keys + 1] = key end
    assert.same({ "k/a", "k/c", "k/d" }, keys)
  end)

  it("runs a handler again that read what another one changed meanwhile", function()
    local t = test(handler [[
      local n = kv:get "n" or 0
      if event.data.wait then anzol.sleep "2s" end
      kv:set("n", n + 1)
      event:send("out", { json = { n = n + 1, run = event.run_number } })
    ]] .. [[anzol.on("b", function(event)
        event:emit("a", { wait = true })
        event:emit("a", {})
      end)]])
    t:receive("in", { json = { type = "b" } })
    assert.equal(2, t.kv.box.n)
    assert.same({ n = 1, run = 1 }, t.deliveries[1].request.json)
    assert.same({ n = 2, run = 1 }, t.deliveries[2].request.json)
    assert.equal(2, #t.deliveries)
  end)

  it("runs a handler again whose list another one changed meanwhile", function()
    local t = test(handler [[
      local rows = kv:list("", 10)
      if event.data.wait then anzol.sleep "2s" end
      kv:set("n" .. #rows, true)
    ]] .. [[anzol.on("b", function(event)
        event:emit("a", { wait = true })
        event:emit("a", {})
      end)]])
    t:receive("in", { json = { type = "b" } })
    assert.is_true(t.kv.box.n0)
    assert.is_true(t.kv.box.n1)
  end)

  it("names what is no namespace", function()
    local t = test ""
    assert.matches("t.kv.box is a namespace", message_of(function() t.kv.box = 1 end), 1, true)
    assert.matches("kv is { namespace = { key = value } }", message_of(test, "", { kv = { box = 1 } }), 1, true)
  end)
end)
