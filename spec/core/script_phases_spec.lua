-- SPDX-License-Identifier: MIT
-- The table of phases, row by row: which may wait, and what each may take (core/script/phase.c).
local rig = require "core.script_rig"
local phases = require "sandbox.phases"
local testing_rig = require "lua.testing_rig"
local script = rig.script

-- { may wait, CPU limit in ms, what the error calls it }
local SOURCE, ENDPOINT, SUBSCRIPTION = 'source "s"', 'endpoint "e"', 'subscription "main"'
local rows = {
  load = { false, 1000 },
  settings = { false, 1000 },
  verify = { true, 10, SOURCE },
  challenge = { true, 50, SOURCE },
  respond = { true, 50, SOURCE },
  type = { false, 10, SOURCE },
  idempotency_key = { false, 10, SOURCE },
  filter = { false, 10, SUBSCRIPTION },
  handler = { true, 500, SUBSCRIPTION },
  order_by = { false, 10, ENDPOINT },
  transform = { false, 50, ENDPOINT },
  success = { false, 10, ENDPOINT },
  retry = { false, 10, ENDPOINT },
  cron = { true, 2000, 'cron "c"' },
  every = { true, 2000, 'every "e"' },
  poll = { true, 2000, 'poll "p"' },
  sse = { true, 2000, 'sse "s"' },
  init = { true, 1000 },
  sign = { false, 50, 'source "signed"' },
}
-- What goes wrong in these is in the log alone.
local is_logged = { success = true, retry = true }
local WAITING = "Waiting works in: verify, challenge, respond, handler, cron, every, poll, sse, init."

local names = {}
for name in pairs(rows) do names[#names + 1] = name end
table.sort(names)

describe("a phase", function()
  setup(function() script.quiet("none") end)
  teardown(function() script.quiet(true) end)
  after_each(rig.finish)

  it("is in this spec, if it is one", function()
    local limits = script.phases()
    for name, row in pairs(rows) do
      assert.equal(row[2] * rig.patience, limits[name], name)
      limits[name] = nil
    end
    assert.same({}, limits)
  end)

  for _, name in ipairs(names) do
    local may_wait, cpu_ms, subject = table.unpack(rows[name])

    if not is_logged[name] then
      it(("is stopped after its time of the processor: %s, %d ms"):format(name, cpu_ms), function()
        local words = ("'%s' went over its CPU limit of %d ms"):format(name, cpu_ms * rig.patience)
        local text = phases[name]("while true do end")()
        -- On a busy machine the time of a load may be over before that of the processor.
        if cpu_ms >= 1000 and not text:find("CPU", 1, true) then
          words = ("'%s' went over its time limit"):format(name)
        end
        assert.is_truthy(text:find(words, 1, true), text)
      end)
    end

    if may_wait then
      it("may wait: " .. name, function()
        assert.is_nil(phases[name]("anzol.sleep(0.001)")())
      end)
    elseif not is_logged[name] and name ~= "settings" then
      it("may not wait, and says where one may: " .. name, function()
        local text = phases[name]("anzol.sleep(0)")()
        local where = subject and (" (%s, scripts/main.lua:"):format(subject) or ""
        local words = ("anzol.sleep cannot wait in '%s'%s"):format(name, where)
        assert.is_truthy(text:find(words, 1, true), text)
        assert.is_truthy(text:find(WAITING, 1, true), text)
        assert.matches("^scripts/main.lua:2: ", text)
      end)
    end
  end
end)

describe("a phase, by the clock of a test,", function()
  after_each(testing_rig.finish)

  it("knows every function that waits: retry", function()
    local t = testing_rig.test [[
      local limiter = anzol.limiter("l", "1/h")
      local function waits() return {
        { "anzol.sleep", anzol.sleep, 1 }, { "anzol.all", anzol.all, print },
        { "anzol.http.get", anzol.http.get, "https://x.example/" },
        { "anzol.http.post", anzol.http.post, "https://x.example/" },
        { "anzol.http.put", anzol.http.put, "https://x.example/" },
        { "anzol.http.patch", anzol.http.patch, "https://x.example/" },
        { "anzol.http.delete", anzol.http.delete, "https://x.example/" },
        { "anzol.http.request", anzol.http.request, { url = "https://x.example/" } },
        { "anzol.http.all", anzol.http.all, { { url = "https://x.example/" } } },
        { "anzol.events", anzol.events() }, { "anzol.deliveries", anzol.deliveries() },
        { "anzol.kv:get", anzol.kv("k").get, anzol.kv "k", "x" },
        { "anzol.kv:list", anzol.kv("k").list, anzol.kv "k" },
        { "limiter:take", limiter.take, limiter, 1, { wait = true } },
      } end
      anzol.endpoint("crm", { url = "https://crm.example/", sign = false, retry = function()
        for _, it in ipairs(waits()) do
          local ok, why = pcall(it[2], table.unpack(it, 3))
          anzol.log.info(it[1], { ok = ok, why = why })
        end
        anzol.http.get "https://x.example/"
      end })
      anzol.on("a", function(event) event:send "crm" end)]]
    t:answer("crm", 500)
    t:receive("in", { json = { type = "a" } })
    local last = t.logs[#t.logs]
    assert.equal("retry function failed, the default policy is used", last.message)
    assert.equal(15, #t.logs)
    for i = 1, 14 do
      local line = t.logs[i]
      assert.equal("false", line.fields.ok, line.message)
      assert.is_truthy(line.fields.why:find(
        line.message .. " cannot wait in 'retry' (endpoint \"crm\", scripts/main.lua:", 1, true),
        line.fields.why)
      assert.is_truthy(line.fields.why:find(WAITING, 1, true), line.fields.why)
    end
    assert.equal("retrying", t:delivery("crm").state)
  end)

  for name in pairs(is_logged) do
    it(("is stopped after its time of the processor: %s, 10 ms"):format(name), function()
      local t = testing_rig.test(([[
        anzol.endpoint("crm", { url = "https://crm.example/", sign = false,
          %s = function() while true do end end })
        anzol.on("a", function(event) event:send "crm" end)]]):format(name))
      t:answer("crm", 500)
      t:receive("in", { json = { type = "a" } })
      assert.is_truthy(t.logs[1].fields.error:find(
        ("'%s' went over its CPU limit of %d ms"):format(name, 10 * rig.patience), 1, true),
        t.logs[1].fields.error)
      assert.equal("retrying", t:delivery("crm").state)
    end)
  end

  it("that waits has its time in sum: verify, challenge and respond 2.5 s, a handler 30 s", function()
    for _, hook in ipairs { "verify", "challenge", "respond" } do
      local t = testing_rig.test(([[
        local hooks = { type = "s", verify = anzol.verify.none() }
        hooks.%s = function() anzol.sleep "1h" end
        anzol.source("slow", hooks)
      ]]):format(hook))
      local from = t.now_ms
      local answer = t:receive("slow", { json = {} })
      assert.equal(500, answer.status)
      local words = ("'%s' went over its time limit of %d ms"):format(hook, 2500 * rig.patience)
      assert.is_truthy(answer.reason:find(words, 1, true), answer.reason)
      assert.equal(2500 * rig.patience, t.now_ms - from)
      assert.equal(0, #t.events)
    end
    local t = testing_rig.test [[anzol.on("a", function() anzol.sleep "1h" end)]]
    local from = t.now_ms
    t:receive("in", { json = { type = "a" } })
    assert.is_truthy(t.events[1].error:find(
      ("'handler' went over its time limit of %d ms"):format(30000 * rig.patience), 1, true))
    assert.equal(30000 * rig.patience, t.now_ms - from)
  end)

  it("that waits has its time: init 10 s", function()
    local t = testing_rig.test [[anzol.init(function() anzol.sleep "1h" end)]]
    local from = t.now_ms
    local why = testing_rig.message_of(t.receive, t, "in", { json = { type = "a" } })
    assert.is_truthy(why:find(
      ("'init' went over its time limit of %d ms"):format(10000 * rig.patience), 1, true), why)
    assert.equal(10000 * rig.patience, t.now_ms - from)
  end)
end)
