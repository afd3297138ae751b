-- SPDX-License-Identifier: MIT
-- anzol trigger --local, the real program: a request through a project, without a server.
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"

local SCRIPT = [[
local anzol = require "anzol"
anzol.source("in", { verify = anzol.verify.none(), type = function(req) return req.json.type end,
  respond = function(req)
    if req.json.type == "answered" then return { status = 202, body = "so be it", store = true } end
  end })
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "HUB" } })
anzol.endpoint("out", { url = "https://out.example/", sign = false })
anzol.on("ping", { filter = function(event) return not event.data.quiet end }, function(event)
  if event.data.bad then error "so bad" end
  anzol.kv("n"):set("k", { 1 })
  event:send("out", { json = { n = 1 } }, { delay = "5s" })
  event:emit("pong", { x = 1 })
  event:emit("later", {}, { delay = "1h" })
end)
anzol.on("pong", { name = "ponger" }, function(event)
  anzol.sleep "5ms"
  event:send("out", { json = { k = anzol.kv("n"):get "k" } })
end)
anzol.on("later", function() error "not now" end)
anzol.on("again", function() return anzol.retry_later "5m" end)
anzol.on({ "many", "more" }, { name = "many" }, function(event)
  for i = 1, event.type == "many" and 40 or 25 do
    event:emit(event.type == "many" and "more" or "most", { i = i })
  end
end)
anzol.on("github.push", function(event) event:send("out") end)
]]

describe("anzol trigger --local", function()
  local dir

  setup(function()
    dir = files.temp_dir()
    files.write(dir .. "/scripts/a.lua", SCRIPT)
  end)
  teardown(function() files.remove(dir) end)

  local function trigger(source, body, ...)
    files.write(dir .. "/body.json", body)
    return cli.run({ "trigger", source, "--local", "--fixture", "body.json", ... },
      { cwd = dir, env = { ANZOL_SECRET_HUB = "0123456789abcdef" } })
  end

  it("tells the answer, the event, its runs, theirs of what they emit, and what would be sent", function()
    local result = trigger("in", '{"type":"ping"}')
    assert.equal(0, result.code, result.errors)
    local id = result.output:match "^200 (evt_%w+) ping\n"
    assert.equal(("200 %s ping\n"):format(id) .. [[
a:ping: handled
  would send to out in 5 s: {"n":1}
  would emit pong: {"x":1}
  would emit later: {}
  would set k of kv 'n' to [1]
ponger of pong: handled
  would send to out: {"k":[1]}
]], result.output)
  end)

  it("has a stable shape with -o json", function()
    local result = trigger("in", '{"type":"ping","quiet":true}', "-o", "json")
    local answer = dkjson.decode(result.output)
    local id = answer.id
    assert.same({ status = 200, outcome = "stored", id = id, type = "ping", leftOut = 0, runs = {
      { subscription = "a:ping", event = id, type = "ping", outcome = "skipped",
        detail = answer.runs[1].detail, effects = {} } } }, answer)
    answer = dkjson.decode(trigger("in", '{"type":"ping"}', "-o", "json").output)
    assert.same({ kind = "send", endpoint = "out", type = "ping", body = '{"n":1}', bodyBytes = 7,
      delayMs = 5000 }, answer.runs[1].effects[1])
  end)

  it("signs as the provider does, and is verified", function()
    local result = trigger("github", '{"ref":"x"}', "--type", "push", "--header", "x-github-event: push")
    assert.equal(0, result.code, result.errors)
    assert.matches("would send to out: {\"ref\":\"x\"}\n", result.output, 1, true)
    result = trigger("github", '{"ref":"x"}', "--header", "x-github-event: push", "--header",
      "x-hub-signature-256: sha256=00")
    assert.equal(1, result.code)
    assert.matches("^401 unverified: ", result.output)
  end)

  it("ends with 1 when the request is refused, has no type, or a run fails", function()
    local result = trigger("in", '{"type":"ping","bad":1}')
    assert.equal(1, result.code)
    assert.matches("a:ping: failed (scripts/a.lua:9: so bad)\n", result.output, 1, true)
    result = trigger("in", '{"type":1}')
    assert.equal(1, result.code)
    assert.matches("^200 evt_%w+ anzol.untyped: ", result.output)
    result = trigger("in", "{")
    assert.equal(1, result.code)
    assert.matches("^400 malformed_json", result.output)
  end)

  it("shows an answer of the script's own, and a run that wants to come later", function()
    assert.matches("^202 evt_%w+ answered\nanswer: so be it\n$",
      trigger("in", '{"type":"answered"}').output)
    local result = trigger("in", '{"type":"again"}')
    assert.equal(0, result.code)
    assert.matches("a:again: retry_later (in 300 s)\n", result.output, 1, true)
  end)

  it("runs a thousand events at most, and says how many it left out", function()
    local result = trigger("in", '{"type":"many"}') -- 1 + 40 + 40 * 25
    assert.equal(0, result.code)
    assert.matches("41 more events were emitted", result.errors, 1, true)
  end)

  it("logs what the scripts log, as key=value whatever their file is called", function()
    files.write(dir .. "/scripts/b c.lua", [[
require "anzol".on("ping", function() require "anzol".log.info('a "b"') end)]])
    local result = trigger("in", '{"type":"ping","quiet":true}')
    os.remove(dir .. "/scripts/b c.lua")
    assert.matches([[message="a \"b\"" script="scripts/b c.lua:1" event=evt_]], result.errors, 1, true)
  end)

  it("says that nothing matches", function()
    local result = trigger("in", '{"type":"nothing"}')
    assert.equal(0, result.code)
    assert.matches("no subscription matches nothing", result.errors, 1, true)
  end)
end)
