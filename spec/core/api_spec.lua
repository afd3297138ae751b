-- SPDX-License-Identifier: MIT
-- The admin listener (core/api) over real sockets, before a real store.
local admin = require "core.api_rig"
local api = require "anzol_test.api"
local http = require "support.http"
local json = require "dkjson"
local unix = require "socket.unix"

local OK, INVALID, IO, BUSY = 0, 3, 7, 6
local TOKEN, request, get, post = admin.TOKEN, admin.request, admin.get, admin.post
local rig, port, dir

local function open(options) rig, port, dir = admin.open(options) end

-- Status and code of a request with these header lines and no others.
local function probe(path, ...)
  local lines = { "GET " .. path .. " HTTP/1.1", ... }
  local answer = http.probe(port, table.concat(lines, "\r\n") .. "\r\nConnection: close\r\n\r\n")
  local body = json.decode(answer.body)
  return answer.status, body and body.code
end

-- One request over anzol.sock.
local function over_socket(path)
  local line = assert(unix())
  assert(line:connect(dir .. "/anzol.sock"))
  line:settimeout(5)
  line:send("GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
  local text = line:receive "*a"
  line:close()
  return tonumber(text:match "^HTTP/1.1 (%d+)"), text
end

local function ids(page)
  local list = {}
  for i, row in ipairs(page.data) do list[i] = row.id end
  return list
end

describe("the admin listener", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  it("answers /healthz without a token, whatever the Host", function()
    local status = probe("/healthz", "Host: 10.1.2.3:8081")
    assert.equal(200, status)
    local body, code, headers = request("GET", "/healthz", {})
    assert.equal(200, code)
    assert.same({ status = "ok" }, body)
    assert.equal("no-store", headers["cache-control"])
  end)

  it("answers the health that SDKs ask for, by its status alone", function()
    for _, path in ipairs { "/api/v1/health", "/api/v1/health/ping" } do
      rig:set_down(nil)
      local body, status = request("GET", path, {})
      assert.same({ nil, 204 }, { body, status })
      rig:set_down "draining"
      body, status = request("GET", path, {})
      assert.same({ 503, "not_serving", "draining" }, { status, body.code, body.detail })
    end
    rig:set_down(nil)
  end)

  it("says why it does not serve", function()
    rig:set_down "draining"
    local body, status = request("GET", "/healthz", {})
    assert.equal(503, status)
    assert.same({ status = "draining" }, body)
    rig:set_down(nil)
    assert.equal(200, (select(2, request("GET", "/healthz", {}))))
  end)

  it("wants its token for everything else", function()
    local body, status, headers = request("GET", "/api/v1/event", {})
    assert.equal(401, status)
    assert.equal("token_missing", body.code)
    assert.equal("Bearer", headers["www-authenticate"])
    for _, wrong in ipairs { "Bearer x", "Bearer " .. TOKEN .. "x", "Bearer " .. TOKEN:sub(1, -2),
      "Bearer", "Basic " .. TOKEN, TOKEN } do
      body, status = request("GET", "/api/v1/event", { Authorization = wrong })
      assert.equal(401, status, wrong)
      assert.equal("token_wrong", body.code)
    end
    assert.equal(200, (select(2, request("GET", "/api/v1/event",
      { Authorization = "bearer " .. TOKEN }))))
  end)

  it("tells a stranger nothing about its paths", function()
    for _, path in ipairs { "/", "/api/v1/nothing", "/api/v1/script/reload" } do
      assert.equal(401, (select(2, request("GET", path, {}))))
    end
  end)

  it("stops listening to an address after ten wrong tokens, for a minute", function()
    for _ = 1, 10 do request("GET", "/api/v1/event", { Authorization = "Bearer x" }) end
    local body, status, headers = get "/api/v1/event"
    assert.equal(429, status)
    assert.equal("too_many_failures", body.code)
    assert.equal("60", headers["retry-after"])
    assert.equal(200, (over_socket "/api/v1/event"))
    api.advance(60001)
    assert.equal(200, (select(2, get "/api/v1/event")))
  end)

  it("refuses a Host that is not a name of the loopback", function()
    local token = "Authorization: Bearer " .. TOKEN
    for _, host in ipairs { "localhost", "LOCALHOST:8081", "127.0.0.1:1", "127.9.9.9",
      "[::1]:8081" } do
      assert.equal(200, (probe("/api/v1/event", "Host: " .. host, token)), host)
    end
    for _, host in ipairs { "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8081",
      "10.0.0.1:8081", "127.evil" } do
      local status, code = probe("/api/v1/event", "Host: " .. host, token)
      assert.equal(403, status, host)
      assert.equal("unknown_host", code)
    end
  end)

  it("refuses the pages of other sites", function()
    local status, code = probe("/api/v1/event", "Host: localhost", "Origin: https://evil.example",
      "Authorization: Bearer " .. TOKEN)
    assert.equal(403, status)
    assert.equal("foreign_origin", code)
    assert.equal(403, (probe("/api/v1/event", "Host: localhost", "Origin: null",
      "Authorization: Bearer " .. TOKEN)))
    assert.equal(200, (probe("/api/v1/event", "Host: localhost", "Origin: http://localhost:8081",
      "Authorization: Bearer " .. TOKEN)))
  end)

  it("needs no token on its socket", function()
    assert.equal(200, (over_socket "/api/v1/event"))
  end)

  it("answers 404 for no resource and 405 with Allow for another method", function()
    local body, status = get "/api/v1/nothing"
    assert.equal(404, status)
    assert.equal("unknown_path", body.code)
    local _, code, headers = get "/api/v1/script/reload"
    assert.equal(405, code)
    assert.equal("POST", headers.allow)
  end)

  it("shows its status", function()
    local body, status = get "/api/v1/status"
    assert.equal(200, status)
    assert.equal("9.8.7", body.version)
    assert.equal("ok", body.status)
    assert.equal(1, body.generation)
    assert.equal(4, body.endpoints)
    assert.equal("2026-03-02T08:00:00.000Z", body.startedAt)
    assert.is_true(body.store.isWritable)
  end)
end)

describe("a stop by the API", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  local function stop(query)
    local body, status = request("POST", "/api/v1/stop" .. query, { Authorization = "Bearer " .. TOKEN,
      ["Content-Type"] = "application/json" }, "{}")
    return body, status
  end

  it("begins a drain, as long as the settings or the request say", function()
    assert.same({ { status = "draining", drainMs = 30000 }, 200 }, { stop "" })
    assert.same({ { status = "draining", drainMs = 250 }, 200 }, { stop "?drain=250ms" })
    assert.same({ { status = "draining", drainMs = 86400000 }, 200 }, { stop "?drain=1d" })
    for _, bad in ipairs { "?drain=soon", "?drain=-1", "?drain=25h", "?dran=1s" } do
      assert.equal(422, (select(2, stop(bad))), bad)
    end
  end)

  it("is refused of a server that does not serve, and to strangers", function()
    rig:set_down "draining"
    local body, status = stop ""
    assert.same({ 409, "stopping" }, { status, body.code })
    rig:set_down(nil)
    assert.equal(401, (select(2, request("POST", "/api/v1/stop", {}, "{}"))))
  end)
end)

describe("without a token the admin listener", function()
  after_each(admin.close)

  it("answers only /healthz over TCP and says how to set one", function()
    open()
    local body, status = get "/api/v1/event"
    assert.equal(403, status)
    assert.equal("token_not_set", body.code)
    assert.matches("ANZOL_ADMIN_TOKEN", body.detail, 1, true)
    assert.equal(200, (select(2, request("GET", "/healthz", {}))))
    assert.equal(200, (over_socket "/api/v1/event"))
  end)

  it("is open on loopback in development, to known Hosts only", function()
    open { dev = true }
    assert.equal(200, (select(2, request("GET", "/api/v1/event", {}))))
    assert.equal(403, (probe("/api/v1/event", "Host: evil.example")))
    local body, status = request("POST", "/api/v1/script/reload", { ["Content-Type"] = "text/plain" },
      "{}")
    assert.equal(415, status)
    assert.equal("content_type", body.code)
  end)

  it("knows the further names of admin_hosts", function()
    open { dev = true, hosts = { "hooks.example", "10.0.0.7" } }
    assert.equal(200, (probe("/api/v1/event", "Host: Hooks.Example:8081")))
    assert.equal(200, (probe("/api/v1/event", "Host: 10.0.0.7")))
    assert.equal(403, (probe("/api/v1/event", "Host: other.example")))
  end)
end)

describe("the events of the API", function()
  local events
  setup(function()
    open { token = TOKEN }
    local crm = rig:endpoint("crm", "http://127.0.0.1:1/")
    events = {}
    for i = 1, 5 do
      events[i] = rig:ingest { source = i == 3 and "stripe" or "github", type = "t." .. i % 2,
        received_ms = 1772438400000 + i, body = "body " .. i,
        key = i == 1 and "first" or nil, head = { { ":method", "POST" }, { ":path", "/in/github" },
          { ":query", "" }, { ":remote", "203.0.113.7" }, { "Content-Type", "text/plain" },
          { "X-Hub-Signature-256", "sha256=abc" }, { "X-More", "1" }, { "x-more", "2" } } }
    end
    rig:handle(events[1], { endpoint = crm })
    rig:handle(events[2], { skip = "not wanted" })
    rig:fail(events[3], { error = "a.lua:3: boom" })
    rig:fail(events[4], { due_ms = 4102444800000, error = "a.lua:3: again" })
  end)
  teardown(admin.close)

  it("come newest first in the envelope of lists", function()
    local page, status = get "/api/v1/event"
    assert.equal(200, status)
    assert.same({ events[5], events[4], events[3], events[2], events[1] }, ids(page))
    assert.is_true(page.done)
    assert.equal(events[1], page.iterator)
    assert.equal("-" .. events[5], page.prevIterator)
    assert.same({ id = events[1], source = "github", type = "t.1", state = "handled",
      receivedAt = "2026-03-02T08:00:00.001Z", idempotencyKey = "first", bodyBytes = 6 },
      page.data[5])
  end)

  it("have the state of the worst run, and say why it is so", function()
    local states, errors = {}, {}
    for i, row in ipairs(get("/api/v1/event").data) do states[i], errors[i] = row.state, row.error or "-" end
    assert.same({ "pending", "retrying", "dead", "skipped", "handled" }, states)
    assert.same({ "-", "a.lua:3: again", "a.lua:3: boom", "not wanted", "-" }, errors)
  end)

  it("are paged by iterator", function()
    local first = get "/api/v1/event?limit=2"
    assert.same({ events[5], events[4] }, ids(first))
    assert.is_false(first.done)
    local second = get("/api/v1/event?limit=2&iterator=" .. first.iterator)
    assert.same({ events[3], events[2] }, ids(second))
    local third = get("/api/v1/event?limit=2&iterator=" .. second.iterator)
    assert.same({ events[1] }, ids(third))
    assert.is_true(third.done)
  end)

  it("are paged back by prevIterator, still newest first", function()
    local back = get("/api/v1/event?limit=2&iterator=-" .. events[2])
    assert.same({ events[4], events[3] }, ids(back))
    assert.is_false(back.done)
    local start = get("/api/v1/event?limit=2&iterator=" .. back.prevIterator)
    assert.same({ events[5] }, ids(start))
    assert.is_true(start.done)
  end)

  it("are filtered by source, type and state", function()
    assert.same({ events[3] }, ids(get "/api/v1/event?source=stripe"))
    assert.same({ events[4], events[2] }, ids(get "/api/v1/event?type=t.0"))
    for state, n in pairs { pending = 5, retrying = 4, dead = 3, skipped = 2, handled = 1 } do
      assert.same({ events[n] }, ids(get("/api/v1/event?state=" .. state)), state)
    end
    assert.same({}, ids(get "/api/v1/event?source=nobody"))
  end)

  it("give 422 with the place of every bad parameter", function()
    local body, status = get "/api/v1/event?limit=251&iterator=evt_1&state=lost&sorce=github"
    assert.equal(422, status)
    local found = {}
    for _, row in ipairs(body.detail) do
      assert.equal("query", row.loc[1])
      found[row.loc[2]] = row.msg
    end
    assert.equal("a whole number from 1 to 250 is wanted", found.limit)
    assert.truthy(found.iterator)
    assert.equal("unknown state; there are pending, retrying, handled, skipped, dead, erased",
      found.state)
    assert.equal("unknown parameter; did you mean 'source'?", found.sorce)
    for _, limit in ipairs { "0", "-1", "x", "1x", "99999999999999999999" } do
      assert.equal(422, (select(2, get("/api/v1/event?limit=" .. limit))), limit)
    end
    assert.equal(200, (select(2, get "/api/v1/event?limit=250")))
    assert.equal(422, (select(2, get "/api/v1/event?source=a%00b")))
    assert.same({}, ids(get "/api/v1/event?source=a%zz"))
  end)

  it("show one with its request and its runs", function()
    local event, status = get("/api/v1/event/" .. events[3])
    assert.equal(200, status)
    assert.equal("POST", event.method)
    assert.equal("/in/github", event.path)
    assert.equal("203.0.113.7", event.remoteIp)
    assert.equal("text/plain", event.contentType)
    assert.equal("body 3", event.body)
    assert.equal("utf-8", event.bodyEncoding)
    assert.equal(1, #event.runs)
    assert.equal("sub", event.runs[1].subscription)
    assert.equal("dead", event.runs[1].state)
    assert.equal("a.lua:3: boom", event.runs[1].error)
  end)

  it("show headers in wire order, signatures by name only", function()
    local event = get("/api/v1/event/" .. events[1])
    assert.same({ { name = "Content-Type", value = "text/plain" },
      { name = "X-Hub-Signature-256", value = "[hidden]" },
      { name = "X-More", value = "1" }, { name = "x-more", value = "2" } }, event.headers)
  end)

  it("show bytes that are no text in base64", function()
    local id = rig:ingest { body = "\xff\0\1" }
    local event = get("/api/v1/event/" .. id)
    assert.equal("/wAB", event.body)
    assert.equal("base64", event.bodyEncoding)
  end)

  it("tell a skip's reason and a retry's time", function()
    assert.equal("not wanted", get("/api/v1/event/" .. events[2]).runs[1].error)
    local run = get("/api/v1/event/" .. events[4]).runs[1]
    assert.equal("retrying", run.state)
    assert.equal("2100-01-01T00:00:00.000Z", run.nextAt)
  end)

  it("are 404 for what is not there or no id", function()
    for _, id in ipairs { "evt_00000000000", "dlv_00000000001", "x", ("a"):rep(256), "evt_1" } do
      local body, status = get("/api/v1/event/" .. id)
      assert.equal(404, status, id)
      assert.equal("not_found", body.code)
    end
    for _, path in ipairs { "/api/v1/event//", "/api/v1/event/" .. ("a"):rep(257),
      "/api/v1/event/a/b" } do
      assert.equal("unknown_path", (get(path)).code)
    end
  end)
end)

describe("the deliveries of the API", function()
  local crm, event, delivery, other
  setup(function()
    open { token = TOKEN }
    crm = rig:endpoint("crm", "http://127.0.0.1:1/")
    local chat = rig:endpoint("chat", "http://127.0.0.1:1/")
    event = rig:ingest {}
    delivery = rig:handle(event, { endpoint = crm, type = "made.type", body = "{}" })
    other = rig:handle(rig:ingest {}, { endpoint = chat, body = "{}" })
    rig:settle(delivery, { state = "retrying", due_ms = 4102444800000, error = 1,
      detail = "no answer within 15 s" })
    rig:settle(delivery, { state = "dead", number = 2, status = 500, reason = "six tries",
      detail = "refused", body = "nope\xff",
      head = { { "Set-Cookie", "a=b" }, { "Server", "x" } } })
  end)
  teardown(admin.close)

  it("are listed with their last outcome", function()
    local page, status = get "/api/v1/delivery"
    assert.equal(200, status)
    assert.same({ other, delivery }, ids(page))
    local row = page.data[2]
    assert.equal(event, row.eventId)
    assert.equal("crm", row.endpoint)
    assert.matches("^ep_", row.endpointId)
    assert.matches("^msg_", row.messageId)
    assert.equal("made.type", row.type)
    assert.equal("dead", row.state)
    assert.equal("six tries", row.reason)
    assert.equal(2, row.attemptCount)
    assert.equal(500, row.lastStatus)
    assert.is_nil(row.lastError)
    assert.is_nil(row.nextAttemptAt)
    assert.is_nil(page.data[1].lastStatus)
  end)

  it("are filtered by endpoint, event and state", function()
    assert.same({ delivery }, ids(get "/api/v1/delivery?endpoint=crm"))
    assert.same({ delivery }, ids(get("/api/v1/delivery?event=" .. event)))
    assert.same({ delivery }, ids(get "/api/v1/delivery?state=dead"))
    assert.same({ other }, ids(get "/api/v1/delivery?state=pending"))
    assert.same({}, ids(get "/api/v1/delivery?endpoint=nobody"))
    for _, filter in ipairs { "event=evt_x", "event=evt_00000000000", "message=msg_00000000000",
      "event=", "message=", "endpoint=", "type=", "state=", "source=", "contains=", "since=", "limit=" } do
      assert.equal(422, (select(2, get("/api/v1/delivery?" .. filter))))
    end
    assert.equal(422, (select(2, get "/api/v1/delivery?sorce=github")))
    assert.same({ other, delivery }, ids(get "/api/v1/delivery?source=github&since=0"))
    assert.same({}, ids(get "/api/v1/delivery?source=stripe"))
    assert.same({}, ids(get "/api/v1/delivery?until=2020-01-01T00:00:00Z"))
    assert.equal(422, (select(2, get "/api/v1/delivery?since=yesterday")))
  end)

  it("show every attempt", function()
    local shown, status = get("/api/v1/delivery/" .. delivery)
    assert.equal(200, status)
    assert.equal(2, #shown.attempts)
    local first, second = shown.attempts[1], shown.attempts[2]
    if first.number > second.number then first, second = second, first end
    assert.equal("timeout", first.error)
    assert.is_nil(first.status)
    assert.equal("retrying", first.state)
    assert.equal("2100-01-01T00:00:00.000Z", first.nextAttemptAt)
    assert.equal("no answer within 15 s", first.detail)
    assert.equal(500, second.status)
    assert.is_nil(second.error)
    assert.equal("dead", second.state)
    assert.equal(12, second.durationMs)
    assert.equal("base64", second.responseBodyEncoding)
    assert.same({ { name = "Set-Cookie", value = "[hidden]" }, { name = "Server", value = "x" } },
      second.responseHeaders)
  end)

  it("are paged back too", function()
    assert.same({ other }, ids(get("/api/v1/delivery?iterator=-" .. delivery)))
    assert.same({ delivery }, ids(get("/api/v1/delivery?iterator=" .. other)))
  end)
end)

describe("the endpoints of the API", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  it("tell what is still to be sent, and which the scripts no longer have", function()
    local crm = rig:endpoint("crm", "http://127.0.0.1:1/")
    rig:endpoint("gone", "http://127.0.0.1:1/")
    rig:handle(rig:ingest {}, { endpoint = crm, body = "{}" })
    local body, status = get "/api/v1/endpoint"
    assert.equal(200, status)
    assert.equal(2, #body.data)
    local second, first = body.data[1], body.data[2] -- newest first
    assert.same({ "crm", true, "enabled", 1, false },
      { first.name, first.isRegistered, first.state, first.pending, first.pendingIsLeast })
    assert.same({ "gone", false, 0 }, { second.name, second.isRegistered, second.pending })
    assert.matches("^ep_%w+$", first.id)
  end)

  it("tell how their owners pace them", function()
    rig:endpoint("crm", "http://127.0.0.1:1/")
    rig:endpoint("chat", "http://127.0.0.1:1/")
    local rows = get("/api/v1/endpoint").data
    assert.same({ "open", "2026-03-02T08:00:00.000Z", 3600 },
      { rows[2].breaker, rows[2].pausedUntil, rows[2].slowedPerHour })
    assert.equal("closed", rows[1].breaker)
    assert.is_nil(rows[1].pausedUntil)
    assert.is_nil(rows[1].slowedPerHour)
  end)

  it("come page by page, newest first", function()
    local names = {}
    for i = 1, 5 do
      names[6 - i] = "e" .. i
      rig:endpoint("e" .. i, "http://127.0.0.1:1/")
    end
    local function named(rows)
      local list = {}
      for i, row in ipairs(rows) do list[i] = row.name end
      return list
    end
    local page = get "/api/v1/endpoint?limit=2"
    assert.same({ { "e5", "e4" }, false }, { named(page.data), page.done })
    page = get("/api/v1/endpoint?limit=2&iterator=" .. page.iterator)
    assert.same({ "e3", "e2" }, named(page.data))
    local back = get("/api/v1/endpoint?limit=2&iterator=" .. page.prevIterator)
    assert.same({ "e5", "e4" }, named(back.data))
    page = get("/api/v1/endpoint?limit=2&iterator=" .. page.iterator)
    assert.same({ { "e1" }, true }, { named(page.data), page.done })
    assert.same(names, named(get("/api/v1/endpoint").data))
    assert.equal(422, (select(2, get "/api/v1/endpoint?iterator=crm")))
    assert.equal(422, (select(2, get "/api/v1/endpoint?limit=251")))
  end)
end)

describe("an endpoint's state by the API", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  it("is changed by its verbs", function()
    for verb, state in pairs { pause = "paused", resume = "enabled", disable = "disabled",
      enable = "enabled" } do
      local body, status = post("/api/v1/endpoint/crm/" .. verb)
      assert.equal(200, status)
      assert.same({ name = "crm", state = state }, body)
    end
  end)

  it("is not changed of one that is not there, nor from a state that does not allow it", function()
    for _, path in ipairs { "/api/v1/cron/%s/run", "/api/v1/poll/%s/run" } do
      local asked, answered = post(path:format "daily")
      assert.same({ 200, "daily", "due" }, { answered, asked.name, asked.state })
      assert.equal(404, (select(2, post(path:format "gone"))))
    end
    local body, status = post "/api/v1/endpoint/gone/pause"
    assert.same({ 404, "not_found" }, { status, body.code })
    body, status = post "/api/v1/endpoint/chat/resume"
    assert.same({ 409, "state", "the endpoint is disabled: enable it first" },
      { status, body.code, body.detail })
  end)

  it("is not changed with a parameter that is unknown, or a reason that is too long", function()
    for query, wanted in pairs { ["pause?why=x"] = 422, ["resume?reason=x"] = 422,
      ["pause?reason=" .. ("x"):rep(257)] = 422, ["pause?reason=" .. ("x"):rep(256)] = 200 } do
      assert.equal(wanted, select(2, post("/api/v1/endpoint/crm/" .. query)))
    end
  end)
end)

describe("a reload by the API", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  it("answers when the new generation serves", function()
    rig:set_reload { status = OK, generation = 2 }
    local body, status = post "/api/v1/script/reload"
    assert.equal(200, status)
    assert.same({ generation = 2, findings = {} }, body)
    assert.equal(1, rig:reloads())
  end)

  it("tells file, line and reason of a refusal", function()
    rig:set_reload { status = INVALID, generation = 1, detail = "a.lua:3: boom",
      findings = { { file = "a.lua", message = "boom" } } }
    local body, status = post "/api/v1/script/reload"
    assert.equal(422, status)
    assert.equal("refused", body.code)
    assert.equal("a.lua:3: boom", body.detail)
    assert.equal(1, body.generation)
    assert.same({ level = "error", file = "a.lua", line = 3, phase = "load", message = "boom" },
      body.findings[1])
  end)

  it("says that another is under way, or that it failed", function()
    rig:set_reload { status = BUSY, generation = 1, detail = "wait" }
    assert.equal(409, (select(2, post "/api/v1/script/reload")))
    rig:set_reload { status = IO, generation = 1, detail = "no" }
    assert.equal(500, (select(2, post "/api/v1/script/reload")))
  end)

  it("takes a body of 64 KiB, not one byte more", function()
    rig:set_reload { status = OK, generation = 2 }
    local headers = { Authorization = "Bearer " .. TOKEN, ["Content-Type"] = "application/json" }
    local function send(bytes)
      return (select(2, request("POST", "/api/v1/script/reload", headers, (" "):rep(bytes))))
    end
    assert.equal(200, send(65536))
    assert.equal(413, send(65537))
  end)

  it("wants JSON, which a page of another site can't send", function()
    local _, status = post("/api/v1/script/reload", { ["Content-Type"] = "text/plain" })
    assert.equal(415, status)
    assert.equal(0, rig:reloads())
    -- For these the browser asks first, and is told nothing.
    _, status = request("DELETE", "/api/v1/app/x", { Authorization = "Bearer " .. TOKEN })
    assert.equal(404, status)
  end)

  it("outlives a client that left", function()
    rig:set_reload { status = OK, generation = 2, hold = true }
    local connection = http.open(port)
    connection:send(http.format { method = "POST", path = "/api/v1/script/reload", body = "{}",
      headers = { Authorization = "Bearer " .. TOKEN, ["Content-Type"] = "application/json" } })
    while rig:reloads() == 0 do get "/healthz" end
    connection:close()
    for _ = 1, 20 do get "/healthz" end
    assert.is_true(rig:finish_reload())
    assert.equal(200, (select(2, get "/healthz")))
  end)

  it("is awaited by a listener that closes", function()
    rig:set_reload { status = OK, generation = 2, hold = true }
    local connection = http.open(port)
    connection:send(http.format { method = "POST", path = "/api/v1/script/reload", body = "{}",
      headers = { Authorization = "Bearer " .. TOKEN, ["Content-Type"] = "application/json" } })
    while rig:reloads() == 0 do get "/healthz" end
    rig:close()
    admin.forget()
    assert.equal(503, connection:receive().status)
    connection:close()
  end)
end)
