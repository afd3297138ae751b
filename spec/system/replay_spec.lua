-- SPDX-License-Identifier: MIT
-- Once more: replays, recoveries and dead letters by the many, as tasks that survive kill -9.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local LONG = os.getenv "ANZOL_LONG" == "1"
local EXIT_AS_KILLED = 137

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return req.headers["x-type"] or "thing" end })
local function endpoint(name, attempts)
  anzol.endpoint(name, { url = "$URL/" .. name, allow_private = true,
    sign = anzol.sign.standard { secret = anzol.secret "OUT" },
    retry = anzol.backoff.constant { base = "10ms", attempts = attempts } })
end
endpoint("one", 1)
endpoint("two", 1)
anzol.on("thing", function(event) event:send("one", { json = { text = "$TEXT" } }) end)
anzol.on("pair", { name = "first" }, function(event) event:send "one" end)
anzol.on("pair", { name = "second" }, function(event) event:send "two" end)
]]

describe("once more", function()
  local server, receiver

  local function start(text)
    local texts = scripts.with(receiver, (script:gsub("%$TEXT", text or "old")))
    server = Server.start { scripts = texts, secrets = scripts.secrets }
  end

  before_each(function()
    receiver = Receiver.start()
    start()
  end)
  after_each(function()
    server:close()
    receiver:stop()
  end)

  local function post(kind)
    local answer = server:post("/in/open", '{"n":1}', { ["X-Type"] = kind or "thing" })
    return json.decode(answer.body).id
  end

  local function ask(method, path)
    local answer = http.request { port = server.admin_port, method = method,
      path = "/api/v1/" .. path, body = "{}", headers = {
        Authorization = "Bearer " .. Server.token, ["Content-Type"] = "application/json" } }
    if not answer then return nil end
    return json.decode(answer.body), answer.status
  end

  local function await_task(id, limit_ms)
    return wait.until_true("the task is over", limit_ms or 5000, function()
      local task = server:get("/api/v1/task/" .. id)
      return task.state ~= "running" and task
    end)
  end

  local function replay(query)
    local task, status = ask("POST", "replay?" .. query)
    assert.equal(200, status, json.encode(task))
    return await_task(task.id)
  end

  local function await_states(state, count)
    wait.until_true(("%d deliveries %s"):format(count, state), 10000, function()
      return #server:list("/api/v1/delivery?state=" .. state) == count
    end)
  end

  it("an event: its handler runs as it is now, and its message keeps its id", function()
    local event = post()
    receiver:await(1)
    server:write_script("main.lua", scripts.with(receiver,
      (script:gsub("%$TEXT", "new")))["main.lua"])
    assert.equal(200, (select(2, ask("POST", "script/reload"))))
    local task = replay("ids=" .. event)
    assert.same({ "done", 1, 0, 1000 }, { task.state, task.done, task.skipped, task.permille })
    receiver:await(2)
    local records = receiver:take()
    assert.equal(records[1].id, records[2].id)
    assert.same({ '{"text":"old"}', '{"text":"new"}' }, { records[1].body, records[2].body })
    assert.equal("handled", server:get("/api/v1/event/" .. event).state)
    replay("newIds=true&ids=" .. event)
    receiver:await(3)
    assert.are_not.equal(records[1].id, receiver:take()[1].id)
  end)

  it("an event that got no type: its source is asked again", function()
    local broken = script:gsub('return req.headers%["x%-type"%] or "thing"', 'error "no type"')
    local function write(text)
      server:write_script("main.lua", scripts.with(receiver,
        (text:gsub("%$TEXT", "new")))["main.lua"])
      assert.equal(200, (select(2, ask("POST", "script/reload"))))
    end
    write(broken)
    local id = post()
    local function await_run(state)
      return wait.until_true("the run is " .. state, 5000, function()
        local event = server:get("/api/v1/event/" .. id)
        return event.runs[1].state == state and event
      end)
    end
    await_run "dead"
    assert.equal(200, (select(2, ask("POST", "event/" .. id .. "/retry"))))
    assert.matches("no type", await_run("dead").runs[1].error)
    write(script)
    assert.equal(200, (select(2, ask("POST", "event/" .. id .. "/retry"))))
    await_run "handled"
    receiver:await(1)
    local made = server:list("/api/v1/event?type=thing")[1]
    assert.same({ id, 14 }, { made.parentId, #receiver:take()[1].body })
    assert.equal(1, replay("ids=" .. id).done)
    receiver:await(2)
  end)

  it("an event of several handlers: one of them, or all", function()
    local event = post "pair"
    receiver:await(2)
    receiver:take()
    replay("subscription=second&ids=" .. event)
    receiver:await(3)
    assert.equal("/two", receiver:take()[1].path)
    replay("ids=" .. event)
    receiver:await(5)
    wait.until_true("handled", 5000, function()
      return server:get("/api/v1/event/" .. event).state == "handled"
    end)
  end)

  it("deliveries and messages by id, the same bytes and id", function()
    post()
    receiver:await(1)
    await_states("succeeded", 1)
    local row = server:get("/api/v1/delivery").data[1]
    replay("ids=" .. row.id .. "%20" .. row.messageId .. "%20dlv_00000000001")
    receiver:await(3)
    local records = receiver:take()
    for i = 2, 3 do
      assert.same({ records[1].id, records[1].hash }, { records[i].id, records[i].hash })
    end
    assert.equal(3, #server:get("/api/v1/delivery?event=" .. row.eventId).data)
  end)

  it("what filters choose, oldest first, at a rate, until it is cancelled", function()
    for _ = 1, 20 do post() end
    await_states("succeeded", 20)
    local _, status = ask("POST", "replay?endpoint=one&state=nowhere")
    assert.equal(422, status)
    assert.equal(0, replay("endpoint=two").done)
    assert.equal(0, replay("type=other").done)
    local since_ms = os.time() * 1000 + 3600000
    assert.equal(0, replay("since=" .. since_ms .. "&until=" .. since_ms + 1).done)
    assert.equal(20, replay("source=open&type=thing").done)
    await_states("succeeded", 40)
    local slow = ask("POST", "replay?endpoint=one&state=succeeded&rate=1/m")
    wait.until_true("the first is done", 5000, function()
      return server:get("/api/v1/task/" .. slow.id).done == 1
    end)
    assert.same({ 200, "cancelled" }, { select(2, ask("DELETE", "task/" .. slow.id)),
      await_task(slow.id).state })
    assert.equal(409, (select(2, ask("DELETE", "task/" .. slow.id))))
    assert.equal(1, server:get("/api/v1/task/" .. slow.id).done)
    assert.equal(404, (select(2, ask("DELETE", "task/tsk_00000000001"))))
  end)

  it("an endpoint that is well again gets what died meanwhile", function()
    receiver:answer("/one", { status = 500 })
    for _ = 1, 5 do post() end
    await_states("dead", 5)
    receiver:answer("/one", { status = 200 })
    local task = ask("POST", "endpoint/one/recover?since=2020-01-01T00:00:00Z")
    assert.equal("done", await_task(task.id).state)
    await_states("succeeded", 5)
    assert.equal(422, (select(2, ask("POST", "endpoint/one/recover?since=yesterday"))))
  end)

  it("at most 16 tasks at a time", function()
    for _ = 1, 2 do post() end
    await_states("succeeded", 2)
    local first
    for _ = 1, 16 do
      local task, status = ask("POST", "replay?type=thing&rate=1/h")
      assert.equal(200, status)
      first = first or task
    end
    local refusal, status = ask("POST", "replay?type=thing")
    assert.same({ 409, "too_many_tasks" }, { status, refusal.code })
    local result = cli.ask(server, { "replay", "--type", "thing" })
    assert.same({ 75, true }, { result.code, result.errors:find "too many tasks run" ~= nil })
    ask("DELETE", "task/" .. first.id)
    wait.until_true("there is room", 5000, function()
      return select(2, ask("POST", "replay?type=thing&rate=1/h")) == 200
    end)
  end)

  it("at most 8000 bytes of ids", function()
    local ids = ("dlv_00000000001+"):rep(500)
    local task, status = ask("POST", "replay?ids=" .. ids)
    assert.equal(200, status)
    assert.equal(500, await_task(task.id, 10000).skipped)
    local refusal
    refusal, status = ask("POST", "replay?ids=" .. ids .. "+")
    assert.equal(422, status)
    assert.same({ "at most 8000 bytes", "ids" }, { refusal.detail[1].msg,
      refusal.detail[1].loc[2] })
  end)

  it("the command line, with a bar, a dry run, filters and detached", function()
    receiver:answer("/one", { status = 500 })
    for _ = 1, 3 do post() end
    await_states("dead", 3)
    local result = cli.ask(server, { "replay", "--since", "1h", "--dry-run", "--type", "thing" })
    assert.equal(0, result.code, result.errors)
    assert.matches("^3 would be replayed\n  evt_%w+ thing handled\n", result.output)
    result = cli.ask(server, { "replay", "--dry-run", "--type", "*" })
    assert.matches("^3 would be replayed\n", result.output)
    result = cli.ask(server, { "replay", "--dry-run", "--type", "th*" })
    assert.equal(2, result.code)
    assert.matches("type: a pattern of types: segments of", result.errors, 1, true)
    assert.matches("type: a pattern of types:", cli.ask(server, { "events", "--type", "a..b" }).errors, 1, true)
    -- A filter that is empty, as of a variable that is not set, is not all.
    for _, words in ipairs { { "replay", "--type" }, { "replay", "--endpoint" }, { "replay", "--source" },
      { "dead", "drop", "--endpoint" }, { "dead", "retry", "--contains" } } do
      words[#words + 1] = ""
      result = cli.ask(server, words)
      assert.equal(2, result.code, result.output)
      assert.matches("it is empty: give it a value", result.errors, 1, true)
    end
    result = cli.ask(server, { "replay", "--endpoint", "one", "--subscription", "first", "--dry-run" })
    assert.equal(2, result.code)
    assert.matches("deliveries have no subscription", result.errors, 1, true)
    assert.equal(2, cli.ask(server, { "replay" }).code)
    assert.equal(2, cli.ask(server, { "replay", "evt_00000000001", "--since", "1h" }).code)
    assert.equal(2, cli.ask(server, { "dead", "retry" }).code)
    result = cli.ask(server, { "replay", "evt_00000000001", "crm" })
    assert.same({ 2, "anzol: 'crm' is no id of an event, a message or a delivery" },
      { result.code, result.errors:match "^[^\n]*" })
    result = cli.ask(server, { "replay", "evt_00000000001" })
    assert.equal(1, result.code)
    assert.matches("1 of them not replayed: not there", result.errors, 1, true)
    result = cli.ask(server, { "recover", "crm", "--since", "1h" })
    assert.same({ 1, "anzol: there is no endpoint 'crm'\n" }, { result.code, result.errors })
    result = cli.ask(server, { "dead", "list", "--contains", "no attempts", "-o", "json" })
    assert.equal(3, #json.decode(result.output).data)
    result = cli.ask(server, { "dead", "drop", "--endpoint", "two", "--kind", "delivery" })
    assert.matches("done, 0 done", result.errors)
    assert.equal(0, result.code, result.errors)
    result = cli.ask(server, { "dead", "retry", "--contains", "nobody said so" })
    assert.equal(0, result.code, result.errors)
    assert.equal(2, select(2, result.errors:gsub("done, 0 done", "")), result.errors) -- both kinds
    receiver:answer("/one", { status = 200 })
    result = cli.ask(server, { "recover", "one", "--since", "1h", "--dry-run" })
    assert.matches("^3 would be retried\n  dlv_%w+ thing dead\n", result.output)
    result = cli.ask(server, { "dead", "drop", "--kind", "handler", "--dry-run", "-o", "json" })
    assert.same({ data = { { matched = 0, sample = {} } } }, json.decode(result.output))
    assert.equal(2, cli.ask(server, { "dead", "drop", "evt_00000000001", "--dry-run" }).code)
    result = cli.ask(server, { "recover", "one", "--since", "1h", "--detach" })
    assert.equal(0, result.code, result.errors)
    local id = result.output:match "^(tsk_%w+)\n$"
    assert.equal(7200, replay("rate=2/s&since=" .. os.time() + 3600 .. "000").ratePerHour)
    assert.equal(0, cli.ask(server, { "tasks", "follow", id }).code)
    await_states("succeeded", 3)
    result = cli.ask(server, { "replay", server:get("/api/v1/event").data[1].id, "-o", "json" })
    assert.equal(0, result.code, result.errors)
    assert.equal("done", json.decode(result.output).state)
    result = cli.ask(server, { "tasks", "list" })
    assert.matches("replay", result.output)
    assert.equal(0, cli.ask(server, { "tasks", "show", id }).code)
    assert.equal(1, cli.ask(server, { "tasks", "cancel", id }).code)
  end)
end)

describe("kill -9 during a replay of many", function()
  local COUNT = LONG and 2000 or 250
  local points = { "task_step", "in_group", "after_write", "after_sync", "before_wake",
    "task_stepped" }
  local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()

  -- How often each message was given a delivery: { [times] = messages }.
  local function histogram(server)
    local times, counts = {}, {}
    for _, row in ipairs(server:list "/api/v1/delivery") do
      times[row.messageId] = (times[row.messageId] or 0) + 1
    end
    for _, n in pairs(times) do counts[n] = (counts[n] or 0) + 1 end
    return counts
  end

  it(("neither repeats nor loses one (seed %d)"):format(seed), function()
    math.randomseed(seed)
    local receiver = Receiver.start()
    local server = Server.start { scripts = scripts.with(receiver, script),
      secrets = scripts.secrets }
    local function ask(path)
      local ok, answer = pcall(http.request, { port = server.admin_port, method = "POST",
        path = path, body = "{}", headers = { Authorization = "Bearer " .. Server.token,
          ["Content-Type"] = "application/json" } })
      return ok and answer and answer.status == 200
    end
    local connection = http.open(server.port)
    for _ = 1, COUNT do
      connection:send(http.format { path = "/in/open", body = '{"n":1}' })
      assert.equal(200, connection:receive().status)
    end
    connection:close()
    local until_ms = os.time() * 1000 + 60000
    wait.until_true("all are made", 30000, function()
      return #server:list "/api/v1/delivery" == COUNT
    end)
    for round, point in ipairs(points) do
      server:stop()
      server:launch { ANZOL_CRASH_AT = ("%s:%d"):format(point,
        point:find "^task" and math.random(3) or math.random(12)) }
      pcall(server.await, server)
      ask(("/api/v1/replay?type=thing&until=%d"):format(until_ms))
      -- Others come until it dies: a point may want more groups than the replay makes.
      local how, code
      for _ = 1, 500 do
        pcall(server.post, server, "/in/open", "{}", { ["X-Type"] = "noise" })
        how, code = server:ended(20)
        if how then break end
      end
      assert.same({ "exit", EXIT_AS_KILLED }, { how, code }, point)
      server:restart()
      if #server:list "/api/v1/task" < round then
        assert.is_true(ask(("/api/v1/replay?type=thing&until=%d"):format(until_ms)))
      end
      wait.until_true("the task is done", 30000, function()
        local rows = server:list "/api/v1/task"
        return #rows == round and rows[1].state == "done"
      end)
      local task = server:list("/api/v1/task")[1]
      assert.same({ COUNT, 0 }, { task.done, task.skipped }, point)
      wait.until_true("all handlers ran", 30000, function()
        return #server:list "/api/v1/event?state=handled&type=thing" == COUNT
      end)
      assert.same({ [round + 1] = COUNT }, histogram(server), point)
    end
    server:close()
    receiver:stop()
  end)
end)
