-- SPDX-License-Identifier: MIT
-- F44: a handler that ends badly at any step, in any way: nothing of it is to be seen, and its next
-- run makes the same ids of messages.
local S = require "anzol_test.store"
local Receiver = require "support.receiver"
local Server = require "support.server"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local WITHIN_MS = 60000
local STEPS = 7

-- What the ids of a first run were is told by the cache, which no run's end undoes.
local script = [[
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.endpoint("other", { url = "$URL/other", sign = false, allow_private = true })
local kv = anzol.kv "undo"
local ends = {
  raises = function() error "no" end,
  raises_in_coroutine = function() coroutine.wrap(function() anzol.sleep(0) error "no" end)() end,
  loops = function() while true do pcall(function() while true do end end) end end,
  hogs = function() local all = {} while true do all[#all + 1] = ("x"):rep(1 << 16) .. #all end end,
  closes = function()
    local x <close> = setmetatable({}, { __close = function() while true do end end })
    error "no"
  end,
  later = function() return anzol.retry_later "10ms" end,
}
anzol.on("open.thing", { name = "undo", concurrency = 200 }, function(event)
  local case = event.data
  local ids = {}
  local steps = {
    function() ids[1] = event:send("out", { json = { case = case.name, run = event.run_number } }) end,
    function() kv:set(case.name, event.run_number) end,
    function() event:emit("open.emitted", { case = case.name }) end,
    function() kv:incr("sum." .. case.name) end,
    function() anzol.sleep(0.001) end,
    function() ids[2] = event:send({ "out", "other" }, nil, { idempotency_key = "k" }) end,
    function() kv:delete("gone." .. case.name) end,
  }
  for i, step in ipairs(steps) do
    step()
    if i == case.step and event.run_number == 1 then
      anzol.cache("ids"):set(case.name, ids)
      return ends[case.way]()
    end
  end
  for i, id in ipairs(assert(anzol.cache("ids"):get(case.name))) do
    assert(ids[i] == id, case.name .. ": another id in the second run")
  end
end)
]]

describe("a run that ends badly", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script) }
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  it("at any step leaves nothing behind, and runs again with the same ids", function()
    local cases = {}
    for _, way in ipairs { "raises", "raises_in_coroutine", "later", "hogs", "loops", "closes" } do
      -- The last three take the processor for long.
      local every = (way == "hogs" or way == "loops" or way == "closes") and 3 or 1
      for step = 1, STEPS, every do cases[#cases + 1] = { name = way .. step, way = way, step = step } end
    end
    for _, case in ipairs(cases) do
      case.event = json.decode(server:post("/in/open", json.encode(case)).body).id
    end
    for _, case in ipairs(cases) do
      wait.until_true(case.name .. " is handled", WITHIN_MS, function()
        local event = server:get("/api/v1/event/" .. case.event)
        assert.not_equal("dead", event.state)
        local run = event.runs[1]
        assert.is_false(event.state == "retrying" and run.number > 1, run and run.error)
        return event.state == "handled"
      end)
    end
    -- One of everything for each case, of the second run.
    wait.until_true("all is delivered", WITHIN_MS, function()
      return #server:list "/api/v1/delivery?state=succeeded" == 3 * #cases
    end)
    local seen = {}
    for _, record in ipairs(receiver:take()) do
      if record.body:find '"run"' then
        local said = json.decode(record.body)
        assert.equal(2, said.run, said.case)
        assert.is_nil(seen[said.case], said.case)
        seen[said.case] = true
      end
    end
    assert.equal(2 * #cases, server:event_count())
    assert.equal(#cases, #server:list "/api/v1/event?type=open.emitted")
    local db = server.state_dir .. "/anzol.db"
    for _, case in ipairs(cases) do
      assert.is_true(seen[case.name], case.name)
      assert.same({ { "2" }, { "1" } }, S.sql(db, ("SELECT value FROM kv WHERE ns = 'undo' AND key IN "
        .. "('%s', 'sum.%s') ORDER BY length(key)"):format(case.name, case.name)), case.name)
    end
  end)
end)
