-- SPDX-License-Identifier: MIT
-- anzol.events and anzol.deliveries in the real server, the traces of events, and chains that end
-- (F46).
local S = require "anzol_test.store"
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local WITHIN_MS = 20000
local PAGE_AND_MORE = 230
local TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

-- Handlers that fail if what they assert is not so.
local checks = {
  all = [[
    local count, last = 0
    for row in anzol.events { type = "some.thing" } do
      count = count + 1
      assert(not last or row.id < last, "newest first")
      last = row.id
      assert(row.source == "open" and row.state == "handled" and row.body_bytes > 0)
      assert(row.received_at_ms > 1700000000000)
    end
    assert(count == data.count, count)]],
  limited = [[
    local count = 0
    for _ in anzol.events { type = "some.thing", limit = 103 } do count = count + 1 end
    assert(count == 103)]],
  broken_off = [[
    for _ = 1, 3 do
      for row in anzol.events() do assert(row.id) break end
    end
    local found = coroutine.wrap(function()
      for row in anzol.deliveries { state = "succeeded", limit = 5 } do coroutine.yield(row) end
    end)
    assert(found().endpoint == "out" and found().endpoint == "out")]],
  deliveries = [[
    local count = 0
    for row in anzol.deliveries { endpoint = "out", type = "some.thing" } do
      count = count + 1
      assert(row.state == "succeeded" and row.attempt_count == 1 and row.last_status == 200)
      assert(row.event_id:find "^evt_" and row.message_id:find "^msg_" and row.id:find "^dlv_")
      assert(row.last_error == nil and row.next_attempt_at_ms == nil and row.reason == nil)
    end
    assert(count == data.count, count)
    for _ in anzol.deliveries { endpoint = "nowhere" } do error "one too many" end
    for _ in anzol.deliveries { state = "dead" } do error "one too many" end]],
  instants = [[
    local now = anzol.time.now()
    local function count(options)
      local n = 0
      options.type = "some.thing"
      for _ in anzol.events(options) do n = n + 1 end
      return n
    end
    assert(count { since_ms = now - 3600000 } == data.count)
    assert(count { since_ms = now + 3600000 } == 0)
    assert(count { until_ms = now + 3600000 } == data.count)
    assert(count { until_ms = now - 3600000 } == 0)
    assert(count { until_ms = 0 } == 0)
    local first
    for row in anzol.events { type = "some.thing" } do first = row break end
    assert(count { since_ms = first.received_at_ms + 1000 } == 0)]],
  edited = [[
    for row in anzol.events { limit = 1 } do row.id = "mine" assert(row.id == "mine") end]],
  unknown = [[anzol.events { sate = "dead" }]],
  state = [[anzol.deliveries { state = "handled" }]],
  limit = [[anzol.events { limit = 0 }]],
  text = [[anzol.events "dead"]],
  sorted = [[table.sort({ 2, 1 }, function() for _ in anzol.events() do end end)]],
}
local refusals = {
  unknown = "unknown option 'sate' for anzol.events; did you mean 'state'?",
  state = "must be pending, retrying, in_flight, succeeded, dead or cancelled",
  limit = "option 'limit' of anzol.events",
  text = "table expected",
  sorted = "anzol.events cannot wait inside a callback",
}

local SCRIPT = [[
anzol.source("open", { verify = anzol.verify.none(), type = function(req) return req.query.type end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.on("some.thing", function(event) event:send "out" end)
anzol.on({ "ping", "pong" }, { name = "loop" }, function(event)
  event:emit(event.type == "ping" and "pong" or "ping", {})
end)
anzol.on("trace.*", { name = "trace" }, function(event)
  anzol.kv("trace"):set(event.type, event.trace)
  if event.type == "trace.parent" then event:emit("trace.child", {}) event:emit("trace.sibling", {}) end
end)
]]

describe("a script that looks into the store", function()
  local server, receiver

  local function post(kind, data, headers)
    local answer = server:post("/in/open?type=" .. kind, json.encode(data or { a = 1 }), headers)
    return assert(json.decode(answer.body).id, answer.body)
  end

  local function ended(id)
    return wait.until_true("the run's end", WITHIN_MS, function()
      local event = server:get("/api/v1/event/" .. id)
      return event.state ~= "pending" and event
    end)
  end

  setup(function()
    receiver = Receiver.start()
    local parts = { SCRIPT }
    for name, body in pairs(checks) do
      parts[#parts + 1] = ([[
anzol.on("check.%s", { name = "%s" }, function(event) local data = event.data %s end)
]]):format(name, name, body)
    end
    server = Server.start { scripts = scripts.with(receiver, table.concat(parts)) }
    for _ = 1, PAGE_AND_MORE do post "some.thing" end
    wait.until_true("all are delivered", WITHIN_MS, function()
      return #server:list "/api/v1/delivery?state=succeeded" == PAGE_AND_MORE
    end)
  end)
  teardown(function()
    receiver:stop()
    server:close()
  end)

  for name in pairs(checks) do
    if not refusals[name] then
      it("finds what is there: " .. name, function()
        local event = ended(post("check." .. name, { count = PAGE_AND_MORE }))
        assert.equal("handled", event.state, event.runs[1] and event.runs[1].error)
      end)
    end
  end

  for name, why in pairs(refusals) do
    it("is told what it did wrong: " .. name, function()
      local event = ended(post("check." .. name))
      assert.equal("retrying", event.state)
      assert.truthy(event.runs[1].error:find(why, 1, true), event.runs[1].error)
    end)
  end

  it("sees one trace in an event and what comes of it, each with a span of its own", function()
    post("trace.parent", {}, { traceparent = "00-" .. TRACE .. "-00f067aa0ba902b7-01" })
    post("trace.other", {}, { traceparent = "00-" .. TRACE .. "-nonsense-01" })
    local traces
    wait.until_true("all traces", WITHIN_MS, function()
      traces = {}
      for _, row in ipairs(S.sql(server.state_dir .. "/anzol.db",
        "SELECT key, value FROM kv WHERE ns = 'trace'")) do
        traces[row[1]:match "%.(%w+)"] = json.decode(row[2])
      end
      return traces.parent and traces.child and traces.sibling and traces.other
    end)
    local spans = {}
    for name, trace in pairs(traces) do
      assert.equal(name ~= "other", trace.trace_id == TRACE)
      assert.equal(16, #trace.span_id)
      assert.is_nil(spans[trace.span_id])
      spans[trace.span_id] = true
    end
    assert.is_nil(spans["00f067aa0ba902b7"])
  end)

  it("stops two handlers that answer each other after 16 steps, dead at once, with the reason", function()
    post "ping"
    local dead = wait.until_true("the end of the chain", WITHIN_MS, function()
      return server:list("/api/v1/event?state=dead")[1]
    end)
    local event = server:get("/api/v1/event/" .. dead.id)
    assert.truthy(event.runs[1].error:find("a chain of events is at most 16 deep", 1, true))
    assert.equal(1, event.runs[1].number)
    local steps = 0
    while event.parentId do
      steps = steps + 1
      event = server:get("/api/v1/event/" .. event.parentId)
    end
    assert.equal(16, steps)
    assert.equal("handled", event.state)
  end)
end)
