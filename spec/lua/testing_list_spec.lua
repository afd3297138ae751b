-- SPDX-License-Identifier: MIT
-- anzol.testing: anzol.events and anzol.deliveries in handlers, over what the test holds.
local rig = require "lua.testing_rig"

-- A handler of "look" that puts the rows of a list into kv: a field of each, by a loop over it.
local LOOK = [[
  anzol.endpoint("other", { url = "https://other.example/in", sign = false })
  anzol.on("look", function(event)
    local found, list = anzol.json.array {}, anzol[event.data.list]
    for row in list(event.data.options) do found[#found + 1] = row[event.data.field] or "none" end
    anzol.kv "found":set("rows", found)
  end)
]]

local function test(script) return rig.test(LOOK .. script) end

-- What a handler finds: fields of rows.
local function found(t, list, options, field)
  t:receive("in", { json = { type = "look", list = list, options = options, field = field } })
  assert.is_nil(t.events[#t.events].error)
  return t.kv.found.rows
end

describe("anzol.testing", function()
  after_each(rig.finish)

  describe("lists of events", function()
    local SCRIPT = [[
      anzol.on("good", function() end)
      anzol.on("good", { name = "second" }, function() return anzol.skip "enough" end)
      anzol.on("bad", function() error "no" end)
      anzol.on("mother", function(event) event:emit("child", {}) end)]]

    it("come newest first, with every field", function()
      local t = test(SCRIPT)
      for _, kind in ipairs { "good", "mother", "unheard" } do
        t:receive("in", { json = { type = kind, key = kind } })
        t:advance "1s"
      end
      assert.same({ "unheard", "child", "mother", "good" }, found(t, "events", { until_ms = t.now_ms }, "type"))
      local ids = {}
      for i, event in ipairs(t.events) do ids[i] = event.id end
      assert.same({ ids[4], ids[3], ids[2], ids[1] }, found(t, "events", { limit = 4, until_ms = t.now_ms }, "id"))
      assert.same({ "skipped", "handled" }, { found(t, "events", { type = "good" }, "state")[1],
        found(t, "events", { type = "unheard" }, "state")[1] })
      assert.same({ ids[2] }, found(t, "events", { type = "child" }, "parent_id"))
      assert.same({ "mother" }, found(t, "events", { type = "mother" }, "idempotency_key"))
      assert.same({ #t.events[1].body }, found(t, "events", { type = "good" }, "body_bytes"))
      assert.same({ t.events[1].received_at_ms }, found(t, "events", { type = "good" }, "received_at_ms"))
    end)

    it("are filtered as the server's", function()
      local t = test(SCRIPT)
      t:receive("in", { json = { type = "bad" } })
      local began_ms = t.now_ms
      t:advance "1s"
      t:receive("in", { json = { type = "good" } })
      assert.same({ "bad" }, found(t, "events", { state = "retrying" }, "type"))
      assert.same({ "good" }, found(t, "events", { state = "skipped" }, "type"))
      assert.same({ "look" }, found(t, "events", { state = "pending" }, "type")) -- itself
      assert.same({ "bad" }, found(t, "events", { until_ms = began_ms + 1 }, "type"))
      assert.same({ "good" }, found(t, "events", { since_ms = began_ms + 1, type = "good" }, "type"))
      assert.same({}, found(t, "events", { source = "nowhere" }, "type"))
      assert.same({ "good" }, found(t, "events", { source = "in", type = "good" }, "type"))
      assert.same({}, found(t, "events", { type = "*.*" }, "type"))
      assert.same({ "bad" }, found(t, "events", { type = "*", until_ms = began_ms + 1 }, "type"))
      t:advance "1h"
      assert.same({ "bad" }, found(t, "events", { state = "dead" }, "type"))
      assert.equal(1, #t.dead_letters)
    end)

    it("are read in pages, none twice and none left out", function()
      local t = test(SCRIPT)
      for i = 1, 230 do t:receive("in", { json = { type = "unheard", key = "k" .. i } }) end
      local rows = found(t, "events", { type = "unheard" }, "idempotency_key")
      assert.equal(230, #rows)
      for i, key in ipairs(rows) do assert.equal("k" .. 231 - i, key) end
      assert.equal(103, #found(t, "events", { type = "unheard", limit = 103 }, "id"))
    end)

    it("refuse what the server refuses", function()
      local t = test(SCRIPT)
      t:receive("in", { json = { type = "look", list = "events", options = { sate = "dead" } } })
      assert.matches("unknown option 'sate' for anzol.events; did you mean 'state'?", t.events[1].error, 1, true)
    end)
  end)

  describe("lists of deliveries", function()
    local SCRIPT = [[
      anzol.on("a", function(event) event:send("out", { json = 1, type = "x" }) event:send "other" end)]]

    it("come newest first, with every field", function()
      local t = test(SCRIPT)
      t:answer("out", { status = 503 }, { status = 503 }, { error = "timeout" })
      t:receive("in", { json = { type = "a" } })
      assert.same({ "other", "out" }, found(t, "deliveries", nil, "endpoint"))
      assert.same({ "a", "x" }, found(t, "deliveries", {}, "type"))
      assert.same({ "succeeded", "retrying" }, found(t, "deliveries", {}, "state"))
      assert.same({ 1, 1 }, found(t, "deliveries", {}, "attempt_count"))
      assert.same({ 200, 503 }, found(t, "deliveries", {}, "last_status"))
      assert.same({ "none", "none" }, found(t, "deliveries", {}, "last_error"))
      assert.same({ "none", t.now_ms + 10000 }, found(t, "deliveries", {}, "next_attempt_at_ms"))
      assert.same({ t.now_ms, t.now_ms }, found(t, "deliveries", {}, "created_at_ms"))
      assert.same({ t.deliveries[2].id, t.deliveries[1].id }, found(t, "deliveries", {}, "id"))
      assert.same({ t.events[1].id, t.events[1].id }, found(t, "deliveries", {}, "event_id"))
      assert.same({ t.deliveries[2].message_id, t.deliveries[1].message_id },
        found(t, "deliveries", {}, "message_id"))
      t:advance "1h"
      assert.same({ "out" }, found(t, "deliveries", { state = "dead" }, "endpoint"))
      assert.same({ "timeout" }, found(t, "deliveries", { state = "dead" }, "last_error"))
      assert.same({ t.deliveries[1].reason }, found(t, "deliveries", { state = "dead" }, "reason"))
      assert.equal(1, #t.dead_letters)
    end)

    it("are filtered as the server's; an attempt under way shows as what is stored", function()
      local t = test(SCRIPT)
      t:answer("out", { status = 200, after = "5s" })
      t:receive("in", { json = { type = "a" } })
      assert.equal("in_flight", t:delivery("out").state)
      assert.same({ "pending" }, found(t, "deliveries", { endpoint = "out" }, "state"))
      assert.same({}, found(t, "deliveries", { state = "in_flight" }, "id"))
      assert.same({ "other" }, found(t, "deliveries", { type = "a" }, "endpoint"))
      assert.same({}, found(t, "deliveries", { endpoint = "nowhere" }, "id"))
      assert.same({}, found(t, "deliveries", { since_ms = t.now_ms + 1 }, "id"))
      assert.equal(2, #found(t, "deliveries", { since_ms = t.now_ms }, "id"))
      assert.same({}, found(t, "deliveries", { until_ms = t.now_ms }, "id"))
      t:advance "5s"
      assert.same({ "succeeded" }, found(t, "deliveries", { endpoint = "out" }, "state"))
    end)
  end)
end)
