-- SPDX-License-Identifier: MIT
-- anzol check, the real program on projects with mistakes in them.
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"
local lfs = require "lfs"

local dirs = {}

local function project(contents)
  local dir = files.temp_dir()
  dirs[#dirs + 1] = dir
  for path, text in pairs(contents) do files.write(dir .. "/" .. path, text) end
  return dir
end

local function check(contents, ...)
  return cli.run({ "check", ... }, { cwd = project(contents) })
end

after_each(function()
  for _, dir in ipairs(dirs) do files.remove(dir) end
  dirs = {}
end)

local HEAD = 'local anzol = require "anzol"\n'

-- A handler with these lines in it, which no load runs: the first is line 3.
local function handler(body)
  return HEAD .. 'anzol.on("**", function(event)\n' .. body .. "\nend)\n"
end

local function found_in(body)
  local result = check { ["scripts/a.lua"] = handler(body) }
  return result.output, result.code
end

describe("anzol check", function()
  it("finds undefined names in handlers that never ran", function()
    local output, code = found_in [[
      local data = evnt.data
      retrun(data)
      event:send(string.fomat("%s", data), { json = anzol.json.arry {} })
      print(string.format("%s", tostring(data)), anzol.log.info)]]
    assert.equal(1, code)
    assert.equal("scripts/a.lua:3: error: undefined global 'evnt'\n"
      .. "scripts/a.lua:4: error: undefined global 'retrun'\n"
      .. "scripts/a.lua:5: error: there is no 'fomat' in string (did you mean 'format'?)\n"
      .. "scripts/a.lua:5: error: there is no 'arry' in anzol.json (did you mean 'array'?)\n",
      output)
  end)

  it("finds what is published where it cannot be, or twice", function()
    local result = check { ["scripts/a.lua"] = HEAD .. [[
anzol.on("order.*", function(event)
  if event.data.big == true then event:publish { payload = {} } end
end)
anzol.on({ "api.a", "b" }, { name = "both" }, function(e) e:publish() end)
anzol.on("api.**", { name = "twice" }, function(e)
  e:publish { channels = {} }
  for _ = 1, 2 do e:send("x") end
  e:publish()
end)
anzol.on("api.**", { name = "once" }, function(event)
  if event.data.a == 1 then event:publish() else event:publish { channels = {} } end
  local _ = event.data.b == 1 and event:publish() or event:publish { type = "b" }
end)
local hub = anzol.hub("feeds", { public_url = "https://x.example/in/feeds", topics = { "https://x.example/" } })
anzol.on("feed.changed", function(event) hub:publish(event, "https://x.example/", { body = "" }) end)
anzol.endpoint("x", { url = "https://x.example/", sign = false })
]] }
    assert.equal("scripts/a.lua:3: error: event:publish is of events that were published over the API (no pattern of "
      .. "this handler begins with 'api.')\nscripts/a.lua:9: error: e:publish is called twice in a run (once is "
      .. "enough)\n", result.output)
    assert.equal(1, result.code)
  end)

  it("warns of handlers that take what applications publish, and let it go nowhere", function()
    local result = check { ["scripts/a.lua"] = HEAD .. [[
local function route(event) event:publish() end
anzol.on("api.**", function(event) event.log.info("seen", { type = event.type }) end)
anzol.on("api.order.*", { name = "with another" }, function(event) event.log.info "seen" end)
anzol.on("api.order.**", function(e) if e.data.a == 1 then e:publish() end end)
anzol.on("api.invoice.**", function() return anzol.skip "ours" end)
anzol.on("api.user.**", function(event) route(event) end)
anzol.on("api.direct.**", route)
anzol.on({ "b", "api.emit.a" }, function(event) event:emit("c") end)
]], ["scripts/b.lua"] = HEAD .. 'anzol.on("api.emit.a", { name = "b" }, function(event) event:publish() end)\n' }
    assert.equal("scripts/a.lua:3: warning: no endpoint gets what is published as 'api.**': a handler takes it and "
      .. "none of its handlers calls event:publish (return anzol.skip(why) where that is meant)\n", result.output)
  end)

  it("warns of patterns that nothing can match", function()
    local lines = HEAD .. [[
anzol.on({ "anzol.delivery.ded", "anzol.**", "anzol.delivery.*" }, function() end)
anzol.on("anzol.*", { name = "two" }, function() end)
anzol.on("api", { name = "three" }, function() end)
anzol.on("api.**", { name = "four" }, function(event) event:publish() end)
]]
    local result = check { ["scripts/a.lua"] = lines }
    assert.equal("scripts/a.lua:2: warning: nothing matches the pattern 'anzol.delivery.ded': the server tells no such "
      .. "event (did you mean 'anzol.delivery.dead'?)\n"
      .. "scripts/a.lua:3: warning: nothing matches the pattern 'anzol.*': the server tells no such event\n"
      .. "scripts/a.lua:4: warning: nothing matches the pattern 'api': what is published has a type behind it (did you "
      .. "mean 'api.**'?)\n", result.output)
    result = check { ["scripts/a.lua"] = lines .. 'anzol.source("api", { verify = anzol.verify.none() })\n' }
    assert.is_nil(result.output:find("pattern 'api'", 1, true), result.output)
  end)

  it("knows all that the server tells scripts", function()
    local types = {}
    for type in files.read("core/model/meta.h"):gmatch '"(anzol%.[%l.]+)"' do types[#types + 1] = type end
    table.sort(types)
    assert.same(types, require "anzol.cli.lint_publish".META_TYPES)
  end)

  it("warns of what the sandbox took out", function()
    local output, code = found_in "os.execute('true')\nreturn io.open, os.time()"
    assert.equal(0, code)
    local why = " is not available in scripts: trust = \"full\" in anzol.lua gives it back\n"
    assert.equal("scripts/a.lua:3: warning: os.execute" .. why
      .. "scripts/a.lua:4: warning: io.open" .. why, output)
  end)

  describe("on conditions that JSON null passes", function()
    local WHY = " may be JSON null, which is true in a condition (event:get gives nil for null, "
      .. "anzol.json.is_null tells it)\n"

    -- What is named in the warnings about these lines of a handler, as "line name".
    local function named(body)
      local list = {}
      for line, name, why in found_in(body):gmatch "scripts/a.lua:(%d+): warning: '(.-)'([^\n]*\n)" do
        assert.equal(WHY, why)
        list[#list + 1] = ("%d %s"):format(line - 2, name)
      end
      return list
    end

    it("warns, with -o json and --deny-warnings as of other warnings", function()
      local contents = { ["scripts/a.lua"] = handler "if event.data.gone then return end" }
      local result = check(contents)
      assert.equal(0, result.code)
      assert.equal("scripts/a.lua:3: warning: 'event.data.gone'" .. WHY, result.output)
      assert.equal(1, check(contents, "--deny-warnings").code)
      local finding = dkjson.decode(check(contents, "-o", "json").output).findings[1]
      assert.equal("warning", finding.level)
      assert.equal("event:get gives nil for null, anzol.json.is_null tells it", finding.hint)
    end)

    it("follows what was decoded through locals, loops and calls", function()
      assert.same({ "2 p.a", "3 p.list[1].b", "4 item.c", "6 body.d", "8 items", "9 e", "10 t.x.y" }, named [[
        local p = event.data
        if p.a then return end
        while p.list[1].b do break end
        for _, item in ipairs(p.items) do if not item.c then return end end
        local body, err = anzol.http.get("https://a.example"):json()
        if not body then error(err) elseif body.d then return end
        local json = anzol.json
        local items = assert(json.decode "{}").items if items then return end
        local e <const> = p.e if (e) then return end
        local t = { x = 1 } t = event.data if t.x.y then return end]])
      local result = check { ["scripts/a.lua"] = HEAD .. [[
        anzol.source("s", { verify = anzol.verify.none(),
          type = function(r) return r.json.type or "s" end,
          challenge = function(req) if req.json.challenge then return { status = 200 } end end })
        anzol.on("**", { filter = function(event) return not event.data.test end }, function(it)
          if it.data.a then return end
        end)]] }
      for _, name in ipairs { "3: warning: 'r.json.type'", "4: warning: 'req.json.challenge'",
        "5: warning: 'event.data.test'", "6: warning: 'it.data.a'" } do
        assert.matches("scripts/a.lua:" .. name, result.output, 1, true)
      end
    end)

    it("knows every form of a condition", function()
      assert.same({ "2 p.a", "3 p.b", "4 p.c", "5 p.d", "5 p.e", "6 p.f", "7 p.g", "8 p.h" }, named [[
        local p = event.data
        if event.id == "x" or p.a then return end
        local b = p.b or "none"
        return p.c and 1,
          p.d and p.e and p.x,
          not p.f,
          { p.g or 1 },
          tostring(p.h or 1)]])
    end)

    it("finds none in the examples and the default project", function()
      local dirs_with_scripts = { "." }
      for name in lfs.dir "examples" do
        local dir = "examples/" .. name
        if files.exists(dir .. "/scripts") then table.insert(dirs_with_scripts, dir) end
      end
      assert.is_true(#dirs_with_scripts > 10)
      for _, dir in ipairs(dirs_with_scripts) do
        local result = cli.run({ "check", "--allow-missing-secrets", "--project", dir }, {})
        assert.not_matches("JSON null", result.output, 1, true)
        assert.equal(0, result.code, dir .. "\n" .. result.output)
      end
    end)

    it("takes comparisons, calls, types, and what was asked about null", function()
      assert.same({}, named [[
        local p = event.data
        if p.a == 1 or p.b ~= "x" or 1 == p.c or p.d < 4 or #p.e > 0 or not (p.f == 2) then return end
        if type(p.g) == "table" and p.g then return end
        if event:get "h" or tostring(p.h) or p.h:find "x" or anzol.json.is_null(p.h) then return end
        if p.i and p.i ~= anzol.json.null then return end
        if anzol.json.is_null(p.j) then return end
        if p.j then return end
        if not p then return end
        local x, y = p.k, event.id == "x" and p.l
        local function other(p) if p.a then return end end
        do local p = { a = x, p = y } if p.a or other(p) then return end end
        p = { a = 1 } if p.a then return end
        for p = 1, 2 do if p.a then return end end
        if p.m .. "x" and -p.m and p.m + 1 then return end]])
    end)
  end)

  it("leaves out that warning where the scripts are trusted", function()
    local result = check { ["anzol.lua"] = 'return { trust = "full" }',
      ["scripts/a.lua"] = handler "os.execute('true')" }
    assert.equal("", result.output)
  end)

  it("finds an assignment that forgot its local", function()
    local output = found_in "count = 1"
    assert.equal("scripts/a.lua:3: error: assignment to undeclared global 'count' "
      .. "(did you forget 'local'?)\n", output)
  end)

  it("takes what is local, an upvalue, set while loading, or looked for by portable modules", function()
    local result = check { ["scripts/a.lua"] = HEAD .. [[
      shared = { n = 0 }
      local unpack = table.unpack or unpack
      anzol.on("**", function(event)
        local string = { fomat = 1 }
        shared.n = shared.n + 1
        for name, value in pairs(event.data) do print(name, value, string.fomat, unpack) end
        goto done
        ::done::
        local _ENV = { own = 1 }
        return own, function() return own end
      end)]], ["lua/own.lua"] = "return function(...) return shared, ... end",
      ["lua/odd.lua"] = "('x'):rep(2)", ["lua/empty.lua"] = "", ["lua/shell.lua"] = "#!/bin/sh\nreturn 1" }
    assert.equal("", result.output)
    assert.equal(0, result.code)
  end)

  it("finds options that no call takes", function()
    local result = check { ["scripts/a.lua"] = HEAD .. [[
      local url, json = anzol.url, anzol.json
      local seen = anzol.cache "seen"
      anzol.endpoint("crm", { url = "https://x.example", sign = false })
      anzol.on("**", function(event)
        event:send("crm", { jsn = { delay = 1 }, type = "a" }, { dely = "5s", idempotency_key = "k" })
        return json.encode(event.data, { sorted = true, ident = 2 }), anzol.json.encode({ ident = 1 }),
          url, { json == url }, seen:get { ttk = 1 }, seen:add("a", { ttl = 1 }, { ttk = 1 })
      end)]] }
    assert.equal("scripts/a.lua:6: error: unknown option 'jsn' for event:send (did you mean 'json'?)\n"
      .. "scripts/a.lua:6: error: unknown option 'dely' for event:send (did you mean 'delay'?)\n"
      .. "scripts/a.lua:7: error: unknown option 'sorted' for anzol.json.encode (did you mean 'sort'?)\n"
      .. "scripts/a.lua:7: error: unknown option 'ident' for anzol.json.encode (did you mean 'indent'?)\n"
      .. "scripts/a.lua:8: error: unknown option 'ttk' for Cache:add (did you mean 'ttl'?)\n",
      result.output)
  end)

  it("finds patterns that do not compile", function()
    local output = found_in [[
      local s = event.type
      s:match "^[abc"
      s:gsub("a", "%x")
      string.find(s, "(x")
      s:find("(x", 1, true)
      s:gmatch("%f")
      return s:match "%((.-)%)" or s:gsub("(a)", "%1%%")]]
    assert.equal("scripts/a.lua:4: error: malformed pattern (missing ']')\n"
      .. "scripts/a.lua:5: error: invalid use of '%' in what gsub puts in: write %% for the sign itself\n"
      .. "scripts/a.lua:6: error: malformed pattern (a '(' is never closed)\n"
      .. "scripts/a.lua:8: error: malformed pattern (missing '[' after '%f')\n", output)
  end)

  it("finds regular expressions that do not compile", function()
    local output = found_in [[
      local re = anzol.re
      local word = re.compile("(a", "i")
      anzol.re.match(event.type, "[a-")
      re.gsub(event.type, "a{2}", "%1")
      re.split(event.type, [=[\s+(?<n>]=])
      return re.compile "a|b", re.find(event.type, event.source), re.compile("a", "q"), word]]
    local lines = {}
    for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line:match "^scripts/a.lua:(%d+): error: " end
    assert.same({ "4", "5", "7", "8" }, lines, output)
  end)

  it("warns of endpoints that nothing sends to", function()
    local text = HEAD .. [[
      for _, name in ipairs { "team-a", "crm" } do
        anzol.endpoint(name, { url = "https://x.example", sign = false })
      end
      anzol.endpoint("team-b", { url = "https://x.example", sign = false })
      anzol.endpoint("lost", { url = "https://x.example", sign = false })
      anzol.on("**", function(event) event:send("team-" .. event.data.team) end)]]
    local result = check { ["scripts/a.lua"] = text }
    assert.equal("scripts/a.lua:6: warning: nothing in the scripts sends to endpoint 'lost'\n",
      result.output)
    assert.equal(0, result.code)
    assert.equal(1, check({ ["scripts/a.lua"] = text }, "--deny-warnings").code)
  end)

  it("warns of no endpoint where a script sends to what its data or a function names", function()
    for _, name in ipairs { "event.data.to", "names[event.type]", "choose(event)", "event:get 'to'" } do
      local result = check { ["scripts/a.lua"] = HEAD .. [[
        anzol.endpoint("crm", { url = "https://x.example", sign = false })
        local names, choose = {}, function() end
        names.x, choose = nil, choose
        anzol.on("**", function(event) event:send(]] .. name .. ") end)" }
      assert.equal("", result.output, name)
    end
  end)

  it("asks luacheck when the project has its settings", function()
    local contents = { ["scripts/a b.lua"] = handler "local unused = 1\nreturn evnt" }
    assert.equal("scripts/a b.lua:4: error: undefined global 'evnt'\n", check(contents).output)
    contents[".luacheckrc"] = 'std = "lua54"\nread_globals = { "evnt" }'
    local result = check(contents)
    assert.equal("scripts/a b.lua:2: warning: unused argument 'event' (luacheck W212)\n"
      .. "scripts/a b.lua:3: warning: unused variable 'unused' (luacheck W211)\n"
      .. "scripts/a b.lua:4: error: undefined global 'evnt'\n", result.output)
  end)

  it("tells all that is wrong with one line, and nothing twice", function()
    local contents = { ["scripts/a.lua"] = HEAD
      .. 'anzol.endpoint("crm", { url = "https://x.example", sgin = false, timeout = evnt.x })\n'
      .. 'anzol.on("**", function(event) event:send("crm", { jsn = 1 }, { dely = 1 }) return evnt end)' }
    local expected = "scripts/a.lua:2: error: undefined global 'evnt'%s\n"
      .. "scripts/a.lua:2: error: unknown option 'sgin' for anzol.endpoint (did you mean 'sign'?)\n"
      .. "scripts/a.lua:3: error: undefined global 'evnt'\n"
      .. "scripts/a.lua:3: error: unknown option 'jsn' for event:send (did you mean 'json'?)\n"
      .. "scripts/a.lua:3: error: unknown option 'dely' for event:send (did you mean 'delay'?)\n"
    assert.equal(expected:format "", (check(contents).output:gsub("(global 'evnt') %(.-%)", "%1")))
    contents[".luacheckrc"] = 'std = "lua54"'
    assert.equal(expected:format "", (check(contents).output:gsub("(global 'evnt') %(.-%)", "%1")))
    -- Loading knows of an unset secret, the look through the file of what stands beside it.
    local output = check({ ["scripts/a.lua"] = HEAD .. 'anzol.endpoint("crm", { sign = false, '
      .. 'url = anzol.secret "CRM_URL" }) anzol.on("*", function() return evnt end)' },
      "--allow-missing-secrets").output
    assert.matches("a.lua:2: warning: secret CRM_URL is not set", output, 1, true)
    assert.matches("a.lua:2: error: undefined global 'evnt'", output, 1, true)
    assert.matches("a.lua:2: warning: nothing in the scripts sends to endpoint 'crm'", output, 1, true)
  end)

  it("tells every unknown option of what registers, and each once", function()
    local result = check { ["scripts/a.lua"] = HEAD .. 'anzol.source("s", {\n  verfy = anzol.verify.none() })\n'
      .. 'anzol.endpoint("crm", { url = "https://x.example",\n  sgin = false, lease = "1m" })\n'
      .. 'anzol.on("*", { bach = {} },\n  function() end)\n'
      .. 'anzol.on("*", { filter = function(event) local a, b; for i = 1, 2 do a, b = i, i end\n'
      .. 'repeat a = 1; b = 2 until a if b then a, b = b, a end return a == b end, nme = "x" }, function() end)' }
    assert.equal(1, result.code)
    assert.equal("scripts/a.lua:2: error: unknown option 'verfy' for anzol.source 's' (did you mean 'verify'?)\n"
      .. "scripts/a.lua:4: error: unknown option 'sgin' for anzol.endpoint (did you mean 'sign'?)\n"
      .. "scripts/a.lua:6: error: unknown option 'bach' for anzol.on (did you mean 'batch'?)\n"
      .. "scripts/a.lua:8: error: unknown option 'nme' for anzol.on (did you mean 'name'?)\n", result.output)
  end)

  it("tells all at once: one broken script hides no other, missing secrets hide nothing", function()
    local result = check {
      ["scripts/a.lua"] = "local x = = 1",
      ["scripts/b.lua"] = HEAD .. 'anzol.source("b", { provider = anzol.provider.github {\n'
        .. 'secret = anzol.secret "NOT_THERE" }, tipe = "x" })',
      ["scripts/c.lua"] = handler "evnt()",
    }
    assert.equal(1, result.code)
    local lines = {}
    for line in result.output:gmatch "[^\n]+" do lines[#lines + 1] = line:match "^[^:]+:%d+: %a+: %S+ %S+" end
    assert.same({ "scripts/a.lua:1: error: unexpected symbol", "scripts/b.lua:2: error: unknown option",
      "scripts/b.lua:3: error: secret NOT_THERE", "scripts/c.lua:3: error: undefined global" }, lines)
  end)

  it("finds what is registered by chance or by the order of pairs, as a server of two workers does", function()
    local result = check { ["scripts/a.lua"] = HEAD .. 'anzol.on("fine", function() end)\n'
      .. 'anzol.on("x" .. tostring({}):match "0x(%x+)", function() end)' }
    assert.equal(1, result.code)
    assert.equal("scripts/a.lua:3: error: the scripts register different things when loaded again "
      .. "(registrations must not depend on time, chance or the order of pairs)\n", result.output)
  end)

  it("finds unknown endpoints although a secret is missing", function()
    local text = HEAD .. 'anzol.endpoint("crm", { url = anzol.secret "CRM_URL", sign = false })\n'
      .. 'anzol.on("**", function(event) event:send "crn" event:send "crm" end)'
    local result = check { ["scripts/a.lua"] = text }
    assert.matches("a.lua:3: error: unknown endpoint 'crn' (did you mean 'crm'?)", result.output, 1, true)
    assert.matches("a.lua:2: error: secret CRM_URL is not set", result.output, 1, true)
  end)

  it("makes missing secrets warnings when told", function()
    local result = check({ ["scripts/a.lua"] = HEAD .. [[
      anzol.source("a", { provider = anzol.provider.github { secret = anzol.secret "NOT_THERE" } })
      anzol.source("b", { provider = anzol.provider.adyen { secret = anzol.secret "NO_HEX" } })
      anzol.source("c", { provider = anzol.provider.discord { public_key = anzol.secret "NO_KEY" } })]] },
      "--allow-missing-secrets")
    assert.equal(0, result.code)
    assert.matches("a.lua:2: warning: secret NOT_THERE is not set", result.output, 1, true)
  end)

  it("tells of named files only what is in them", function()
    local contents = { ["scripts/a.lua"] = handler "evnt()", ["scripts/b.lua"] = handler "evnt()" }
    assert.equal("scripts/b.lua:3: error: undefined global 'evnt'\n",
      check(contents, "./scripts/b.lua").output)
    local dir = project(contents)
    local result = cli.run({ "check", dir .. "/scripts/a.lua", "--project", dir }, { cwd = "/" })
    assert.equal("scripts/a.lua:3: error: undefined global 'evnt'\n", result.output)
    assert.equal(2, check(contents, "scripts/none.lua").code)
  end)

  it("gives an object of a stable shape with -o json", function()
    local result = check({ ["scripts/a.lua"] = handler "x = evnt" }, "-o", "json")
    assert.equal(1, result.code)
    assert.same({ ok = false, sources = 0, endpoints = 0, subscriptions = 1, crons = 0, polls = 0, findings = {
      { level = "error", file = "scripts/a.lua", line = 3, phase = "check",
        message = "undefined global 'evnt'" },
      { level = "error", file = "scripts/a.lua", line = 3, phase = "check",
        message = "assignment to undeclared global 'x'", hint = "did you forget 'local'?" },
    } }, dkjson.decode(result.output))
  end)

  it("looks where anzol.lua says that the scripts are", function()
    local dir = project { ["anzol.lua"] = 'return { scripts = { "hooks/*.lua" } }',
      ["scripts/other.lua"] = "oops(", ["hooks/a.lua"] = HEAD .. [[
      anzol.source("a", { provider = anzol.provider.github { secret = anzol.secret "A_SECRET" } })]] }
    local env = { ANZOL_SECRET_A_SECRET = "0123456789abcdef" }
    assert.equal("", cli.run({ "check" }, { cwd = dir, env = env }).output)
    assert.equal("1\n", cli.run({ "eval", "-e", "1" }, { cwd = dir, env = env }).output)
    files.write(dir .. "/body", "{}")
    local signed = cli.run({ "sign", "--source", "a", "--type", "push" }, { cwd = dir, env = env,
      input = dir .. "/body" })
    assert.equal(0, signed.code, signed.errors)
    assert.matches("X-Hub-Signature-256: sha256=", signed.output, 1, true)
  end)

  it("ends with 78 for a broken anzol.lua", function()
    local result = check { ["anzol.lua"] = "return {", ["scripts/a.lua"] = HEAD }
    assert.equal(78, result.code)
    assert.matches("anzol.lua:1", result.errors, 1, true)
    result = check { ["anzol.lua"] = 'return {\n  lisen = "127.0.0.1:1",\n}', ["scripts/a.lua"] = HEAD }
    assert.equal(78, result.code)
    assert.matches('anzol.lua:2: lisen: unknown setting; did you mean "listen"?', result.errors, 1, true)
  end)

  it("colours only on a terminal or when told", function()
    local contents = { ["scripts/a.lua"] = handler "evnt()" }
    assert.is_nil(check(contents).output:find "\27")
    assert.matches("\27[31merror\27[0m", check(contents, "--color", "always").output, 1, true)
  end)
end)

describe("the check of patterns", function()
  it("passes nothing that Lua refuses", function()
    local pattern = require "anzol.cli.pattern"
    local atoms = { "a", "%", "[", "]", "^", "(", ")", "-", "*", "%d", "%b", "%f", "x", "%1", "%2", "." }
    local texts = { "", "a", "ab", "xax", "((a))", "a[b]1" }
    local random = 1
    for _ = 1, 20000 do
      local parts = {}
      for i = 1, 7 do
        random = (random * 1103515245 + 12345) & 0x7fffffff
        parts[i] = atoms[(random >> 16) % #atoms + 1]
      end
      local text = table.concat(parts)
      for _, subject in ipairs(texts) do
        local ok, err = pcall(string.find, subject, text)
        assert.truthy(ok or pattern.problem(text), ("%s: %s"):format(text, err))
      end
    end
  end)
end)
