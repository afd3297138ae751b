-- SPDX-License-Identifier: MIT
-- anzol eval and anzol repl, the real program.
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"
local process = require "anzol_test.process"
local wait = require "support.wait"

local dir
before_each(function()
  dir = files.temp_dir()
  files.write(dir .. "/scripts/a.lua", [[
    local anzol = require "anzol"
    anzol.endpoint("crm", { url = "https://crm.example", sign = false })
    anzol.on("**", function(event) event:send "crm" end)]])
end)
after_each(function() files.remove(dir) end)

local function eval(text, ...)
  return cli.run({ "eval", "-e", text, ... }, { cwd = dir })
end

-- What the repl says to these lines.
local function repl(lines, ...)
  files.write(dir .. "/lines", table.concat(lines, "\n") .. "\n")
  return cli.run({ "repl", ... }, { cwd = dir, input = dir .. "/lines" })
end

describe("anzol eval", function()
  it("prints what an expression gives", function()
    for text, output in pairs {
      ["1 + 1"] = "2\n",
      ["'a' .. 'b'"] = "ab\n",
      ["nil, 'x'"] = "nil\nx\n",
      ["anzol.json.decode '{\"b\":[1,2.5,null],\"a\":\"x\\\\ny\"}'"] = '{ a = "x\\ny", b = { 1, 2.5, null } }\n',
      ["select(2, anzol.json.decode '{')"] = "json: no JSON",
      ["{ [true] = 1, ['a b'] = {}, ['end'] = 2, c = print }"] = '{ [true] = 1, ["a b"] = {}, c = function',
      ["local x = 5; print(x, 'y'); return x"] = "5\ty\n5\n",
      ["anzol.secret"] = "function",
      ["event"] = 'event {\n  data = {},\n  id = "evt_',
      ["event.headers"] = 'headers { ["content-type"] = "application/json" }\n',
      ["event:step('x', function(a) return a, nil, { b = true } end, 1)"] = "1\nnil\n{ b = true }\n",
      ["anzol.json.null, anzol.skip()"] = "null\nverdict: 0x",
      [""] = "",
    } do
      local result = eval(text)
      assert.equal(0, result.code, text .. "\n" .. result.errors)
      assert.equal(output, result.output:sub(1, #output), text)
    end
  end)

  it("breaks long tables into lines", function()
    local result = eval "{ name = ('x'):rep(40), list = { ('y'):rep(40) } }"
    assert.equal('{\n  list = { "' .. ("y"):rep(40) .. '" },\n  name = "' .. ("x"):rep(40) .. '"\n}\n',
      result.output)
  end)

  it("survives what holds itself, and what is deep", function()
    assert.equal("{ a = { … } }\n", eval("(function() local t = {} t.a = t return t end)()").output)
    local result = eval "local t = {} for _ = 1, 100 do t = { t } end return t"
    assert.equal(0, result.code)
    assert.matches("{ … }", result.output, 1, true)
  end)

  it("waits as a handler does", function()
    local result = eval "local t = anzol.time.now() anzol.sleep '20ms' return anzol.time.now() - t >= 20"
    assert.equal("true\n", result.output)
  end)

  it("really calls out", function()
    local receiver <close> = setmetatable({ it = require "support.receiver".start() },
      { __close = function(holder) holder.it:stop() end })
    receiver.it:answer("/geo", { status = 200, body = '{"country":"PT"}' })
    local result = eval(("anzol.http.get('%s', { allow_private = true }):json().country")
      :format(receiver.it:url "/geo"))
    assert.equal("PT\n", result.output, result.errors)
    result = eval(("anzol.http.get('%s', { allow_private = true })"):format(receiver.it:url "/geo"))
    assert.matches('^response {.* body = "{\\"country\\":\\"PT\\"}",.* status = 200\n}\n$', result.output)
    assert.matches("blocked_address", eval(("select(2, anzol.http.get '%s')"):format(receiver.it:url "/geo")).output)
  end)

  it("tells what would be sent and emitted, and does it not", function()
    local result = eval "event:emit('a.b', { n = 1 }) event:send('crm', { json = { x = 1 } }, { delay = '5s' })"
    assert.equal(0, result.code)
    assert.equal("", result.output)
    assert.equal('would send to crm in 5 s: {"x":1}\nwould emit a.b: {"n":1}\n', result.errors)
  end)

  it("tells what would be retried, dropped, replayed and recovered", function()
    local result = eval [[
      anzol.retry "dlv_00000000001" anzol.drop("evt_00000000001", "old")
      anzol.replay "evt_00000000002" anzol.replay { type = "a.b", state = "handled" }
      anzol.recover "crm"]]
    assert.equal(0, result.code, result.errors)
    assert.equal("would retry dlv_00000000001\nwould drop evt_00000000001 (old)\n"
      .. "would replay evt_00000000002\n"
      .. "would begin a task to replay events of type a.b, state handled\n"
      .. "would begin a task to retry deliveries of endpoint crm, state dead\n", result.errors)
  end)

  it("reads the kv that it writes, and keeps nothing", function()
    local result = eval "local kv = anzol.kv 'n' kv:set('a', 1) kv:incr('a', 2) kv:delete 'b' return kv:get 'a'"
    assert.equal("3\n", result.output, result.errors)
    assert.matches("would set a of kv 'n' to ", result.errors, 1, true)
    assert.matches("would delete b of kv 'n'", result.errors, 1, true)
    assert.equal("nil\n", eval("anzol.kv('n'):get 'a'").output)
    assert.equal("nil\nnil\n", eval("return (anzol.events{}()), (anzol.deliveries{}())").output)
  end)

  it("has the sandbox of scripts, with the hints", function()
    local result = eval "evnt.data"
    assert.equal(1, result.code)
    assert.equal("", result.output)
    assert.matches("eval:1: undefined global 'evnt'", result.errors, 1, true)
    assert.matches("os.execute is not available", eval("os.execute 'true'").errors, 1, true)
    assert.matches("unknown endpoint 'crn'; did you mean 'crm'?", eval("event:send 'crn'").errors, 1, true)
    assert.matches("eval:1: unexpected symbol near '='", eval("x = = 1").errors, 1, true)
    assert.matches("eval:1: .handler. went over its CPU limit of", eval("while true do end").errors)
  end)

  it("reads a file or standard input", function()
    files.write(dir .. "/a.lua", "#!/usr/bin/env anzol\nlocal a = 2\nreturn a * 2")
    files.write(dir .. "/b.lua", "return 2 * 2")
    assert.equal("4\n", cli.run({ "eval", "a.lua" }, { cwd = dir }).output)
    assert.equal("4\n", cli.run({ "eval", "-" }, { cwd = dir, input = dir .. "/b.lua" }).output)
    assert.equal(2, cli.run({ "eval" }, { cwd = dir }).code)
    assert.equal(2, cli.run({ "eval", "none.lua" }, { cwd = dir }).code)
  end)

  it("is broken off by Ctrl-C, as shells tell by 130", function()
    local child = process.spawn { argv = { "/usr/bin/env", "--default-signal=INT", files.program(),
      "eval", "-e", "anzol.log.info 'waiting' anzol.sleep '1h'" }, cwd = dir, env = {},
      output = dir .. "/output", errors = dir .. "/errors" }
    wait.until_true("it waits", 5000, function()
      return files.exists(dir .. "/errors") and files.read(dir .. "/errors"):find "waiting"
    end)
    child:kill(2)
    assert.same({ "signal", 2 }, { child:wait(5000) })
  end)

  it("has the event of a fixture", function()
    files.write(dir .. "/push.json", '{"ref":"refs/heads/main"}')
    files.write(dir .. "/push.headers", "X-GitHub-Event: push\n")
    local result = eval("return event.type, event.source, event.data.ref, event.headers['x-github-event']",
      "--fixture", "push.json", "--source", "github", "--type", "github.push")
    assert.equal("github.push\ngithub\nrefs/heads/main\npush\n", result.output)
  end)

  it("gives an array with -o json", function()
    local result = eval("1, nil, { a = anzol.json.array() }", "-o", "json")
    assert.equal('[1,null,{"a":[]}]\n', result.output)
    assert.same({}, dkjson.decode(eval("return", "-o", "json").output))
    assert.equal(1, eval("print", "-o", "json").code)
  end)

  it("runs what the scripts do before they serve, and goes on without them if that fails", function()
    local script = 'local anzol = require "anzol"\nready = 0\n'
      .. "anzol.init(function() anzol.sleep '5ms' ready = ready + 1 %s end)"
    files.write(dir .. "/scripts/a.lua", script:format "")
    assert.equal("1\n", eval("ready").output)
    files.write(dir .. "/scripts/a.lua", script:format "error 'no rates'")
    local result = eval "1"
    assert.equal("1\n", result.output)
    assert.matches("going on without them: scripts/a.lua:3: no rates", result.errors, 1, true)
  end)

  it("goes on without scripts that do not load", function()
    files.write(dir .. "/scripts/a.lua", "oops(")
    local result = eval "1"
    assert.equal("1\n", result.output)
    assert.matches("going on without them: scripts/a.lua:1", result.errors, 1, true)
  end)
end)

describe("anzol repl", function()
  it("runs line after line, and keeps globals", function()
    local result = repl { "x = 20", "x + 1", "'text'", "return x, event.type" }
    assert.equal(0, result.code, result.errors)
    assert.equal('21\n"text"\n20\n"terminal"\n', result.output)
  end)

  it("goes on with a line that is not finished", function()
    local result = repl { "for i = 1, 2 do", "  print(i)", "end", "{", "1 }", "[[a", "b]]" }
    assert.equal('1\n2\n{ 1 }\n"a\\nb"\n', result.output)
  end)

  it("goes on behind an operator, and not behind half a name", function()
    local result = repl { "x = 'a' ..", "  'b'", "x", "anzol.", "1 + 1", "local", "3" }
    assert.equal('"ab"\n2\n3\n', result.output)
    assert.equal("repl:4: <name> expected near <eof>\nrepl:6: <name> expected near <eof>\n", result.errors)
    assert.equal(1, result.code)
  end)

  it("names the line of the input", function()
    local result = repl { "1", "do", "  error 'no'", "end", "x = = 2", "return", "2" }
    assert.equal("1\n2\n", result.output)
    assert.matches("^repl:3: no\n", result.errors)
    assert.matches("\nrepl:5: unexpected symbol near '='\n$", result.errors)
  end)

  it("refuses what the end of the input leaves unfinished, and does none of it", function()
    local result = repl { "print 'a'", "do", "  print 'b'", "  x =" }
    assert.equal("a\n", result.output)
    assert.matches("^repl:4: unexpected symbol near <eof>: the input ends here\n$", result.errors)
    assert.equal(1, result.code)
    result = repl { "for i = 1, 2 do", "  print(i)" }
    assert.matches("^repl:2: 'end' expected %(to close 'for' at line 1%) near <eof>: the input ends here\n$",
      result.errors)
    assert.equal(1, result.code)
  end)

  it("keeps what lines set in kv and cache until it ends", function()
    local result = repl { "kv = anzol.kv 'n'", "kv:set('a', { 1 }) kv:set('ab', 2) kv:set('b', 3)",
      "kv:get 'a'", "#kv:list 'a'", "kv:incr('ab', 5)", "kv:get 'ab'", "kv:delete 'a'", "kv:get 'a'",
      "anzol.cache('x'):set('k', 'v')", "anzol.cache('x'):get 'k'", "kv:set('t', 1, { ttl = '1ms' })",
      "anzol.sleep '5ms'", "kv:get 't'" }
    assert.equal('{ 1 }\n2\n7\nnil\n"v"\nnil\n', result.output, result.errors)
  end)

  it("goes on after an error, and ends with 1 for a pipe", function()
    local result = repl { "error 'no'", "1" }
    assert.equal("1\n", result.output)
    assert.matches("repl:1: no", result.errors, 1, true)
    assert.equal(1, result.code)
  end)
end)
