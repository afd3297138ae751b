-- SPDX-License-Identifier: MIT
-- anzol status, health, stop and tail over a faked server.
local dkjson = require "dkjson"
local failure = require "anzol.cli.failure"
local fake = require "support.fake_server"

local run = fake.run

setup(fake.open)
teardown(fake.close)
before_each(fake.reset)

local status = { status = "ok", version = "1.2.3", startedAt = "2026-03-02T08:00:00.000Z", generation = 4,
  workers = 2, sources = 1, endpoints = 2, subscriptions = 3,
  store = { isWritable = true, commits = 10, operations = 40, queued = 0, lastSyncUs = 1250 },
  secrets = { isSealed = true, key = "0123456789abcdef" } }

local function endpoint(changes)
  local row = { name = "crm", isRegistered = true, state = "enabled", reason = dkjson.null,
    failingSince = dkjson.null, breaker = "closed", pausedUntil = dkjson.null,
    slowedPerHour = dkjson.null, pending = 0, pendingIsLeast = false }
  for name, value in pairs(changes) do row[name] = value end
  return row
end

describe("anzol status", function()
  it("shows what runs, and the endpoints with something to tell", function()
    fake.answers = { { json = status }, { json = { data = { endpoint {}, endpoint { name = "erp", pending = 7 },
      endpoint { name = "chat", state = "paused" }, endpoint { name = "bank", breaker = "open" } } } } }
    local code, out, err = run "status"
    assert.same({ 0, "" }, { code, err })
    assert.equal("http://localhost/api/v1/status", fake.requests[1].url)
    for _, words in ipairs { "status      ok\n", "version     1.2.3\n", "generation  4\n",
      "scripts     1 sources, 2 endpoints, 3 subscriptions\n",
      "store       writable, 40 operations in 10 commits, 0 queued, last sync 1.2 ms\n",
      "secrets     sealed with key 0123456789abcdef\n",
      "\nerp   enabled        7  ", "\nchat  paused         0  ", "\nbank  enabled        0  breaker open" } do
      assert.matches(words, out, 1, true)
    end
    assert.is_nil(out:find("crm", 1, true))
  end)

  it("has no table when there is nothing to tell, and JSON as the API gives it", function()
    fake.answers = { { json = status }, { json = { data = { endpoint {} } } }, { body = dkjson.encode(status) } }
    local _, out = run "status"
    assert.is_nil(out:find("NAME", 1, true))
    _, out = run("status", "-o", "json")
    assert.same(status, dkjson.decode(out))
    assert.equal(3, #fake.requests)
  end)

  it("ends with 1 when the server takes no webhooks", function()
    local starting = setmetatable({ status = "starting" }, { __index = status })
    for name, value in pairs(status) do starting[name] = rawget(starting, name) or value end
    fake.answers = { { json = starting }, { json = { data = {} } } }
    assert.equal(1, (run "status"))
    assert.equal(69, (run "status"))
  end)
end)

describe("anzol health", function()
  it("says ok, or why not, by its exit code too", function()
    fake.answers = { { json = { status = "ok" } }, { status = 503, json = { status = "draining" } },
      { status = 503, json = { status = "stuck" } } }
    assert.same({ 0, "ok\n", "" }, { run "health" })
    assert.equal("http://localhost/healthz", fake.requests[1].url)
    assert.same({ 1, "draining\n", "" }, { run "health" })
    local code, out = run("health", "-o", "json")
    assert.same({ 1, '{"status":"stuck"}\n' }, { code, out })
    assert.equal(69, (run "health"))
    fake.answers = { { error = "no answer" } }
    assert.equal(75, (run "health"))
  end)
end)

describe("anzol stop", function()
  local draining = { json = { status = "draining", drainMs = 5000 } }

  it("asks for the drain, and returns when nobody answers any more", function()
    fake.answers = { draining, { status = 503, json = {} }, { status = 503, json = {} } }
    local code, out, err = run("stop", "--drain", "5s")
    assert.same({ 0, "", "draining, within 5000 ms\nstopped\n" }, { code, out, err })
    assert.same({ "POST", "http://localhost/api/v1/stop?drain=5s" }, { fake.requests[1].method,
      fake.requests[1].url })
    assert.equal(4, #fake.requests)
  end)

  it("ends with 75 when the server is there longer than its drain and five seconds more", function()
    local begun_ms = fake.native.now_ms()
    fake.native.fetch = function(request)
      local body = request.method == "POST" and draining.json or { status = "draining" }
      return { status = 200, headers = {}, body = dkjson.encode(body) }
    end
    local code, _, err = run "stop"
    assert.equal(75, code)
    assert.matches("the server is still there", err, 1, true)
    assert.is_true(fake.native.now_ms() - begun_ms >= 10000)
  end)

  it("says that it is on its way already", function()
    fake.answers = { { status = 409, json = { code = "stopping", detail = "the server is draining" } } }
    assert.same({ 75, "", "anzol: the server is draining\n" }, { run "stop" })
    assert.equal(69, (run "stop"))
  end)
end)

describe("anzol tail", function()
  local function event(number, changes)
    local row = { id = ("evt_%011d"):format(number), receivedAt = "2026-03-02T08:00:00.000Z",
      source = "github", type = "github.push", state = "pending", bodyBytes = 12 }
    for name, value in pairs(changes or {}) do row[name] = value end
    return row
  end

  -- settled: of the list of events, the number of an id.
  local function page(rows, is_end, settled)
    return { json = { data = rows, iterator = dkjson.null, done = is_end ~= false,
      settled = settled and ("evt_%011d"):format(settled),
      prevIterator = rows[1] and "-" .. rows[1].id or dkjson.null } }
  end
  local NONE = page {}

  -- The answers to who begins and looks: of events that were stored late there are none.
  local function with_late(first, ...)
    local answers = { NONE, first }
    for _, look in ipairs { ... } do
      for _, answer in ipairs(look) do answers[#answers + 1] = answer end
      answers[#answers + 1] = NONE
    end
    return answers
  end

  -- Runs it until so many answers were given; then it is broken off.
  local function tail(answers, ...)
    fake.answers = answers
    local sleep_ms = fake.native.sleep_ms
    fake.native.sleep_ms = function(ms)
      sleep_ms(ms)
      if #fake.answers == 0 then failure.raise(130, "broken off") end
    end
    local code, out, err = run("tail", ...)
    assert.equal(130, code, err)
    return out, (err:gsub("anzol: broken off\n$", ""))
  end

  local function ids(out)
    local list = {}
    for id in out:gmatch "evt_0+(%d+)" do list[#list + 1] = tonumber(id) end
    return list
  end

  it("prints what is new, oldest first, and nothing twice", function()
    local out, err = tail(with_late(page({ event(5) }, true, 5), { NONE }, { page({ event(7), event(6) }, true, 5) },
      { page({ event(8), event(7), event(6) }, true, 5) }))
    assert.equal("08:00:00.000  evt_00000000006  github  github.push  12 bytes", out:match "^[^\n]*")
    assert.same({ 6, 7, 8 }, ids(out))
    assert.equal("", err)
    assert.equal("http://localhost/api/v1/event?limit=250", fake.requests[2].url)
    assert.equal("http://localhost/api/v1/event?limit=250&late=false&iterator=-evt_00000000005", fake.requests[3].url)
  end)

  it("begins with the last ones when told, and with all where there was none", function()
    assert.same({ 4, 5, 6 }, ids(tail(with_late(page({ event(5), event(4), event(3) }, true, 3),
      { page({ event(6), event(5) }, true, 5) }), "-n", "2")))
    fake.reset()
    assert.same({ 1 }, ids(tail(with_late(page({}, true, 0), { page({ event(1) }, true, 0) }))))
    assert.matches("iterator=-evt_00000000000", fake.requests[3].url, 1, true)
  end)

  it("prints those that are stored late too, and reads all pages", function()
    local late = page { event(2) }
    late.json.prevIterator = "-evt_00000000077"
    local out = tail { NONE, page({ event(5) }, true, 5),
      page({ event(8), event(7) }, false, 6), page { event(9) }, NONE,
      page({ event(9), event(8), event(7), event(6) }, true, 9), late, NONE, NONE }
    assert.same({ 7, 8, 9, 6, 2 }, ids(out))
    local function iterator(number) return fake.requests[number].url:match "late=(%l+)&iterator=%-evt_0*(%d+)$" end
    assert.same({ { "false", "8" }, { "true", "0" }, { "false", "5" }, { "false", "9" }, { "true", "77" } },
      { { iterator(4) }, { iterator(5) }, { iterator(6) }, { iterator(8) }, { iterator(9) } })
  end)

  it("outlives a server that goes away, and tells it once", function()
    local lost, busy = { error = "no answer" }, { status = 503, json = { detail = "busy" } }
    local answers = with_late(page({ event(5) }, true, 5), { page({ event(6) }, true, 5) })
    for _, answer in ipairs { lost, busy, lost, page({ event(7), event(6) }, true, 5), NONE } do
      answers[#answers + 1] = answer
    end
    local out, err = tail(answers)
    assert.same({ 6, 7 }, ids(out))
    assert.equal("anzol: no answer; waiting for it\nthe server is back\n", err)
    assert.equal(69, (run "tail"))
    fake.answers = { NONE, page({}, true, 0), { status = 401, json = { detail = "send the token" } } }
    assert.equal(1, (run "tail"))
  end)

  it("chooses by source, type, status and expression", function()
    local rows = { event(9, { type = "github.issue" }), event(8, { bodyBytes = 99 }), event(7),
      event(6, { type = "github.pull_request.opened" }) }
    local function chosen(...)
      return ids(tail(with_late(page({ event(5) }, true, 5), { page(rows, true, 5) }), ...))
    end
    assert.same({ 7, 8 }, chosen("--type", "github.push"))
    assert.same({ 7, 8, 9 }, chosen("--type", "github.*"))
    assert.same({ 6 }, chosen("--type", "*.pull_request.*"))
    assert.same({ 6, 7, 8, 9 }, chosen("--type", "github.**"))
    assert.same({}, chosen("--type", "github-push"))
    assert.same({ 8, 9 }, chosen("--where", "bodyBytes > 50 or type:find 'issue'"))
    fake.reset()
    local answers = with_late(page({ event(5) }, true, 5), { page(rows, true, 5) })
    table.insert(answers, 1, { json = { data = { { name = "a b" } } } })
    tail(answers, "events", "--source", "a b")
    assert.matches("source=a+b", fake.requests[4].url, 1, true)
  end)

  it("prints attempts, chosen by endpoint and status, as JSON lines too", function()
    local function attempt(number, code, err)
      return { id = ("atmpt_%011d"):format(number), startedAt = "2026-03-02T08:00:00.000Z", endpoint = "crm",
        type = "a.b", number = 1, status = code or dkjson.null, error = err or dkjson.null, durationMs = 5 }
    end
    local rows = { attempt(4, 503), attempt(3, nil, "timeout"), attempt(2, 404), attempt(1, 200) }
    local function shown(...) return (tail({ page {}, page(rows) }, "attempts", ...)) end
    local out = tail({ { json = { data = { { name = "crm" } } } }, page {}, page(rows) },
      "attempts", "--endpoint", "crm")
    assert.matches("endpoint=crm", fake.requests[3].url, 1, true)
    assert.matches("^/api/v1/attempt", fake.requests[2].url:sub(#"http://localhost" + 1))
    assert.matches("atmpt_00000000003  crm  a.b  number 1: timeout in 5 ms\n", out, 1, true)
    assert.same({ "404", "503" }, { shown("--status", "4xx,503"):match "1: (%d+) .-1: (%d+) " })
    assert.equal(404, dkjson.decode(shown("--status", "404", "-o", "json"):match "^[^\n]+\n$").status)
    assert.equal("", shown("--where", "status and status >= 600"))
  end)

  it("says what is wrong with its options", function()
    for words, line in pairs {
      ["--endpoint and --status are of attempts"] = { "events", "--status", "5xx" },
      ["--source is of events"] = { "attempts", "--source", "x" },
      ["503 or 5xx"] = { "attempts", "--status", "bad" },
      ["unexpected symbol"] = { "--where", "a +" },
      ["--last"] = { "-n", "250" },
    } do
      local code, _, err = run("tail", table.unpack(line))
      assert.equal(2, code, err)
      assert.matches(words, err, 1, true)
    end
    fake.answers = { NONE, page({ event(5) }, true, 5), page({ event(6) }, true, 5) }
    local code, _, err = run("tail", "--where", "nothing.x")
    assert.equal(2, code)
    assert.matches("--where:1: attempt to index a nil value", err, 1, true)
  end)
end)
