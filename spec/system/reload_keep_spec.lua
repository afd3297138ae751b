-- SPDX-License-Identifier: MIT
-- What a reload leaves alone: what scripts share, what is due later, and handlers that wait, until
-- their drain is over.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local json = require "dkjson"
local scripts = require "support.scripts"
local wait = require "support.wait"

local DRAIN_MS = 1000 * wait.patience
local LATER_MS = 1500 * wait.patience -- time enough for a reload

local script = [[
anzol.source("open", { verify = anzol.verify.none(), type = function(req) return "do." .. req.body end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.endpoint("asking", { url = "$URL/asking", sign = false, allow_private = true,
  retry = function(attempt) return $RETRY end })
local function say(event, what, opts) event:send("out", { json = { what = what, word = "$WORD" } }, opts) end

local once = anzol.limiter("once", "1/h")
local geo = anzol.breaker("geo", { failures = 1, cooldown = "1h" })
anzol.on("do.shared", function(event)
  local cache = anzol.cache "kept"
  cache:incr "n"
  local _, err = geo:call(function() return nil, "down" end)
  say(event, { n = cache:get "n", took = once:take(), breaker = type(err) == "table" and err.code or err })
end)
anzol.on("do.late", function(event)
  say(event, "sent late", { delay = "$LATER" })
  event:emit("do.emitted", {}, { delay = "$LATER" })
end)
anzol.on("do.emitted", function(event) say(event, "emitted late") end)
anzol.on("do.again", function(event)
  if event.run_number == 1 then return anzol.retry_later "$LATER" end
  say(event, "ran again")
end)
anzol.on("do.failed", function(event)
  if "$WORD" == "one" then error "not with these scripts" end
  say(event, "mended")
end)
anzol.on("do.wait", { deadline = "5m" }, function(event)
  anzol.kv("waits"):incr "n"
  say(event, { committed = anzol.kv("waits"):get "n", number = event.run_number })
  anzol.sleep("$WORD" == "one" and "4m" or 0)
end)
anzol.on("do.asking", function(event) event:send "asking" end)
]]

describe("a reload", function()
  local server, receiver, said

  local function text(word, retry)
    return scripts.with(receiver, (script:gsub("%$WORD", word):gsub("%$RETRY", retry or "nil")
      :gsub("%$LATER", LATER_MS .. "ms")))
  end

  local function reload(word, retry)
    server:write_script("main.lua", text(word, retry)["main.lua"])
    local result = cli.ask(server, { "reload" })
    assert.equal(0, result.code, result.errors)
  end

  before_each(function()
    said = {}
    receiver = Receiver.start()
    server = Server.start { scripts = text("one", "0.6"), args = { "--drain", DRAIN_MS .. "ms" } }
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function post(kind)
    local answer = server:post("/in/open", kind)
    assert.equal(200, answer.status)
    return json.decode(answer.body).id
  end

  -- Everything that was said, when there are n of it.
  local function hear(n)
    wait.until_true(n .. " messages", 10000, function()
      for _, record in ipairs(receiver:take()) do
        if record.path == "/out" then said[#said + 1] = json.decode(record.body) end
      end
      return #said >= n
    end)
    return said
  end

  it("keeps cache, limiters and breakers, which a restart forgets", function()
    post "shared"
    assert.same({ what = { n = 1, took = true, breaker = "down" }, word = "one" }, hear(1)[1])
    reload "two"
    post "shared"
    assert.same({ what = { n = 2, took = false, breaker = "circuit_open" }, word = "two" }, hear(2)[2])
    server:stop()
    server:restart()
    post "shared"
    assert.same({ what = { n = 1, took = true, breaker = "down" }, word = "two" }, hear(3)[3])
    for _ = 1, 11 do post "shared" end
    local counts = {}
    for i, it in ipairs(hear(14)) do counts[i] = it.what.n end
    table.sort(counts)
    assert.same({ 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }, counts)
  end)

  it("keeps what is due later: it comes once, of the new scripts where they decide", function()
    post "late"
    post "again"
    wait.until_true("both ran", 5000, function()
      return #server:list "/api/v1/event?state=handled" == 1
        and #server:list "/api/v1/event?state=retrying" == 1
    end)
    reload "two"
    local words = {}
    for _, it in ipairs(hear(3)) do words[it.what] = it.word end
    assert.same({ ["sent late"] = "one", ["emitted late"] = "two", ["ran again"] = "two" }, words)
    wait.until_true("nothing is left to do", 5000, function()
      return #server:list "/api/v1/event?state=handled" == 3
        and #server:list "/api/v1/delivery?state=succeeded" == 3
    end)
    assert.equal(3, #hear(3))
  end)

  it("lets the new scripts handle what the old ones failed at", function()
    local id = post "failed"
    wait.until_true("it failed", 5000, function()
      return server:get("/api/v1/event/" .. id).state == "retrying"
    end)
    reload "two"
    assert.same({ what = "mended", word = "two" }, hear(1)[1])
  end)

  it("cancels a handler that waits on when its drain is over; it runs again on the new scripts", function()
    local id = post "wait"
    -- Nothing of it is to be seen; another one tells that it is there.
    post "shared"
    hear(1)
    reload "two"
    assert.same({ what = { committed = 1, number = 1 }, word = "two" }, hear(2)[2])
    wait.until_true("it is handled", 5000, function()
      return server:get("/api/v1/event/" .. id).state == "handled"
    end)
    assert.equal(2, #hear(2))
  end)

  it("makes every attempt ask the retry function of now", function()
    receiver:answer("/asking", { status = 500 })
    local id = post "asking"
    local function delivery(state)
      return wait.until_true("the delivery is " .. state, 10000, function()
        local row = server:get("/api/v1/delivery?event=" .. id).data[1]
        return row and row.state == state and row
      end)
    end
    assert.equal(1, delivery("retrying").attemptCount)
    reload("two", "false, 'the new one says no'")
    local dead = delivery "dead"
    assert.is_true(dead.attemptCount >= 2)
    assert.equal("the new one says no", server:get("/api/v1/delivery/" .. dead.id).reason)
  end)
end)
