-- SPDX-License-Identifier: MIT
-- Commands (lua/anzol/cli) over a faked server: what they ask it for, what they print where, and how
-- they end. spec/system runs the real program.
local dkjson = require "dkjson"
local fake = require "support.fake_server"

local run = fake.run

setup(fake.open)
teardown(fake.close)
before_each(fake.reset)

local page = { data = { { id = "evt_00000000001", receivedAt = "2026-03-02T08:00:00.000Z",
  source = "github", type = "github.push", state = "handled", bodyBytes = 12 } },
  iterator = "evt_00000000001", prevIterator = dkjson.null, done = true }

describe("anzol events", function()
  it("lists as a table", function()
    fake.answers = { { json = page } }
    local code, out, err = run("events", "list")
    assert.equal(0, code)
    assert.equal("", err)
    assert.equal("ID               RECEIVED                  SOURCE  TYPE         STATE    BYTES\n"
      .. "evt_00000000001  2026-03-02T08:00:00.000Z  github  github.push  handled     12\n", out)
  end)

  it("sends its filters, before or behind the word list", function()
    fake.answers = { { json = page }, { json = page } }
    run("events", "--source", "git hub", "--limit", "10", "list", "--state", "dead")
    assert.equal("http://localhost/api/v1/event?limit=10&source=git+hub&state=dead",
      fake.requests[1].url)
    run("events", "--type", "a.b", "--iterator", "evt_00000000001")
    assert.equal("http://localhost/api/v1/event?limit=50&iterator=evt_00000000001&type=a.b",
      fake.requests[2].url)
  end)

  it("tells how to go on, on standard error", function()
    local more = { data = page.data, iterator = "evt_00000000001", done = false }
    fake.answers = { { json = more }, { json = more } }
    local _, _, err = run("events", "--limit", "1")
    assert.equal("more: anzol events --limit 1 --iterator evt_00000000001\n", err)
    _, _, err = run("--quiet", "events", "--limit", "1")
    assert.equal("", err)
    fake.answers = { { json = more } }
    _, _, err = run("events", "--source", "git hub's", "--type", "a.b", "--limit", "1")
    assert.equal("more: anzol events --source 'git hub'\\''s' --type a.b --limit 1"
      .. " --iterator evt_00000000001\n", err)
  end)

  it("asks on while a page comes short, which it does where the server had to pass over much", function()
    local short = { data = {}, iterator = "evt_00000000009", prevIterator = dkjson.null, done = false }
    local one = { data = page.data, iterator = "evt_00000000001", prevIterator = "-evt_00000000001", done = false }
    fake.answers = { { json = short }, { json = one }, { json = one } }
    local _, out, err = run("events", "--limit", "2", "--type", "rare")
    assert.same({ 3, "more: anzol events --type rare --limit 2 --iterator evt_00000000001\n" },
      { select(2, out:gsub("\n", "")), err })
    assert.equal("http://localhost/api/v1/event?limit=1&iterator=evt_00000000001&type=rare", fake.requests[3].url)
    fake.answers = { { json = short }, { json = page } }
    _, out = run("events", "-o", "json")
    local shown = dkjson.decode(out)
    assert.same({ page.data[1].id, true }, { shown.data[1].id, shown.done })
  end)

  it("takes a time ago or an instant, and no number that is neither", function()
    fake.answers = { { json = page } }
    run("events", "--since", "2026-03-02T08:00:00Z", "--until", "1772438400000")
    assert.equal("http://localhost/api/v1/event?limit=50&since=2026-03-02T08%3A00%3A00Z&until=1772438400000",
      fake.requests[1].url)
    for text, words in pairs { ["5"] = "that was in 1970; so long ago is 250ms, 5s, 10m, 2h, 7d",
      abc = "'abc': 250ms, 5s, 10m, 2h, 7d, or an instant such as", ["2y"] = "'2y': 250ms, 5s" } do
      local code, _, err = run("events", "--since", text)
      assert.equal(2, code)
      assert.matches(words, err, 1, true)
    end
  end)

  it("prints with -o json what the API gave", function()
    fake.answers = { { body = '{"data":[],"done":true}' } }
    local _, out = run("events", "-o", "json")
    assert.equal('{"data":[],"done":true}\n', out)
  end)

  it("keeps the control bytes of strangers from the terminal", function()
    local row = {}
    for name, value in pairs(page.data[1]) do row[name] = value end
    row.type = "a\27[2Jb\nc\xc2\x9bd"
    fake.answers = { { json = { data = { row }, done = true } } }
    local _, out = run "events"
    assert.matches("a\\x1b[2Jb\\nc\\u009bd", out, 1, true)
    assert.is_nil(out:find "\27")
  end)

  it("shows one with its runs and body", function()
    local event = {}
    for name, value in pairs(page.data[1]) do event[name] = value end
    event.state, event.method, event.path, event.query = "dead", "POST", "/in/github", dkjson.null
    event.headers = { { name = "User-Agent", value = "GitHub-Hookshot" } }
    event.runs = { { subscription = "github:github.push", state = "dead", number = 6,
      nextAt = dkjson.null, error = "scripts/github.lua:3: boom\nstack traceback" } }
    event.body, event.bodyEncoding = '{"a":1}', "utf-8"
    fake.answers = { { json = event } }
    local code, out = run("events", "show", "evt_00000000001")
    assert.equal(0, code)
    assert.equal("http://localhost/api/v1/event/evt_00000000001", fake.requests[1].url)
    for _, words in ipairs { "POST /in/github", "User-Agent: GitHub-Hookshot", '{"a":1}',
      "run of github:github.push: dead, number 6", "  scripts/github.lua:3: boom\n  stack" } do
      assert.matches(words, out, 1, true)
    end
    for closes_at, words in pairs { ["1969-12-31T23:59:59.000Z"] = "closed at 1969-12-31T23:59:59.000Z: the run",
      ["2026-03-02T08:00:00.000Z"] = "closes at 2026-03-02T08:00:00.000Z\n" } do
      event.runs[1].batchClosesAt = closes_at
      fake.answers = { { json = event } }
      assert.matches("  in a batch that " .. words, select(2, run("events", "show", "evt_00000000001")), 1, true)
    end
  end)

  it("ends with 1 for an id that is not there", function()
    fake.answers = { { status = 404, json = { code = "not_found", detail = "there is nothing" } } }
    local code, _, err = run("events", "show", "evt_0/..")
    assert.equal(1, code)
    assert.equal("http://localhost/api/v1/event/evt_0%2F%2E%2E", fake.requests[1].url)
    assert.matches("evt_0/..: there is nothing", err, 1, true)
  end)
end)

describe("anzol deliveries", function()
  local row = { id = "dlv_00000000001", createdAt = "2026-03-02T08:00:00.000Z", endpoint = "crm",
    type = "a", state = "retrying", attemptCount = 2, lastStatus = dkjson.null,
    lastError = "timeout", nextAttemptAt = "2026-03-02T08:05:00.000Z", eventId = "evt_00000000001",
    messageId = "msg_00000000002", reason = dkjson.null }

  it("lists the last outcome and the next attempt", function()
    fake.answers = { { json = { data = { row }, done = true } } }
    local _, out = run("deliveries", "--endpoint", "crm", "--event", "evt_00000000001")
    assert.equal("http://localhost/api/v1/delivery?limit=50&endpoint=crm&event=evt_00000000001",
      fake.requests[1].url)
    assert.matches("retrying         2  timeout  2026-03-02T08:05:00.000Z\n", out, 1, true)
  end)

  it("shows one with its attempts", function()
    local delivery = { attempts = { { number = 1, startedAt = "2026-03-02T08:00:00.010Z",
      durationMs = 15000, status = dkjson.null, error = "timeout", detail = "no answer within 15 s",
      nextAttemptAt = dkjson.null, responseHeaders = {}, responseBody = "",
      responseBodyEncoding = "utf-8" } } }
    for name, value in pairs(row) do delivery[name] = value end
    fake.answers = { { json = delivery } }
    local code, out = run("deliveries", "show", "dlv_00000000001")
    assert.equal(0, code)
    assert.matches("timeout after 15000 ms", out, 1, true)
    assert.matches("no answer within 15 s", out, 1, true)
    delivery.attempts[1].error, delivery.attempts[1].detail = "script", "scripts/a.lua:2: no\n\tin 'transform'\27"
    fake.answers = { { json = delivery } }
    out = select(2, run("deliveries", "show", "dlv_00000000001"))
    assert.matches("detail   scripts/a.lua:2: no\n         \tin 'transform'\\x1b\n", out, 1, true)
  end)
end)

describe("anzol reload", function()
  it("posts JSON and says which generation serves", function()
    fake.answers = { { json = { generation = 4, findings = {} } } }
    local code, out, err = run "reload"
    assert.equal(0, code)
    assert.equal("", out)
    assert.equal("generation 4 serves\n", err)
    assert.equal("POST", fake.requests[1].method)
    assert.equal("application/json", fake.requests[1].headers["Content-Type"])
  end)

  it("ends with 78 and prints file, line and reason of a refusal", function()
    fake.answers = { { status = 422, json = { code = "refused", generation = 3,
      detail = "scripts/crm.lua:31: unknown option 'time_out'", findings = { { level = "error",
        file = "scripts/crm.lua", line = 31, phase = "load", message = "unknown option 'time_out'",
        hint = "did you mean 'timeout'?" } } } } }
    local code, out, err = run "reload"
    assert.equal(78, code)
    assert.equal("scripts/crm.lua:31: error: unknown option 'time_out'"
      .. " (did you mean 'timeout'?)\n", out)
    assert.matches("refused, generation 3 serves on", err, 1, true)
  end)
end)

describe("anzol check", function()
  local function found(...)
    local findings = { ... }
    findings.sources, findings.endpoints, findings.subscriptions = 1, { {}, {} }, 3
    return findings
  end
  local warning = { level = "warning", file = "scripts/a.lua", line = 0, phase = "load",
    message = "the secret is short" }

  it("ends with 0 when there is nothing, and counts on standard error", function()
    local dir
    fake.native.check = function(given)
      dir = given
      return found()
    end
    local code, out, err = run("check", "spec")
    assert.equal(0, code)
    assert.equal("", out)
    assert.equal("spec", dir)
    assert.equal("spec: 0 errors, 0 warnings; 1 source, 2 endpoints, 3 subscriptions\n", err)
  end)

  it("ends with 1 for an error, and for a warning only when told", function()
    fake.native.check = function() return found(warning) end
    local code, out = run "check"
    assert.equal(0, code)
    assert.equal("scripts/a.lua: warning: the secret is short\n", out)
    assert.equal(1, (run("check", "--deny-warnings")))
    fake.native.check = function()
      return found { level = "error", file = "s.lua", line = 2, message = "no" }, "s.lua:2: no"
    end
    assert.equal(1, (run "check"))
  end)

  it("gives the options and the globs of anzol.lua on", function()
    local given
    fake.native.settings = function() return { scripts = "a/*.lua\nb.lua" } end
    fake.native.check = function(_, options)
      given = options
      return found()
    end
    run("check", "--allow-missing-secrets")
    assert.same({ allow_missing_secrets = true, scripts = { "a/*.lua", "b.lua" } }, given)
  end)

  it("prints an object with -o json", function()
    fake.native.check = function() return found(warning) end
    local _, out = run("check", "-o", "json")
    local value = dkjson.decode(out)
    assert.is_true(value.ok)
    assert.equal("the secret is short", value.findings[1].message)
    assert.equal(2, value.endpoints)
  end)

  it("compares with what is pending on the running server when told", function()
    fake.native.check = function()
      local nothing = found()
      nothing.endpoints, nothing.transforms = { { name = "here" } }, { "slack" }
      return nothing
    end
    local function list(rows) return { json = { data = rows, done = true, iterator = dkjson.null } } end
    fake.answers = { list { { name = "here", pending = 5 }, { name = "crm", pending = 12 },
      { name = "old", pending = 1000, pendingIsLeast = true }, { name = "done", pending = 0 },
      { name = "ep_0IcYBi7UG00", pending = 7 } }, list {} }
    local code, out = run("check", "--running", "--deny-warnings")
    assert.equal(1, code)
    assert.equal("http://localhost/api/v1/endpoint?limit=250", fake.requests[1].url)
    assert.equal("warning: 12 deliveries pending for removed endpoint crm (they wait until it is "
      .. "registered again)\nwarning: at least 1000 deliveries pending for removed endpoint old (they "
      .. "wait until it is registered again)\n", out)
    fake.answers = { list { { name = "crm", pending = 1 } },
      { json = { data = { { id = "app_1" } }, done = false, iterator = "app_1" } },
      list { { id = "ep_1", metadata = { transform = "slack" } }, { id = "ep_2", metadata = { transform = "tems" } },
        { id = "ep_3", metadata = {} } },
      list { { id = "app_2" } }, list { { id = "ep_4", metadata = { transform = "tems" } },
        { id = "ep_5", metadata = { transform = "" } } } }
    out = select(2, run("check", "--running"))
    assert.equal("warning: 1 delivery pending for removed endpoint crm (they wait until it is registered again)\n"
      .. "warning: the metadata of 2 endpoints names the transform 'tems', which no script registers (ep_2 of app_1) "
      .. '(their attempts fail without anzol.transform("tems", fn))\n', out)
    assert.matches("/api/v1/app?limit=250&iterator=app_1", fake.requests[6].url, 1, true)
    assert.equal(69, (run("check", "--running")))
  end)

  it("ends with 78 when anzol.lua is broken", function()
    fake.native.settings = function() return nil, "anzol.lua:1: oops" end
    assert.equal(78, (run "check"))
  end)
end)

describe("anzol eval --source", function()
  local given
  before_each(function()
    fake.native.console = function()
      return { run = function(_, options)
        given = options
        return { output = "x\27\n", effects = { { kind = "emit", type = "a", body = ("b"):rep(400) } } }
      end }
    end
  end)

  local event = { id = "evt_00000000001", type = "github.push", source = "github", body = "{}",
    bodyEncoding = "utf-8", headers = { { name = "X-A", value = "1" } }, query = dkjson.null }

  it("has the last event that the server has of it", function()
    fake.answers = { { json = page }, { json = event } }
    local code, out, err = run("eval", "-e", "event.type", "--source", "github")
    assert.equal(0, code)
    assert.equal("http://localhost/api/v1/event?source=github&limit=1", fake.requests[1].url)
    assert.same({ type = "github.push", source = "github", body = "{}", headers = { { "X-A", "1" } } },
      given.event)
    assert.equal("x\\x1b\n", out)
    assert.equal("event is evt_00000000001\nwould emit a: " .. ("b"):rep(300) .. "…\n", err)
  end)

  it("says when there is none, or its body is no text", function()
    event.bodyEncoding = "base64"
    fake.answers = { { json = { data = {}, done = true } }, { json = page }, { json = event } }
    local code, _, err = run("eval", "-e", "1", "--source", "github")
    assert.equal(1, code)
    assert.equal("anzol: the server has no event of source 'github'\n", err)
    code, _, err = run("eval", "-e", "1", "--source", "github")
    assert.equal(1, code)
    assert.matches("no text; take --fixture", err, 1, true)
  end)
end)

describe("anzol trigger", function()
  local path
  before_each(function()
    fake.native.sign = function(_, source, kind, bytes)
      return { method = "POST", path = "/in/" .. source, body = bytes, headers = {
        { "X-Event", tostring(kind) }, { "X-Signature", "of " .. #bytes .. " bytes" } } }
    end
    fake.native.classify = function(_, _, request)
      for _, header in ipairs(request.headers) do
        if header[1] == "X-Event" then return "github." .. header[2] end
      end
    end
    path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write '{ "ref": "a", "commits": [ {"message": "x"} ], "id": 9007199254740993 }'
    file:close()
  end)
  after_each(function()
    os.remove(path)
    os.remove(path .. ".headers")
  end)

  local stored = { id = "evt_00000000001" }

  it("posts the fixture's very bytes, signed, to the public listener", function()
    fake.answers = { { json = stored } }
    local code, out, err = run("trigger", "github", "--type", "push", "--fixture", path)
    assert.equal(0, code)
    assert.equal("http://127.0.0.1:8080/in/github", fake.requests[1].url)
    assert.equal('{ "ref": "a", "commits": [ {"message": "x"} ], "id": 9007199254740993 }',
      fake.requests[1].body)
    assert.equal("push", fake.requests[1].headers["X-Event"])
    assert.equal("of 71 bytes", fake.requests[1].headers["X-Signature"])
    assert.equal("application/json", fake.requests[1].headers["Content-Type"])
    assert.equal("200 evt_00000000001\n", out)
    assert.matches("anzol events show evt_00000000001", err, 1, true)
  end)

  it("finds the listener in flags, then the environment, then anzol.lua", function()
    fake.native.settings = function() return { listen = "0.0.0.0:99" } end
    run("trigger", "s", "--fixture", path)
    fake.environment.ANZOL_LISTEN = "[::]:98"
    run("trigger", "s", "--fixture", path)
    run("trigger", "s", "--fixture", path, "--listen", "https://hooks.example/")
    local urls = {}
    for i, request in ipairs(fake.requests) do urls[i] = request.url end
    assert.same({ "http://127.0.0.1:99/in/s", "http://[::1]:98/in/s",
      "https://hooks.example/in/s" }, urls)
  end)

  it("replaces values by --set before it signs", function()
    run("trigger", "s", "--fixture", path, "--set", "ref=refs/heads/b", "--set",
      "commits.1.message=hello", "--set", "deep.new=[1,2]", "--set", "deleted=true")
    local body = dkjson.decode(fake.requests[1].body)
    assert.equal("refs/heads/b", body.ref)
    assert.equal("hello", body.commits[1].message)
    assert.same({ 1, 2 }, body.deep.new)
    assert.is_true(body.deleted)
    assert.equal("of " .. #fake.requests[1].body .. " bytes", fake.requests[1].headers["X-Signature"])
  end)

  it("adds headers, those beside the fixture first, each name once", function()
    local file = assert(io.open(path .. ".headers", "wb"))
    file:write "X-Event: beside\nX-More: 1\n"
    file:close()
    run("trigger", "s", "--fixture", path, "--header", "x-more: 2")
    assert.equal("beside", fake.requests[1].headers["X-Event"])
    assert.is_nil(fake.requests[1].headers["X-More"])
    assert.equal("2", fake.requests[1].headers["x-more"])
  end)

  it("ends with 1 when the source refuses it", function()
    fake.answers = { { status = 401, json = { code = "unverified", detail = "signature differs" } } }
    local code, out = run("trigger", "s", "--fixture", path)
    assert.equal(1, code)
    assert.equal("401 signature differs\n", out)
  end)

  it("sends nothing when the event would be of another type than was asked for", function()
    fake.answers = { { json = stored }, { json = stored }, { json = stored }, { json = stored } }
    for kind, given in pairs { push = "github.push", ["github.push"] = "github.push",
      issue = "sentry.issue.created", ["orders/create"] = "shopify.orders.create" } do
      fake.native.classify = function() return given end
      assert.equal(0, (run("trigger", "github", "--type", kind, "--fixture", path)))
    end
    fake.native.classify = function() return "github.unknown" end
    local code, out, err = run("trigger", "github", "--type", "github.push", "--fixture", path)
    assert.equal(1, code)
    assert.equal("", out)
    assert.equal(4, #fake.requests)
    assert.matches("would be of type 'github.unknown', not 'github.push'; nothing was sent", err, 1, true)
    assert.matches("--header 'X-GitHub-Event: push'", err, 1, true)
    fake.native.classify = function() return nil, "scripts/a.lua:3: no field\nstack" end
    code, out, err = run("trigger", "github", "--type", "push", "--fixture", path)
    assert.equal(1, code)
    assert.equal("", out)
    assert.matches("finds no type for this; nothing was sent: scripts/a.lua:3: no field\n", err, 1, true)
  end)

  it("tells a handshake's answer", function()
    fake.answers = { { json = { challenge = "c" } }, { json = { challenge = "c" } } }
    local code, out = run("trigger", "s", "--fixture", path)
    assert.equal(0, code)
    assert.equal('200 no event, the source\'s own answer: {"challenge":"c"}\n', out)
    out = select(2, run("trigger", "s", "--fixture", path, "-o", "json"))
    assert.same({ url = "http://127.0.0.1:8080/in/s", status = 200, durationMs = 7,
      body = '{"challenge":"c"}' }, dkjson.decode(out))
  end)

  it("prints an object with -o json", function()
    fake.answers = { { json = { id = "evt_00000000001", duplicate = true } } }
    local _, out = run("trigger", "s", "--fixture", path, "-o", "json")
    assert.same({ url = "http://127.0.0.1:8080/in/s", status = 200, id = "evt_00000000001",
      duplicate = true, durationMs = 7 }, dkjson.decode(out))
  end)

  it("ends with 69 when nobody listens and 78 when it can't be signed", function()
    assert.equal(69, (run("trigger", "s", "--fixture", path)))
    fake.native.sign = function() return nil, "source s has no signer" end
    local code, _, err = run("trigger", "s", "--fixture", path)
    assert.equal(78, code)
    assert.matches("source s has no signer", err, 1, true)
  end)

  it("says which file or option is wrong", function()
    assert.equal(2, (run("trigger", "s", "--fixture", "/nowhere/x.json")))
    assert.equal(2, (run("trigger", "s", "--fixture", path, "--header", "nonsense")))
    assert.equal(2, (run("trigger", "s", "--fixture", path, "--set", "nonsense")))
  end)
end)

describe("anzol completion", function()
  for _, shell in ipairs { "bash", "zsh", "fish" } do
    it("knows the commands and their options, for " .. shell, function()
      local code, out = run("completion", shell)
      assert.equal(0, code)
      for _, word in ipairs { "deliveries", "follow", "fixture", "github-slack", "output" } do
        assert.matches(word, out, 1, true)
      end
    end)
  end

  it("is a program of bash", function()
    local file = assert(io.popen("bash -n", "w"))
    file:write((select(2, run("completion", "bash"))))
    assert.is_true((file:close()))
  end)
end)
