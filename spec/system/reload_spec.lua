-- SPDX-License-Identifier: MIT
-- Reload: by signal, by command, by watching; whole or not at all.
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local SIGHUP = 1
local EXIT_CONFIG = 78

local script = [[
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return "open." .. (req.headers["x-kind"] or "thing") end })
anzol.endpoint("out", { url = "$URL/out", sign = false, allow_private = true })
anzol.on("open.thing", function(event) event:send("out", { body = "$WORD" }) end)
anzol.on("open.long", function(event)
  local stop = os.clock() + 0.3
  while os.clock() < stop do end
  event:send("out", { body = "long $WORD" })
end)
]]

describe("reload", function()
  local server, receiver

  local function write(word, more)
    local texts = scripts.with(receiver, script:gsub("%$WORD", word) .. (more or ""))
    server:write_script("main.lua", texts["main.lua"])
  end

  local function start(args)
    receiver = Receiver.start()
    server = Server.new { args = args }
    write "one"
    server:restart()
  end
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function post(kind)
    return server:post("/in/open", "{}", { ["X-Kind"] = kind })
  end

  -- What the handler of now says.
  local function word()
    local before = receiver:total()
    assert.equal(200, post("thing").status)
    receiver:await(before + 1)
    local records = receiver:take()
    return records[#records].body
  end

  local function reload() return cli.ask(server, { "reload" }) end

  it("by SIGHUP makes the new scripts serve", function()
    start()
    assert.equal("one", word())
    write "two"
    server:signal(SIGHUP)
    wait.until_true("the new word", 5000, function() return word() == "two" end)
  end)

  it("by command has happened when the command returns 0", function()
    start()
    for i = 1, 5 do
      write("word" .. i)
      local result = reload()
      assert.equal(0, result.code, result.output .. result.errors)
      assert.equal("word" .. i, word())
    end
  end)

  it("finds the server by its socket too", function()
    start()
    write "two"
    local result = cli.run({ "reload" },
      { cwd = server.dir, env = { ANZOL_STATE_DIR = server.state_dir } })
    assert.equal(0, result.code, result.output .. result.errors)
    assert.equal("two", word())
  end)

  local broken = {
    { "a syntax error", "\nlocal = 5\n" },
    { "an error while loading", "\nerror 'no such day'\n" },
    { "a missing secret", '\nanzol.source("s", { verify = anzol.verify.github { secret = '
      .. 'anzol.secret "NOT_THERE" } , type = "t" })\n' },
    { "an option that is misspelt", '\nanzol.endpoint("x", { url = "$URL", sign = false, '
      .. "time_out = 3 })\n" },
    { "an endless load", "\nwhile true do end\n" },
    { "a source with a taken path", '\nanzol.source("twin", { path = "/in/open", type = "t", '
      .. "verify = anzol.verify.none() })\n" },
    { "an endpoint that does not exist",
      '\nanzol.on("a.b", function(event) event:send "nobody" end)\n' },
  }
  it("of a broken script exits 78 with file and line, and changes nothing", function()
    start()
    for _, case in ipairs(broken) do
      write("broken", case[2])
      local result = reload()
      assert.equal(EXIT_CONFIG, result.code, case[1] .. ": " .. result.output .. result.errors)
      assert.matches("main%.lua:%d+", result.output .. result.errors, case[1])
      assert.equal("one", word(), case[1])
    end
    write "mended"
    assert.equal(0, reload().code)
    assert.equal("mended", word())
  end)

  it("lets handlers that run finish on the old scripts", function()
    start()
    local before = receiver:total()
    for _ = 1, 3 do assert.equal(200, post("long").status) end
    write "two"
    assert.equal(0, reload().code)
    receiver:await(before + 3)
    local words = {}
    for _, record in ipairs(receiver:take()) do words[record.body] = true end
    assert.is_true(words["long one"])
    assert.equal("two", word())
  end)

  it("drops and refuses no webhook, however often it happens", function()
    start()
    local sender = process.sender { port = server.port, ledger = server.dir .. "/ledger",
      path = "/in/open", secret = "unused", connections = 4, pause_us = 500 }
    for i = 1, 10 do
      write("word" .. i, i % 2 == 0 and "\nerror 'half of them are broken'\n" or "")
      assert.equal(i % 2 == 0 and EXIT_CONFIG or 0, reload().code)
    end
    local counts = sender:stop()
    assert.same({ 0, 0, 0 }, { counts.refused, counts.unexpected, counts.lost },
      counts.first_unexpected)
    receiver:await(counts.acknowledged, 10000)
  end)

  it("happens by itself with --watch, for new files too", function()
    start { "--watch" }
    assert.equal("one", word())
    write "two"
    wait.until_true("the new word", 5000, function() return word() == "two" end)
    server:write_script("more.lua", 'local anzol = require "anzol"\n'
      .. 'anzol.source("more", { verify = anzol.verify.none(), type = "more.thing" })\n')
    wait.until_true("the new source", 5000, function()
      local answer = http.request { port = server.port, path = "/in/more", body = "{}" }
      return answer and answer.status == 200 and json.decode(answer.body).id
    end)
  end)
end)
