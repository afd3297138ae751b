-- SPDX-License-Identifier: MIT
-- Endpoints of kind "long_poll": receivers that ask for messages, the real server.
local Receiver = require "support.receiver"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local queues = require "support.queues"
local wait = require "support.wait"

local ask, take, finish, make, post, row, waiting =
  queues.ask, queues.take, queues.finish, queues.make, queues.post, queues.row, queues.waiting
local auth, script = queues.auth, queues.script

describe("a queue", function()
  local server

  before_each(function() server = queues.start() end)
  after_each(function() server:close() end)

  it("gives what came, exactly, and no more once it is acknowledged", function()
    local event = post("\0bytes\255", { ["X-Odd"] = "1" })
    local messages = take "jobs"
    assert.equal(1, #messages)
    local message = messages[1]
    assert.equal(event, message.eventId)
    assert.equal("thing", message.type)
    assert.equal(1, message.attempt)
    assert.equal("POST", message.method)
    assert.equal("/in/in", message.path)
    assert.equal("base64", message.bodyEncoding)
    assert.equal("AGJ5dGVz/w==", message.body)
    assert.matches('"name":"X%-Odd","value":"1"', json.encode(message.headers, { keyorder = { "name", "value" } }))
    assert.same({}, take("jobs", "wait=0"))
    assert.same({ done = 1, lost = {} }, (finish("jobs", "ack", { ids = { message.id } })))
    local stored = row(message.id)
    assert.equal("succeeded", stored.state)
    assert.same({ done = 0, lost = { message.id } }, (finish("jobs", "ack", { ids = { message.id } })))
  end)

  it("wakes a receiver that waits", function()
    local connection = waiting "jobs"
    make { to = "jobs", n = 1 }
    local answer = assert(connection:receive())
    connection:close()
    local message = json.decode(answer.body).data[1]
    assert.equal(1, json.decode(message.body).n)
    assert.equal("utf-8", message.bodyEncoding)
  end)

  it("says that there is nothing when the time is over", function()
    local started = process.mono_ms()
    local answer = ask "/queue/jobs?wait=300ms"
    assert.equal(204, answer.status)
    assert.is_true(process.mono_ms() - started >= 290)
  end)

  it("gives a message again at once when the receiver that waited had left", function()
    waiting("jobs"):close()
    make { to = "jobs" }
    local message = wait.until_true("the message", 10000, function() return take("jobs", "wait=1s")[1] end)
    assert.equal(1, message.attempt)
  end)

  it("gives a message again when its lease ends, and gives it up as the policy says", function()
    make { to = "short" }
    local first = take "short"[1]
    local second = take "short"[1]
    assert.equal(2, second.attempt)
    assert.not_equal(first.id, second.id)
    assert.same({ first.id }, finish("short", "ack", { ids = { first.id } }).lost)
    local dead = wait.until_true("its death", 10000, function()
      local found = row(second.id)
      return found.state == "dead" and found
    end)
    assert.matches("no attempts left after 2", dead.reason)
    assert.equal("lease", dead.attempts[1].error)
  end)

  it("keeps leases over kill -9", function()
    make { to = "jobs" }
    local message = take "jobs"[1]
    server:kill()
    server:restart()
    assert.same({}, take("jobs", "wait=0"))
    assert.same({ done = 1, lost = {} }, (finish("jobs", "ack", { ids = { message.id } })))
  end)

  it("gives back and extends", function()
    make { to = "jobs" }
    local message = take "jobs"[1]
    assert.same({ done = 1, lost = {} }, (finish("jobs", "extend", { ids = { message.id }, lease = "2m" })))
    assert.same({ done = 1, lost = {} },
      (finish("jobs", "nack", { ids = { message.id }, delay = 0, reason = "not today" })))
    local again = take "jobs"[1]
    assert.equal(2, again.attempt)
    assert.equal("not today", row(again.id).attempts[1].detail)
    assert.equal("nack", row(again.id).attempts[1].error)
    finish("jobs", "nack", { ids = { again.id } }) -- the policy's delay: an hour
    assert.same({}, take("jobs", "wait=0"))
  end)

  it("gives the next of an order key only after the one before", function()
    for n = 1, 3 do make { to = "line", key = "a", n = n } end
    make { to = "line", key = "b", n = 9 }
    local seen = {}
    local first = wait.until_true("both keys", 5000, function()
      for _, message in ipairs(take("line", "wait=1s")) do
        local data = json.decode(message.body)
        seen[data.key] = { id = message.id, n = data.n }
      end
      return seen.a and seen.b and seen.a
    end)
    assert.equal(1, first.n)
    assert.same({}, take("line", "wait=0"))
    finish("line", "ack", { ids = { first.id } })
    local second = take "line"
    assert.equal(1, #second)
    assert.equal(2, json.decode(second[1].body).n)
  end)

  it("wakes who waits for a key when the message before is cancelled", function()
    make { to = "line", key = "a", n = 1 }
    local first = take "line"[1]
    make { to = "line", key = "a", n = 2 }
    local connection = waiting "line"
    assert.equal(0, cli.ask(server, { "deliveries", "cancel", first.id:match "^[^.]+" }).code)
    local answer = assert(connection:receive())
    connection:close()
    assert.equal(2, json.decode(json.decode(answer.body).data[1].body).n)
    assert.same({ first.id }, finish("line", "ack", { ids = { first.id } }).lost)
  end)

  it("gives the higher priority first, and at most as many as asked for", function()
    make { to = "jobs", priority = 0, n = 1 }
    make { to = "jobs", priority = 5, n = 2 }
    wait.until_true("both deliveries", 5000, function() return #server:get("/api/v1/delivery").data == 2 end)
    local messages = take("jobs", "limit=1")
    assert.equal(1, #messages)
    assert.equal(2, json.decode(messages[1].body).n)
  end)

  it("lets nobody in without the secret", function()
    assert.equal(401, ask("/queue/jobs", {}).status)
    assert.equal(401, ask("/queue/jobs", { Authorization = "Bearer q-secreT" }).status)
    assert.equal(405, server:post("/queue/jobs", "", auth).status)
    assert.equal(404, ask("/queue/jobs/else").status)
  end)

  it("refuses a query that it does not understand", function()
    for query, why in pairs {
      ["limit=0"] = "limit is how many messages to give at once: 1 to 10 here",
      ["limit=some"] = "limit is how many messages to give at once: 1 to 10 here",
      ["limit="] = "limit is how many messages to give at once: 1 to 10 here",
      ["wait=soon"] = "wait is how long to wait for a message: .*, at most 20s here",
      ["wait=0&limti=5"] = "unknown parameter 'limti'; did you mean 'limit'%?",
      ["max=5"] = "unknown parameter 'max'; there are wait and limit",
      ["wait=0&wait=1"] = "wait is given twice",
    } do
      local answer = ask("/queue/jobs?" .. query)
      assert.equal(400, answer.status)
      assert.matches(why, json.decode(answer.body).detail)
    end
  end)

  it("takes a token in the query where it says so, and only there", function()
    assert.equal(204, ask("/queue/short?wait=0&access_token=q-secret", {}).status)
    assert.equal(401, ask("/queue/short?wait=0&access_token=q-secreT", {}).status)
    assert.equal(401, ask("/queue/jobs?wait=0&access_token=q-secret", {}).status)
    local answer = ask "/queue/jobs?wait=0&access_token=q-secret"
    assert.matches("unknown parameter 'access_token'", json.decode(answer.body).detail)
  end)

  it("gives as much as it has to who asks for more, and tells so", function()
    for _ = 1, 11 do make { to = "jobs" } end
    wait.until_true("all deliveries", 5000, function() return #server:get("/api/v1/delivery").data == 11 end)
    local answer = ask "/queue/jobs?limit=11"
    assert.same({ 10, "10" }, { #json.decode(answer.body).data, answer.headers["anzol-limit"] })
    assert.is_nil(answer.headers["anzol-wait"])
    answer = ask("/queue/jobs?limit=" .. ("9"):rep(30) .. "&wait=" .. ("9"):rep(30))
    assert.equal(1, #json.decode(answer.body).data)
    assert.same({ "10", "20s" }, { answer.headers["anzol-limit"], answer.headers["anzol-wait"] })
    answer = ask "/queue/jobs?limit=10&wait=0s"
    assert.equal(204, answer.status)
    assert.is_nil(answer.headers["anzol-limit"])
  end)

  it("decides on each id of a list: what is none is named, the others are done", function()
    make { to = "jobs", n = 1 }
    local message = take "jobs"[1]
    local answer = http.request { port = server.port, path = "/queue/jobs/ack", headers = auth,
      body = ([=[{"ids":["dlv_1", %q, null, "%s\u0000", ["x"]]}]=]):format(message.id, message.id) }
    assert.equal(200, answer.status)
    assert.equal(([=[{"done":1,"lost":[],"invalid":["dlv_1",null,"%s\u0000",["x"]]}]=]):format(message.id),
      answer.body)
    assert.equal("succeeded", row(message.id).state)
    local refused, status = finish("jobs", "nack", { ids = { "dlv_1" } })
    assert.equal(400, status)
    assert.matches("ids%[0%] is no id of a message", refused.detail)
    answer = http.request { port = server.port, path = "/queue/jobs/ack", headers = auth, body = '{"ids":[' }
    assert.matches("the body is no JSON object as .*: .+ near end of file", json.decode(answer.body).detail)
    make { to = "jobs" }
    answer = http.request { port = server.port, path = "/queue/jobs/nack", headers = auth,
      body = ('{"ids":[%q],"reason":"a\\u0000b"}'):format(take "jobs"[1].id) }
    assert.matches("reason is a text of at most 256 bytes, without NUL", json.decode(answer.body).detail)
  end)

  it("takes back what is given up for no time: no attempt, and the same id", function()
    make { to = "jobs" }
    local message = take "jobs"[1]
    for _, none in ipairs { 0, "0s" } do
      assert.same({ done = 1, lost = {} },
        (finish("jobs", "extend", { ids = { message.id }, lease = none })))
      assert.same({ done = 0, lost = { message.id } },
        (finish("jobs", "extend", { ids = { message.id }, lease = none })))
      local again = take "jobs"[1]
      assert.same({ message.id, 1 }, { again.id, again.attempt })
    end
    assert.same({}, row(message.id).attempts)
  end)

  it("refuses one more than each limit of a request", function()
    make { to = "jobs" }
    local id = take "jobs"[1].id
    local function ids(count)
      local all = {}
      for i = 1, count do all[i] = id end
      return all
    end
    local function refused(verb, body, why)
      local answer, status = finish("jobs", verb, body)
      assert.equal(400, status)
      assert.matches(why, answer.detail)
    end
    refused("ack", { ids = ids(1001) }, "ids is a list of 1 to 1000 ids")
    refused("ack", { ids = {} }, "ids is a list of 1 to 1000 ids")
    refused("nack", { ids = { id }, delay = "604801s" }, "delay is a time: .*, at most 7d")
    refused("nack", { ids = { id }, reason = ("x"):rep(257) }, "reason is a text of at most 256 bytes")
    refused("extend", { ids = { id }, lease = 43201 }, "lease is a time: .*, at most 12h")
    refused("ack", { ids = { id }, delay = 1 }, "unknown member 'delay'")
    local _, status = finish("jobs", "ack", { ids = { id }, more = ("x"):rep(65536) })
    assert.equal(413, status)
    assert.equal(1, (finish("jobs", "extend", { ids = ids(1000), lease = 43200 })).done // 1000)
    assert.same(1, (finish("jobs", "nack", { ids = { id }, delay = "604800s", reason = ("x"):rep(256) })).done)
  end)

  it("gives no more than 8 MiB at once, but always one message", function()
    post("", { ["X-Type"] = "big" })
    wait.until_true("both deliveries", 5000, function()
      return #server:get("/api/v1/delivery").data == 2
    end)
    for _ = 1, 2 do
      local messages = take "jobs"
      assert.same({ 1, 5 * 1024 * 1024 }, { #messages, #messages[1].body })
    end
  end)

  it("does not take the leases of another queue", function()
    make { to = "jobs" }
    local message = take "jobs"[1]
    assert.same({ message.id }, finish("line", "ack", { ids = { message.id } }).lost)
  end)

  it("keeps its messages while it is paused, and takes acknowledgements", function()
    make { to = "jobs" }
    local message = take "jobs"[1]
    assert.equal(0, cli.ask(server, { "endpoints", "pause", "jobs" }).code)
    make { to = "jobs" }
    local connection = waiting "jobs"
    assert.same({ done = 1, lost = {} }, (finish("jobs", "ack", { ids = { message.id } })))
    assert.same({}, take("jobs", "wait=0"))
    assert.equal(0, cli.ask(server, { "endpoints", "resume", "jobs" }).code)
    assert.equal(1, #json.decode(assert(connection:receive()).body).data)
    connection:close()
  end)

  it("does not give what has expired: it is dead, though nobody asked", function()
    local event = make { to = "jobs", expires = "20ms" }
    local dead = wait.until_true("its death", 5000, function()
      local found = server:get("/api/v1/delivery?event=" .. event).data[1]
      return found and found.state == "dead" and found
    end)
    assert.equal("expired before it was delivered", dead.reason)
    assert.same({}, take("jobs", "wait=0"))
  end)

  it("sends its receivers home when the server stops, and when the scripts no longer have it", function()
    local connection = waiting "jobs"
    server:write_script("main.lua", (script:gsub('"jobs"', '"others"'):gsub("/queue/jobs", "/queue/others")))
    assert.equal(0, cli.ask(server, { "reload" }).code)
    assert.equal(204, assert(connection:receive()).status)
    connection:close()
    connection = waiting("others", "?wait=20s")
    local started = process.mono_ms()
    server:stop()
    assert.is_true(process.mono_ms() - started < 10000)
    local answer = assert(connection:receive())
    assert.equal(204, answer.status)
    assert.equal("close", answer.headers.connection)
    connection:close()
  end)

  it("gives what was to be sent to a url before, and sends what was to be given", function()
    local receiver = Receiver.start()
    local queue = script:match 'anzol.endpoint%("jobs".-attempts = 3 } }%)'
    local sent = script:gsub(queue:gsub("%p", "%%%0"), ([[anzol.endpoint("jobs", { url = %q, sign = false,
      allow_private = true })]]):format(receiver:url "/jobs"))
    make { to = "jobs", n = 1 }
    local leased = take "jobs"[1]
    make { to = "jobs", n = 2 }
    server:write_script("main.lua", sent)
    assert.equal(0, cli.ask(server, { "reload" }).code)
    receiver:await(1)
    assert.equal(2, json.decode(receiver:take()[1].body).n) -- the other one is leased yet
    assert.equal(404, ask("/queue/jobs").status)
    assert.equal(0, cli.ask(server, { "endpoints", "pause", "jobs" }).code)
    make { to = "jobs", n = 3 }
    server:write_script("main.lua", script)
    assert.equal(0, cli.ask(server, { "reload" }).code)
    assert.equal(0, cli.ask(server, { "endpoints", "resume", "jobs" }).code)
    assert.equal(3, json.decode(take("jobs")[1].body).n)
    assert.same({ done = 1, lost = {} }, (finish("jobs", "ack", { ids = { leased.id } })))
    receiver:stop()
  end)

  it("shows who waits and what lies there", function()
    make { to = "jobs" }
    make { to = "jobs" }
    take("jobs", "limit=1")
    local connection = waiting "line"
    local result = cli.ask(server, { "queues" })
    assert.matches("NAME +STATE +WAITING +LEASED +OLDEST +RECEIVERS +PATH", result.output)
    assert.matches("jobs +enabled +1 +1 +2%S+Z +0 +/queue/jobs", result.output)
    assert.matches("line +enabled +0 +0 +%- +1 +/queue/line", result.output)
    local all = json.decode(cli.ask(server, { "queues", "-o", "json" }).output).data
    assert.equal(3, #all)
    result = cli.ask(server, { "queues", "show", "jobs" })
    assert.matches("state +enabled\nregistered +yes\npath +/queue/jobs\nwaiting +1\nleased +1\n", result.output)
    result = cli.ask(server, { "queues", "show", "job" })
    assert.equal(1, result.code)
    assert.matches("there is no queue 'job'; `anzol queues` lists them", result.errors)
    local metrics = http.request { port = server.admin_port, method = "GET", path = "/metrics",
      headers = { Authorization = "Bearer " .. server.token } }.body
    assert.matches('anzol_queue_receivers{endpoint="line"} 1\n', metrics)
    assert.matches('anzol_queue_given_total{endpoint="jobs"} 1\n', metrics)
    connection:close()
  end)

  it("shows what lies in a queue that the scripts no longer have", function()
    make { to = "jobs" }
    make { to = "jobs" }
    take("jobs", "limit=1")
    server:write_script("main.lua", (script:gsub('"jobs"', '"others"')))
    assert.equal(0, cli.ask(server, { "reload" }).code)
    local result = cli.ask(server, { "queues" })
    assert.matches("jobs +enabled +1 +1 +2%S+Z +0 +%- %(the scripts no longer have it%)", result.output)
    assert.matches("others +enabled +0 +0 +%- +0 +/queue/jobs", result.output)
    result = cli.ask(server, { "queues", "show", "jobs" })
    assert.matches("registered +no: the scripts no longer have it\nwaiting +1\nleased +1\n", result.output)
    server:write_script("main.lua", (script:gsub('"jobs"', '"others"')) ..
      'anzol.endpoint("jobs", { url = "https://a.example", sign = false })')
    assert.equal(0, cli.ask(server, { "reload" }).code)
    assert.is_nil(cli.ask(server, { "queues" }).output:find("jobs ", 1, true))
  end)

  it("goes on with a receiver that waited for long, or notices that it left", function()
    local connection, leaver = waiting "jobs", waiting "line"
    process.sleep_ms(1700) -- past the time when the connections are put aside
    leaver:close()
    wait.until_true("that it left", 1000, function()
      for _, queue in ipairs(server:get("/api/v1/queue").data) do
        if queue.name == "line" then return queue.receivers == 0 end
      end
    end)
    make { to = "jobs", text = ("x"):rep(500000) }
    local answer = assert(connection:receive())
    assert.equal(200, answer.status)
    assert.equal("application/json; charset=utf-8", answer.headers["content-type"])
    assert.matches("^%a+, %d%d %a+ %d%d%d%d %d%d:%d%d:%d%d GMT$", answer.headers.date)
    local message = json.decode(answer.body).data[1]
    connection:send(http.format { path = "/queue/jobs/ack", headers = auth,
      body = json.encode { ids = { message.id } } })
    assert.same({ done = 1, lost = {} }, (json.decode(assert(connection:receive()).body)))
    connection:send(http.format { method = "GET", path = "/queue/jobs?wait=1600ms", headers = auth })
    assert.equal(204, assert(connection:receive()).status)
    connection:send(http.format { method = "GET", path = "/queue/jobs?wait=20s", headers = auth })
    process.sleep_ms(1700)
    server:stop()
    answer = assert(connection:receive())
    assert.same({ 204, "close" }, { answer.status, answer.headers.connection })
    connection:close()
  end)
end)
