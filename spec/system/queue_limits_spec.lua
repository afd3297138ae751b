-- SPDX-License-Identifier: MIT
-- Queues at their limits, and what makes them pass a message over: the real server.
local cli = require "support.cli"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local queues = require "support.queues"
local wait = require "support.wait"

local RECEIVERS = 10000
local BODY_BYTES = 64 * 1024 * 1024

local take, finish, make, row = queues.take, queues.finish, queues.make, queues.row

local large = [[
local anzol = require "anzol"
anzol.source("in", { verify = anzol.verify.none(), type = "thing", max_body = "64MiB" })
anzol.endpoint("jobs", { kind = "long_poll", path = "/queue/jobs", lease = "10m",
  auth = anzol.verify.bearer { secret = anzol.secret "QUEUE" } })
anzol.on("thing", function(event) event:send "jobs" end)
]]

describe("a queue", function()
  local server
  after_each(function() server:close() end)

  it("lets 10,000 receivers wait, and no more", function()
    server = queues.start { workers = 1 }
    local dir = files.temp_dir()
    local base = ("http://127.0.0.1:%d"):format(server.port)
    local many = process.spawn { argv = { files.program(), "bench", "queue", "--queue", base .. "/queue/jobs",
      "--token", "q-secret", "--receivers", tostring(RECEIVERS), "--url", base .. "/in/in", "--secret", "x",
      "--idle", "60s" }, output = dir .. "/output", errors = dir .. "/errors" }
    wait.until_true("all receivers", 60000, function()
      local answer = server:get "/api/v1/queue"
      return answer.data and answer.data[1].receivers == RECEIVERS
    end)
    local answer = queues.ask "/queue/jobs"
    assert.equal(503, answer.status)
    assert.equal("too_many_receivers", json.decode(answer.body).code)
    assert.truthy(answer.headers["retry-after"])
    assert.equal(503, queues.ask("/queue/line?wait=0").status)
    assert.equal(200, server:post("/in/in", "still taken").status)
    many:kill(9)
    many:wait(5000)
    wait.until_true("room again", 20000, function() return queues.ask("/queue/line?wait=0").status == 204 end)
    files.remove(dir)
  end)

  it("gives the largest body that a source may take, whatever is in it", function()
    server = queues.start { script = large }
    local cases = { { "\1", "AQEB", "base64" } }
    if os.getenv "ANZOL_LONG" == "1" then cases[2] = { '"', '\\"', "utf-8" } end -- seconds of escaping
    for _, case in ipairs(cases) do
      queues.post(case[1]:rep(BODY_BYTES))
      local answer = queues.ask "/queue/jobs?wait=20s"
      assert.equal(200, answer.status)
      local at = answer.body:find('"body":"', 1, true) + 8
      local last = answer.body:find('","bodyEncoding"', at, true) - 1
      local size = case[3] == "base64" and (BODY_BYTES + 2) // 3 * 4 or BODY_BYTES * 2
      assert.equal(size, last - at + 1)
      assert.equal(case[2], answer.body:sub(at, at + #case[2] - 1))
      assert.equal(case[3], answer.body:match '"bodyEncoding":"([^"]+)"')
      local id = answer.body:match '"id":"([^"]+)"'
      assert.same({ done = 1, lost = {} }, (finish("jobs", "ack", { ids = { id } })))
    end
  end)

  it("holds 128 MiB of answers that nobody reads, and no more", function()
    server = queues.start { script = large, workers = 1 }
    for _ = 1, 3 do queues.post(("x"):rep(60 * 1024 * 1024)) end
    local function leased()
      return server:get("/api/v1/queue").data[1].leased
    end
    local lines = {}
    for i = 1, 2 do
      lines[i] = http.open(server.port, 10)
      lines[i]:send(http.format { method = "GET", path = "/queue/jobs", headers = queues.auth })
      wait.until_true("a lease", 10000, function() return leased() == i end)
    end
    local answer = queues.ask "/queue/jobs"
    assert.same({ 503, "busy" }, { answer.status, json.decode(answer.body).code })
    wait.until_true("its message to be back", 5000, function() return leased() == 2 end)
    for i = 1, 2 do lines[i]:close() end
    for _ = 1, 3 do
      answer = wait.until_true("one of them", 10000, function()
        local found = queues.ask "/queue/jobs?wait=1s"
        return found.status == 200 and found
      end)
      assert.equal(1, tonumber(answer.body:match '"attempt":(%d+)'))
    end
  end)

  local function start_line(on_dead)
    server = queues.start { script = queues.script:gsub('(path = "/queue/line", auth = auth,)',
      '%1 retry = anzol.backoff.constant { base = "1h", attempts = 1 }, on_dead = "' .. on_dead .. '",') }
    for n = 1, 2 do make { to = "line", key = "a", n = n } end
    local first = take "line"[1]
    assert.equal(1, json.decode(first.body).n)
    assert.same({ done = 1, lost = {} }, (finish("line", "nack", { ids = { first.id } })))
    assert.equal("dead", row(first.id).state)
    return first
  end

  it("goes on behind a dead message of a key", function()
    start_line "skip"
    assert.equal(2, json.decode(take("line")[1].body).n)
  end)

  it("holds a key behind its dead message until that is dropped, or succeeds", function()
    local first = start_line "block"
    assert.same({}, take("line", "wait=300ms"))
    local id = first.id:match "^[^.]+"
    assert.equal(0, cli.ask(server, { "dead", "retry", id }).code)
    local again = take "line"
    assert.same({ 1, 2 }, { #again, again[1].attempt })
    finish("line", "nack", { ids = { again[1].id } })
    assert.same({}, take("line", "wait=300ms"))
    assert.equal(0, cli.ask(server, { "dead", "drop", id }).code)
    assert.equal(2, json.decode(take("line")[1].body).n)
  end)

  it("gives a leased message that has expired to nobody again", function()
    server = queues.start()
    make { to = "jobs", expires = "400ms" }
    local message = take "jobs"[1]
    process.sleep_ms(450)
    finish("jobs", "nack", { ids = { message.id }, delay = 0 })
    assert.same({}, take("jobs", "wait=100ms"))
    local dead = row(message.id)
    assert.same({ "dead", "nack" }, { dead.state, dead.attempts[1].error })
    assert.matches("expire", dead.reason)
  end)

  it("takes the acknowledgement of a leased message that has expired", function()
    server = queues.start()
    make { to = "jobs", expires = "200ms" }
    local message = take "jobs"[1]
    process.sleep_ms(250)
    assert.same({ done = 1, lost = {} }, (finish("jobs", "ack", { ids = { message.id } })))
    assert.equal("succeeded", row(message.id).state)
  end)
end)
