-- SPDX-License-Identifier: MIT
-- anzol erase on the real server: nothing of the event is in its files any more, what was due is not
-- sent, and what is under way is awaited.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local lfs = require "lfs"
local scripts = require "support.scripts"
local sqlite = require "anzol_test.store"
local wait = require "support.wait"

local SCRIPT = [[
anzol.source("shop", { verify = anzol.verify.none(), type = "order.paid",
  idempotency_key = function(request) return request.headers["x-key"] end })
anzol.endpoint("crm", { url = "$URL/crm", sign = false, allow_private = true,
  retry = anzol.backoff.constant { base = "1h", attempts = 3 } })
anzol.endpoint("held", { url = "$URL/held", sign = false, allow_private = true })
anzol.on("order.paid", function(event)
  event:step("look", function() return "step of " .. event.data.person end)
  event:send("crm", { json = { hello = "dear " .. event.data.person } })
  event:send "held"
  event:emit("mail.wanted", { to = event.data.person })
end)
anzol.on("mail.wanted", function(event) error("no mail for " .. event.data.to) end)
]]

local WITHIN_MS = 15000

-- The names of the server's files that hold the text.
local function holders(server, text)
  local names = {}
  for name in lfs.dir(server.state_dir) do
    local path = server.state_dir .. "/" .. name
    if lfs.attributes(path, "mode") == "file" and files.read(path):find(text, 1, true) then
      names[#names + 1] = name
    end
  end
  return names
end

describe("anzol erase", function()
  local server, receiver

  before_each(function()
    receiver = Receiver.start()
    receiver:answer("/crm", { status = 500, body = "cannot find Zaphod here" },
      { status = 500 })
    server = Server.start { scripts = scripts.with(receiver, SCRIPT), workers = 1 }
    assert.equal(0, cli.ask(server, { "endpoints", "pause", "held" }).code)
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function receive(person, key)
    local answer = server:post("/in/shop", json.encode { person = person }, { ["x-key"] = key })
    assert.equal(200, answer.status)
    return answer.headers["x-anzol-event"] or server:get("/api/v1/event?type=order.paid&limit=1").data[1].id
  end

  local function await_attempt(id)
    wait.until_true("an attempt failed, a handler too", WITHIN_MS, function()
      local attempts = 0
      for _, row in ipairs(server:get("/api/v1/delivery?event=" .. id).data) do
        attempts = attempts + row.attemptCount
      end
      return attempts == 1 and #server:get("/api/v1/event?type=mail.wanted&state=retrying").data > 0
    end)
  end

  it("leaves nothing of the person in any file, and cancels what was due", function()
    local id = receive("Zaphod", "key-of-Zaphod")
    await_attempt(id)
    local other = receive("Trillian", "key-of-Trillian")
    assert.is_true(#holders(server, "Zaphod") > 0)
    local result = cli.ask(server, { "erase", id, "--yes" })
    assert.equal(0, result.code, result.errors)
    assert.equal(id .. " erased (2 events)\n", result.output)
    assert.same({}, holders(server, "Zaphod"))
    assert.is_true(#holders(server, "Trillian") > 0)
    local shown = server:get("/api/v1/event/" .. id)
    assert.same({ "erased", 0 }, { shown.state, shown.bodyBytes })
    assert.is_nil(shown.idempotencyKey)
    for _, row in ipairs(server:get("/api/v1/delivery?event=" .. id).data) do
      assert.same({ "cancelled", "erased" }, { row.state, row.reason })
      local whole = json.encode((server:get("/api/v1/delivery/" .. row.id)))
      assert.is_nil(whole:find("Zaphod", 1, true))
    end
    local listed = cli.ask(server, { "events", "list" }).output
    assert.matches(id .. "%s+%S+%s+%S+%s+%S*%s*erased", (listed:gsub(" +", " ")))
    assert.equal("pending", (function()
      for _, row in ipairs(server:get("/api/v1/delivery?event=" .. other).data) do
        if row.endpoint == "held" then return row.state end
      end
    end)())
    result = cli.ask(server, { "replay", id })
    assert.is_true(result.code ~= 0)
    local again = server:post("/in/shop", json.encode { person = "Zaphod" }, { ["x-key"] = "key-of-Zaphod" })
    assert.equal(200, again.status)
    assert.same({}, holders(server, "Zaphod"))
    server:kill()
    server:restart()
    assert.equal("erased", (server:get("/api/v1/event/" .. id)).state)
  end)

  it("awaits what is being sent, takes back what is leased, and lets no handler that runs add to it",
    function()
      server:write_script("slow.lua", (scripts.with(receiver, [[
        anzol.source("slow", { verify = anzol.verify.none(), type = "job" })
        anzol.endpoint("hangs", { url = "$URL/hangs", sign = false, allow_private = true })
        anzol.endpoint("jobs", { kind = "long_poll", path = "/queue/jobs", auth = anzol.verify.none() })
        anzol.on("job", function(event) event:send "hangs" event:send "jobs" end)
        anzol.on("job", { name = "waits" }, function(event)
          local res = anzol.http.get("$URL/hangs")
          event:send("hangs", { json = { late = event.data.person, status = res and res.status } })
        end)]])["main.lua"]))
      assert.equal(0, cli.ask(server, { "reload" }).code)
      receiver:answer("/hangs", { status = 500, delay_ms = 700, body = "no Marvin" })
      assert.equal(200, server:post("/in/slow", json.encode { person = "Marvin" }).status)
      receiver:await(2)
      local http = require "support.http"
      assert.matches("Marvin", http.request { port = server.port, method = "GET",
        path = "/queue/jobs" }.body)
      local id = server:get("/api/v1/event?type=job").data[1].id
      local result = cli.ask(server, { "erase", id, "--yes" })
      assert.equal(0, result.code, result.errors)
      assert.same({}, holders(server, "Marvin"))
      assert.same({ "exit", 0 }, { server:stop() }) -- the handler has ended
      assert.same({}, holders(server, "Marvin"))
      server:restart()
      for _, row in ipairs(server:get("/api/v1/delivery?event=" .. id).data) do
        assert.same({ "cancelled", "erased" }, { row.state, row.reason })
      end
    end)

  it("answers only when nothing of it can start any more", function()
    server:write_script("turns.lua", (scripts.with(receiver, [[
      anzol.source("turns", { verify = anzol.verify.none(), type = "turn" })
      anzol.on("turn", { concurrency = 1 }, function(event)
        for i = 1, 3 do anzol.http.post("$URL/" .. event.data.name .. i,
          { body = event.body, allow_private = true }) end
      end)]])["main.lua"]))
    assert.equal(0, cli.ask(server, { "reload" }).code)
    receiver:answer("/one1", { delay_ms = 60000 })
    local ids = {}
    for i, name in ipairs { "one", "two", "three" } do
      local answer = server:post("/in/turns", json.encode { name = name }, { ["x-key"] = name })
      assert.equal(200, answer.status)
      ids[i] = server:get("/api/v1/event?type=turn&limit=1").data[1].id
    end
    receiver:await(1)
    for i = 1, 2 do -- the one that waits for its turn, then the one that runs: cut short
      local result = cli.ask(server, { "erase", ids[3 - i], "--yes" })
      assert.equal(0, result.code, result.errors)
    end
    receiver:await(4)
    local paths = {}
    for i, record in ipairs(receiver:take()) do paths[i] = record.path end
    assert.same({ "/one1", "/three1", "/three2", "/three3" }, paths)
    wait.until_true("the third is handled", WITHIN_MS, function()
      return (server:get("/api/v1/event/" .. ids[3])).state == "handled"
    end)
    for i = 1, 2 do assert.equal("erased", (server:get("/api/v1/event/" .. ids[i])).state) end
  end)

  it("takes as many events at once as it may, and the rest when it is asked again", function()
    local limit = 2000
    local id = receive("Deep Thought", "key-of-deep")
    await_attempt(id)
    assert.same({ "exit", 0 }, { server:stop() })
    -- As many more, two generations of them: half of them of one event, each with another.
    sqlite.sql(server.state_dir .. "/anzol.db", ([[
      INSERT INTO event(id, source, type, parent, depth, bytes, received_ms)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
        SELECT (SELECT min(id) FROM event) - n.i * 256, 1, 'made', iif(n.i %% 2,
          (SELECT min(id) FROM event), (SELECT min(id) FROM event) - (n.i - 1) * 256), 1, 0, 0 FROM n]])
      :format(limit))
    server:restart()
    local result = cli.ask(server, { "erase", id, "--yes" })
    assert.equal(75, result.code)
    assert.matches("erase it again for the rest", result.errors, 1, true)
    local function left()
      return sqlite.sql(server.state_dir .. "/anzol.db",
        "SELECT count(*) FROM event WHERE erased_ms IS NULL")[1][1]
    end
    assert.equal(2, left())
    result = cli.ask(server, { "erase", id, "--yes" })
    assert.equal(0, result.code, result.errors)
    assert.equal(("%s erased (%d events)\n"):format(id, limit + 2), result.output)
    assert.equal(0, left())
  end)

  it("finds the event by its source and key, or says that there is none", function()
    local id = receive("Ford", "key-of-Ford")
    await_attempt(id)
    local result = cli.ask(server, { "erase", "--source", "shop", "--key", "key-of-Ford", "-y" })
    assert.equal(0, result.code, result.errors)
    assert.same({}, holders(server, "Ford"))
    assert.equal(1, cli.ask(server, { "erase", "--source", "shop", "--key", "no", "-y" }).code)
    assert.equal(1, cli.ask(server, { "erase", "evt_00000000001", "-y" }).code)
    assert.equal(2, cli.ask(server, { "erase", "dlv_00000000001", "-y" }).code)
    assert.equal(2, cli.ask(server, { "erase", "-y" }).code)
    assert.equal(2, cli.ask(server, { "erase", "--source", "shop", "-y" }).code)
    local unasked = cli.ask(server, { "erase", id })
    assert.equal(2, unasked.code)
    assert.matches("give --yes", unasked.errors, 1, true)
  end)

  it("finds what was published by the application's eventId", function()
    local http = require "support.http"
    local function post(path, body)
      return http.request { port = server.admin_port, method = "POST", path = path,
        body = json.encode(body), headers = { Authorization = "Bearer " .. Server.token,
          ["Content-Type"] = "application/json" } }
    end
    assert.equal(201, post("/api/v1/app", { name = "Acme", uid = "acme" }).status)
    local made = json.decode(post("/api/v1/app/acme/msg", { eventType = "user.made", eventId = "u-1",
      payload = { name = "Slartibartfast" } }).body)
    local result = cli.ask(server, { "erase", "--app", "acme", "--event-id", "u-1", "-y" })
    assert.equal(0, result.code, result.errors)
    assert.same({}, holders(server, "Slartibartfast"))
    local message = server:get("/api/v1/app/acme/msg/u-1")
    assert.same({ made.id, { expired = true } }, { message.id, message.payload })
    assert.equal(1, cli.ask(server, { "erase", "--app", "acme", "--event-id", "u-2", "-y" }).code)
    assert.equal(1, cli.ask(server, { "erase", "--app", "other", "--event-id", "u-1", "-y" }).code)
  end)
end)
