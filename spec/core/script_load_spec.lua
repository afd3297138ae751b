-- SPDX-License-Identifier: MIT
-- Loading a project: what scripts register, and everything that refuses them (generation.c).
local rig = require "core.script_rig"
local script = rig.script

local KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

describe("loading", function()
  setup(function()
    script.quiet(true)
    script.setenv("ANZOL_SECRET_KEY", KEY)
    script.setenv("ANZOL_SECRET_URL", "https://hooks.example/T0/B0")
  end)
  teardown(function()
    script.setenv("ANZOL_SECRET_KEY", nil)
    script.setenv("ANZOL_SECRET_URL", nil)
  end)
  after_each(rig.finish)

  it("takes a source with its defaults", function()
    local source = rig.project([[ anzol.source("a", { verify = anzol.verify.none() }) ]])
      :registry().sources.a
    assert.same({
      name = "a", path = "/in/a", methods = "POST", type = "a", script = "scripts/main.lua:1",
      is_declarative = true, key_window_ms = 86400000, retention_ms = 0, body_bytes_max = 1048576,
      status = 200, hidden_headers = { "authorization", "cookie" },
    }, source)
  end)

  it("takes a source with every option", function()
    local source = rig.project([[
      anzol.source("a.b-c_1", { path = "/hooks/x", methods = { "POST", "PUT" },
        verify = function() return true end, type = "a.b", idempotency_key = function() end,
        idempotency_window = "2h", status = 204, max_body = "64KiB", hide_headers = { "X-Token" },
        retention = "7d" })
    ]]):registry().sources["a.b-c_1"]
    assert.same({
      name = "a.b-c_1", path = "/hooks/x", methods = "POST, PUT", type = "a.b",
      script = "scripts/main.lua:1", is_declarative = false, key_window_ms = 7200000,
      retention_ms = 604800000, body_bytes_max = 65536, status = 204, hidden_headers = { "x-token" },
    }, source)
  end)

  it("takes an endpoint with its defaults", function()
    local endpoint = rig.project([[ anzol.endpoint("a", { url = "https://a.example", sign = false }) ]])
      :registry().endpoints.a
    assert.equal("POST", endpoint.method)
    assert.same({}, endpoint.head)
    assert.is_false(endpoint.is_signed)
    assert.same({ 10000, 15000, 15000 },
      { endpoint.connect_ms, endpoint.first_byte_ms, endpoint.whole_ms })
    assert.is_false(endpoint.has_success)
    assert.equal(20, endpoint.concurrency)
    assert.equal(0, endpoint.rate_per_s)
    assert.is_false(endpoint.allow_private)
    assert.equal(9, endpoint.retry.step_count)
  end)

  it("takes the parts of a timeout, and fills the others in", function()
    local function parts(timeout)
      local endpoint = rig.project(([[anzol.endpoint("a", { url = "https://a.example",
        sign = false, timeout = %s })]]):format(timeout)):registry().endpoints.a
      return { endpoint.connect_ms, endpoint.first_byte_ms, endpoint.whole_ms }
    end
    assert.same({ 10000, 60000, 60000 }, parts '"1m"')
    assert.same({ 10000, 15000, 15000 }, parts "{}")
    assert.same({ 4000, 4000, 15000 }, parts '{ first_byte = "4s" }')
    assert.same({ 1000, 20000, 60000 }, parts '{ connect = "1s", first_byte = 20, whole = 60 }')
    assert.same({ 600000, 600000, 600000 }, parts '{ connect = "10m", whole = "10m" }')
  end)

  it("takes how an endpoint is paced", function()
    local function endpoint(options)
      return rig.project(([[anzol.endpoint("a", { url = "https://a.example", sign = false, %s })]])
        :format(options)):registry().endpoints.a
    end
    local plain = endpoint ""
    assert.same({ failures = 20, rate = 0.9, window_ms = 60000, cooldown_ms = 10000 }, plain.breaker)
    assert.is_true(plain.slows_down)
    assert.equal(50, endpoint('rate_limit = "50/s"').burst)
    assert.equal(1, endpoint('rate_limit = "1000/h"').burst)
    assert.equal(7.5, endpoint('rate_limit = "30/m", burst = 7.5').burst)
    assert.equal(0, endpoint("breaker = false").breaker.failures)
    assert.is_false(endpoint("slow_down = false").slows_down)
    assert.same({ failures = 3, rate = 1, window_ms = 3600000, cooldown_ms = 1 },
      endpoint('breaker = { failures = 3, rate = 1, window = "1h", cooldown = 0.001 }').breaker)
  end)

  it("takes an endpoint with every option, secrets as URL and header", function()
    local endpoint = rig.project([[
      anzol.endpoint("a", { url = anzol.secret "URL", method = "PUT",
        headers = { ["X-B"] = "b", ["X-A"] = anzol.secret "KEY" },
        sign = anzol.sign.standard { secret = anzol.secret "KEY" }, transform = function() end,
        retry = function() end, success = function() end, timeout = "2s", rate_limit = "90/m", concurrency = 3,
        allow_private = true })
    ]]):registry().endpoints.a
    assert.equal("https://hooks.example/T0/B0", endpoint.url)
    assert.same({ { "X-A", KEY }, { "X-B", "b" } }, endpoint.head)
    assert.is_true(endpoint.is_signed and endpoint.has_retry and endpoint.has_transform
      and endpoint.has_success
      and endpoint.allow_private)
    assert.equal(1.5, endpoint.rate_per_s)
    assert.same({ 2000, 2000, 2000 },
      { endpoint.connect_ms, endpoint.first_byte_ms, endpoint.whole_ms })
  end)

  it("takes backoffs that C follows", function()
    local endpoints = rig.project([[
      local b = anzol.backoff
      local function endpoint(name, retry)
        anzol.endpoint(name, { url = "https://a.example", sign = false, retry = retry })
      end
      endpoint("e", b.exponential { base = "5s", factor = 3, max = "1h", attempts = 12, jitter = "full" })
      endpoint("l", b.linear { base = "1s", max_age = "1d", jitter = "none" })
      endpoint("c", b.constant { base = 7, attempts = 2, jitter = "equal" })
      endpoint("s", b.schedule { "1s", 2, "3m", jitter = "none", max_age = "1h" })
    ]]):registry().endpoints
    assert.same({ kind = 0, jitter = 1, factor = 3.0, base_ms = 5000, max_ms = 3600000, max_age_ms = 0,
      attempts_max = 12, step_count = 0 }, endpoints.e.retry)
    assert.same({ kind = 1, jitter = 0, factor = 1.0, base_ms = 1000, max_ms = 0, max_age_ms = 86400000,
      attempts_max = 0, step_count = 0 }, endpoints.l.retry)
    assert.equal(7000, endpoints.c.retry.base_ms)
    assert.equal(3, endpoints.s.retry.step_count)
    assert.equal(3600000, endpoints.s.retry.max_age_ms)
  end)

  it("takes subscriptions, and shares their concurrency among the workers", function()
    local subscriptions = rig.project([[
      anzol.source("s", { verify = anzol.verify.none() })
      anzol.on("a.*", function() end)
      anzol.on({ "a", "b.**" }, { source = "s", filter = function() end, deadline = "5s",
        concurrency = 7 }, function() end)
      anzol.on("x", { name = "one", concurrency = 1 }, function() end)
    ]], { workers = 4 }):registry().subscriptions
    assert.equal("main:a.*", subscriptions[1].name)
    assert.equal(12, subscriptions[1].concurrency)
    assert.same({ name = "main:a,b.**", patterns = { "a", "b.**" }, source = "s", has_filter = true,
      deadline_ms = 5000, concurrency = 1, script = "scripts/main.lua:3" }, subscriptions[2])
    assert.equal(1, subscriptions[3].concurrency)
  end)

  it("runs all scripts in order, with modules of lua/ and scripts/ read once", function()
    local project = assert(rig.load { files = {
      ["scripts/b.lua"] = [[ local m = require "m.util" m.on "b" ]],
      ["scripts/a.lua"] = [[ local m = require "m.util" m.on "a" return "kept" ]],
      ["scripts/c.lua"] = [[ assert(require "a" == "kept") require "d.e" ]],
      ["scripts/notes.txt"] = "not Lua",
      ["lua/m/util.lua"] = [[
        local anzol = require "anzol"
        return { on = function(name) anzol.on(name, { name = name }, function() end) end } ]],
      ["lua/d/e/init.lua"] = [[ require "m.util".on "e" ]],
    } })
    local names = {}
    for i, subscription in ipairs(project:registry().subscriptions) do names[i] = subscription.name end
    assert.same({ "a", "b", "e" }, names)
    assert.same({ "scripts/a.lua", "scripts/b.lua", "scripts/c.lua", "lua/d/e/init.lua",
      "lua/m/util.lua" }, project:files())
  end)

  it("gives all files of a state the same globals, and each state its own", function()
    local function load()
      return assert(rig.load { files = {
        ["scripts/a.lua"] = "shared = { runs = 0 }",
        ["scripts/b.lua"] = [[
          require "anzol".on("**", { name = "main" }, function()
            shared.runs = shared.runs + 1
            error(shared.runs, 0)
          end)]],
      } })
    end
    local one, other = load(), load()
    assert.matches("^1\n", one:run("main", {}).text)
    assert.matches("^2\n", one:run("main", {}).text)
    assert.matches("^1\n", other:run("main", {}).text)
  end)

  it("has package as libraries expect it: path, preload, loaded, searchers", function()
    local project = assert(rig.load { files = {
      ["scripts/a.lua"] = [[
        assert(package.path == "lua/?.lua;lua/?/init.lua;scripts/?.lua;/usr/local/share/lua/5.4/?.lua;"
          .. "/usr/local/share/lua/5.4/?/init.lua;/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua")
        package.preload.given = function(name) return name .. "!" end
        assert(require "given" == "given!" and package.loaded.given == "given!")
        package.loaded.put = 7
        assert(require "put" == 7)
        table.insert(package.searchers, function(name)
          return name == "made.up" and function() return "made" end or "not made up" end)
        assert(require "made.up" == "made")
        assert(select(2, pcall(require, "unknown")):find("not made up", 1, true))
        package.path = "/nowhere/?.lua"
        assert(require "m" == "m")
        require "anzol".on("**", { name = "main" }, function() assert(require "m" == "m") end)]],
      ["lua/m.lua"] = 'return "m"',
    } })
    assert.equal("handled", project:run("main", {}).outcome)
  end)

  it("lets a handler require what no script has", function()
    local project = assert(rig.load { files = {
      ["scripts/a.lua"] = [[
        require "anzol".on("**", { name = "main" }, function() assert(require "late" == 5) end) ]],
      ["lua/late.lua"] = "return 5",
    } })
    assert.equal("handled", project:run("main", {}).outcome)
  end)

  it("takes a project's own providers", function()
    local project = assert(rig.load { files = {
      ["scripts/a.lua"] = [[ local anzol = require "anzol"
        anzol.source("a", { provider = anzol.provider.acme {} }) ]],
      ["lua/anzol/provider/acme.lua"] = [[ local anzol = require "anzol"
        return function() return { verify = anzol.verify.none(), type = "acme.event" } end ]],
    } })
    assert.equal("acme.event", project:registry().sources.a.type)
  end)

  it("takes other patterns of scripts", function()
    local project = assert(rig.load { scripts = { "hooks/*.lua" }, files = {
      ["hooks/a.lua"] = 'require "anzol".on("a", function() end)',
      ["scripts/b.lua"] = "error 'not loaded'",
    } })
    assert.equal("a:a", project:registry().subscriptions[1].name)
  end)

  it("refuses a script that is named and not there", function()
    local _, _, message = rig.load {
      scripts = { "scripts/none.lua" }, files = { ["scripts/a.lua"] = "" },
    }
    assert.matches("^scripts/none.lua: there is no such script; write it, or ", message)
  end)

  it("takes a project without scripts, and warns", function()
    local project, findings = rig.load { files = { ["lua/money.lua"] = "return {}" } }
    assert.truthy(project)
    assert.same({ "warning", "no file is a script: nothing is received or sent" },
      { findings[1].level, findings[1].message })
    assert.equal(1, #findings)
    project, findings = rig.load { script = "" }
    assert.same({ true, 0 }, { project ~= nil, #findings })
    assert.matches("is not a folder", select(3, script.load { dir = "/nonexistent" }))
  end)

  it("gives generation and version", function()
    assert.equal("7 0.1.0", rig.project([[
      anzol.on("x", { name = anzol.generation .. " " .. anzol.version }, function() end)
    ]]):registry().subscriptions[1].name)
  end)

  local misuse = {
    ["a syntax error"] = { "local x = = 1", "unexpected symbol near '='" },
    ["a raise"] = { "error 'no luck'", "no luck" },
    ["a module that is missing"] = { "require 'gone'", "module 'gone' not found" },
    ["no verify"] = { "anzol.source('a', {})", "anzol.source 'a' needs 'verify'" },
    ["verify that is no verifier"] = { "anzol.source('a', { verify = 'none' })",
      "anzol.verify.none%(%) to take what anybody sends%) or function%(req%) .*, got 'none'" },
    ["no options"] = { "anzol.source('a')", "takes a table of options, got nil" },
    ["an unknown option"] = { "anzol.endpoint('a', { url = 'https://a.example', sign = false, time_out = 1 })",
      "unknown option 'time_out' for anzol.endpoint 'a' %(did you mean 'timeout'%?%)" },
    ["an option of another kind"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, lease = 1 })",
      "option 'lease' of anzol.endpoint 'a' is for a queue" },
    ["a kind that is none"] = { "anzol.endpoint('a', { kind = 'queue' })",
      [[option 'kind' of anzol.endpoint 'a' must be "http" %(the default%) or "long_poll", got 'queue']] },
    ["a hook that is no function"] = { "anzol.source('a', { verify = anzol.verify.none(), respond = 1 })",
      "option 'respond' of anzol.source 'a' must be a function%(req%)" },
    ["an address that is none"] = { [[anzol.source('a', { verify = anzol.verify.none(),
      allow_from = { "203.0.113.0/24", "203.0.113.1/24" } })]],
      "option 'allow_from' of anzol.source 'a' holds '203.0.113.1/24', which is not an address or block" },
    ["an empty list of addresses"] = { [[anzol.source('a', { verify = anzol.verify.none(), allow_from = {} })]],
      "a list of 1 to 256 addresses" },
    ["a list of addresses that is too long"] = { [[local all = {}
      for i = 1, 257 do all[i] = "203.0.113.1" end
      anzol.source('a', { verify = anzol.verify.none(), allow_from = all })]],
      "a list of 1 to 256 addresses" },
    ["a source's rate that is none"] = { [[anzol.source('a', { verify = anzol.verify.none(), rate_limit = "5" })]],
      "option 'rate_limit' of anzol.source 'a' must be a count and a time" },
    ["a bad name"] = { "anzol.source('A b', {})", "bad name 'A b' for anzol.source: at most 64 of a%-z" },
    ["a name with dots"] = { "anzol.source('a..b', {})", "bad name 'a..b'" },
    ["a source twice"] = { [[anzol.source("a", { verify = anzol.verify.none() })
      anzol.source("a", { verify = anzol.verify.none() })]],
      "anzol.source 'a' is registered twice %(first in scripts/main.lua:1%)" },
    ["a path twice"] = { [[anzol.source("a", { verify = anzol.verify.none() })
      anzol.source("b", { verify = anzol.verify.none(), path = "/in/a" })]],
      "path '/in/a' is taken by anzol.source 'a'" },
    ["an endpoint twice"] = { [[anzol.endpoint("a", { url = "https://a.example", sign = false })
      anzol.endpoint("a", { url = "https://a.example", sign = false })]],
      "anzol.endpoint 'a' is registered twice" },
    ["a subscription twice"] = { [[anzol.on("a", function() end) anzol.on("a", function() end)]],
      "two subscriptions are called 'main:a'" },
    ["a bad path"] = { "anzol.source('a', { verify = anzol.verify.none(), path = '/a/../b' })",
      "option 'path' of anzol.source 'a' must begin with '/'" },
    ["a bad method"] = { "anzol.source('a', { verify = anzol.verify.none(), methods = { 'post' } })",
      "a list of GET, POST" },
    ["a bad status"] = { "anzol.source('a', { verify = anzol.verify.none(), status = 404 })",
      "option 'status' of anzol.source 'a' must be an integer from 200 to 299, got '404'" },
    ["a bad size"] = { "anzol.source('a', { verify = anzol.verify.none(), max_body = '1 MB' })",
      "option 'max_body' of anzol.source 'a' must be a size %(.*%), got '1 MB'" },
    ["a size that is too large"] = { "anzol.source('a', { verify = anzol.verify.none(), max_body = '65MiB' })",
      "is at most 64 MiB" },
    ["a bad type"] = { "anzol.source('a', { verify = anzol.verify.none(), type = 'a b' })",
      "option 'type' of anzol.source 'a' must be an event type" },
    ["a wrong verifier"] = { "anzol.source('a', { verify = 'github' })",
      "option 'verify' of anzol.source 'a' must be a verifier" },
    ["a signer as verifier"] = { "anzol.source('a', { verify = anzol.sign.hmac { header = 'x', secret = 's' } })",
      "option 'verify' of anzol.source 'a' must be a verifier" },
    ["no sign"] = { "anzol.endpoint('a', { url = 'https://a.example' })", "anzol.endpoint 'a' needs 'sign'" },
    ["no URL"] = { "anzol.endpoint('a', { sign = false })", "option 'url' of anzol.endpoint 'a' must be a URL" },
    ["a bad URL"] = { "anzol.endpoint('a', { url = 'ftp://a.example', sign = false })",
      "option 'url' of anzol.endpoint 'a'" },
    ["a timeout that is too long"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, timeout = '601s' })",
      "option 'timeout' of anzol.endpoint 'a' is at least 1ms and at most 10m" },
    ["a part of a timeout that is none"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, timeout = { conect = '1s' } })",
      "unknown option 'conect' for 'timeout' of anzol.endpoint 'a' %(did you mean 'connect'%?%)" },
    ["a part of a timeout that is nothing"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, timeout = { first_byte = 0 } })",
      "option 'first_byte' of 'timeout' of anzol.endpoint 'a' is at least 1ms" },
    ["a part of a timeout that is longer than the whole"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, timeout = { first_byte = '16s' } })",
      "first_byte at most whole %(default 15s%)" },
    ["a connect longer than the first byte"] = { [[anzol.endpoint('a', { url = 'https://a.example',
      sign = false, timeout = { connect = '3s', first_byte = '2s' } })]],
      "connect is at most first_byte" },
    ["a burst that is too small"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, rate_limit = '1/s', burst = 0.9 })",
      "option 'burst' of anzol.endpoint 'a' is at least 1" },
    ["a burst without a rate"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, burst = 5 })",
      "option 'burst' of anzol.endpoint 'a' needs 'rate_limit'" },
    ["a breaker that is none"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, breaker = true })",
      "option 'breaker' of anzol.endpoint 'a' must be { failures" },
    ["an option of a breaker that is none"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, breaker = { cooldwn = 1 } })",
      "unknown option 'cooldwn' for 'breaker' of anzol.endpoint 'a' %(did you mean 'cooldown'%?%)" },
    ["a breaker that opens by no failure"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, breaker = { rate = 0 } })",
      "option 'rate' of 'breaker' of anzol.endpoint 'a' is more than 0 and at most 1" },
    ["a cooldown that is too long"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, breaker = { cooldown = '61m' } })",
      "option 'cooldown' of 'breaker' of anzol.endpoint 'a' is at least 1ms and at most 1h" },
    ["a success that is no function"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, success = 204 })",
      "option 'success' of anzol.endpoint 'a' must be a function" },
    ["a bad rate"] = { "anzol.endpoint('a', { url = 'https://a.example', sign = false, rate_limit = '5 per s' })",
      "option 'rate_limit' of anzol.endpoint 'a' must be a count and a time" },
    ["a retry that never ends"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, retry = anzol.backoff.constant { base = 1 } })",
      "option 'retry' of anzol.endpoint 'a' would never end" },
    ["a wrong jitter"] = { "anzol.backoff.constant { base = 1, jitter = 'some' }", "option 'jitter'" },
    ["an empty schedule"] = { "anzol.backoff.schedule {}", "takes 1 to 32 delays" },
    ["no handler"] = { "anzol.on('a', {})", "the function is missing" },
    ["a bad pattern"] = { "anzol.on('a.**.b', function() end)", "bad pattern 'a.%*%*.b' of anzol.on" },
    ["a long name"] = { "anzol.on({ ('x'):rep(200), ('y'):rep(200) }, function() end)", "give option 'name'" },
    ["a source that there is not"] = { "anzol.on('a', { source = 'gone' }, function() end)",
      "names the unknown source 'gone'" },
    ["a header that frames"] = {
      "anzol.endpoint('a', { url = 'https://a.example', sign = false, headers = { ['Content-Length'] = '1' } })",
      "is set by the sender itself" },
    ["an unknown provider"] = { "anzol.provider.gitbub {}", "unknown provider 'gitbub'" },
    ["a provider without secret"] = { "anzol.source('a', { provider = anzol.provider.github {} })",
      "needs 'secret'" },
    ["an empty secret"] = { "anzol.verify.github { secret = '' }", "a secret is empty" },
    ["waiting"] = { "anzol.sleep(1)", "anzol.sleep cannot wait in 'load'" },
    ["reading kv"] = { "anzol.kv('a'):get 'b'", "anzol.kv:get cannot wait in 'load'" },
    ["writing kv"] = { "anzol.kv('a'):incr 'b'", "anzol.kv:incr cannot write in 'load'" },
    ["a number for a name"] = { "anzol.secret 'a b'", "bad name 'a b' for anzol.secret" },
    ["reading secrets as environment"] = { "anzol.env 'ANZOL_SECRET_KEY'", "use anzol.secret" },
    ["a registration inside pcall"] = { "pcall(anzol.source, 'a', {})", "a registration failed inside pcall" },
    ["a bad name inside pcall"] = { "pcall(function() anzol.on(5) end)", "a registration failed inside pcall" },
    ["chance"] = { "anzol.on(anzol.random() < 2 and 'x' .. tostring({}):match('0x(%x+)'), function() end)",
      "register different things when loaded again", 2 },
  }
  for name, case in pairs(misuse) do
    it("is refused for " .. name, function()
      local project, findings, why = rig.load { script = case[1], workers = case[3] }
      assert.is_nil(project)
      assert.matches(case[2], why)
      assert.equal("scripts/main.lua", findings[#findings].file)
      assert.is_true(findings[#findings].line > 0)
      assert.matches("^scripts/main%.lua:%d+: ", why)
    end)
  end

  it("goes on after a broken script, so that all errors are found at once", function()
    local _, findings, why = rig.load { files = {
      ["scripts/a.lua"] = "local anzol = require 'anzol'\nerror 'one'",
      ["scripts/b.lua"] = "x = = 2",
      ["scripts/c.lua"] = "local anzol = require 'anzol'\n\nanzol.secret 'NOT_SET' anzol.secret 'NOR_THIS'",
    } }
    assert.equal(4, #findings)
    assert.same({ level = "error", file = "scripts/a.lua", line = 2, phase = "load", message = "one" },
      findings[1])
    assert.equal("scripts/b.lua", findings[2].file)
    assert.equal(3, findings[3].line)
    assert.equal("secret NOT_SET is not set", findings[3].message)
    assert.matches("ANZOL_SECRET_NOT_SET", findings[3].hint)
    assert.equal("scripts/a.lua:2: one", why)
  end)

  it("names the file of an error that names none, and what was raised", function()
    local raised = {
      ["error()"] = "(error object is a nil value)",
      ["error { code = 1 }"] = "(error object is a table value)",
      ["error(setmetatable({}, { __tostring = function() return 'mine' end }))"] = "mine",
      ["error(7, 0)"] = "7",
    }
    for text, message in pairs(raised) do
      local _, findings, why = rig.load { script = text }
      assert.same({ level = "error", file = "scripts/main.lua", line = 0, phase = "load", message = message },
        findings[1])
      assert.equal("scripts/main.lua: " .. message, why)
    end
  end)

  it("says where modules are looked for when one is missing", function()
    local _, findings = rig.load { script = "require 'gone'" }
    assert.equal("module 'gone' not found", findings[1].message)
    assert.equal("a module is a file in lua/ or scripts/, or a pure Lua module of the system", findings[1].hint)
  end)

  it("may let secrets be missing, with a warning", function()
    local project, findings = rig.load { allow_missing_secrets = true,
      script = "anzol.source('a', { verify = anzol.verify.github { secret = anzol.secret 'NOT_SET' } })" }
    assert.truthy(project)
    assert.equal("warning", findings[1].level)
  end)

  it("warns of sources that take what anybody sends, and of short secrets and such in scripts", function()
    local _, findings = rig.load { script = [[
      anzol.source("open", { verify = anzol.verify.none() })
      anzol.source("short", { verify = anzol.verify.github { secret = "short" } })
    ]] }
    local messages = {}
    for i, finding in ipairs(findings) do
      assert.equal("warning", finding.level)
      messages[i] = finding.message
    end
    assert.same({ "a secret stands in the script itself",
      "anzol.source 'open' takes what anybody sends (anzol.verify.none)",
      "the secret of short has fewer than 16 bytes" }, messages)
  end)

  it("takes on_dead with order_by only, and only its two words", function()
    local function load(options)
      local _, findings = rig.load { script = ([[
        anzol.endpoint("e", { url = "https://e.example/", sign = false, %s })]]):format(options) }
      return findings[1] and findings[1].message
    end
    local order = "order_by = function() return '' end, "
    assert.is_nil(load(order .. "on_dead = 'skip'"))
    assert.is_nil(load(order .. "on_dead = 'block'"))
    assert.matches("option 'on_dead' of anzol.endpoint 'e' must be \"skip\" or \"block\", got 'stop'",
      load(order .. "on_dead = 'stop'"), 1, true)
    assert.matches("option 'on_dead' of anzol.endpoint 'e' needs 'order_by'", load "on_dead = 'block'", 1, true)
  end)

  it("checks endpoints that handlers name as literals", function()
    local _, findings = rig.load { script = [[
      anzol.endpoint("crm", { url = "https://a.example", sign = false })
      anzol.on("a", function(event)
        -- event:send("comment")
        local text = "event:send('string')"
        event:send("cmr")
        event:send { "crm", "erp" }
        event:send({ "crm", 'x' }, { json = {} })
        event : send [=[long]=]
        event:send("crm" .. text)
        text:send("other")
      end)
    ]] }
    local found = {}
    for i, finding in ipairs(findings) do
      found[i] = finding.line .. " " .. finding.message .. "; " .. finding.hint
    end
    assert.same({
      "5 unknown endpoint 'cmr'; did you mean 'crm'?",
      '6 unknown endpoint \'erp\'; register it with anzol.endpoint("erp", { … })',
      '7 unknown endpoint \'x\'; register it with anzol.endpoint("x", { … })',
      '8 unknown endpoint \'long\'; register it with anzol.endpoint("long", { … })',
    }, found)
  end)

  it("never shows a secret", function()
    local project = rig.project [[
      local secret = anzol.secret "KEY"
      anzol.on("**", { name = "text" }, function() error(tostring(secret)) end)
      anzol.on("**", { name = "concat" }, function() return "x" .. secret end)
      anzol.on("**", { name = "json" }, function() return anzol.json.encode { secret } end)
      anzol.on("**", { name = "index" }, function() return secret.value end)
      anzol.on("**", { name = "new" }, function() return anzol.secret("LAT" .. "ER") end)
      anzol.on("**", { name = "reveal" }, function() assert(secret:reveal():sub(1, 6) == "whsec_") end)
    ]]
    assert.matches("%[secret KEY%]", project:run("text", {}).text)
    for _, name in ipairs { "text", "concat", "json", "index", "new" } do
      assert.is_nil(project:run(name, {}).text:find(KEY:sub(7), 1, true))
    end
    assert.equal("handled", project:run("reveal", {}).outcome)
    script.setenv("ANZOL_SECRET_BAD_URL", "ftp://user:hunter2@x")
    local why = rig.refusal [[ anzol.endpoint("a", { url = anzol.secret "BAD_URL", sign = false }) ]]
    script.setenv("ANZOL_SECRET_BAD_URL", nil)
    assert.is_nil(why:find("hunter2", 1, true))
    assert.matches("the secret is no valid http or https URL", why)
  end)

  it("reads secrets from credentials too", function()
    local dir = rig.dir { ["FROM_FILE"] = "s3cret-s3cret-s3cret\n" }
    script.setenv("CREDENTIALS_DIRECTORY", dir)
    local project = rig.project [[
      local secret = anzol.secret "FROM_FILE"
      anzol.on("**", { name = "main" }, function() assert(secret:reveal() == "s3cret-s3cret-s3cret") end)
    ]]
    script.setenv("CREDENTIALS_DIRECTORY", nil)
    assert.equal("handled", project:run("main", {}).outcome)
  end)

  it("reads secrets from files that the environment names, before credentials", function()
    local dir = rig.dir { ["S"] = "from the credential", ["given"] = "from the file it names\n",
      ["empty"] = "\n", ["most"] = ("x"):rep(65536) .. "\n", ["more"] = ("x"):rep(65537) }
    local text = 'local s = anzol.secret "S" anzol.on("**", { name = "main" }, function() error(s:reveal(), 0) end)'
    local function value(file, own)
      script.setenv("CREDENTIALS_DIRECTORY", dir)
      script.setenv("ANZOL_SECRET_S_FILE", file and dir .. "/" .. file)
      script.setenv("ANZOL_SECRET_S", own)
      local project, findings = rig.load { script = text }
      for _, name in ipairs { "CREDENTIALS_DIRECTORY", "ANZOL_SECRET_S_FILE", "ANZOL_SECRET_S" } do
        script.setenv(name, nil)
      end
      if not project then return findings[1].message .. "; " .. findings[1].hint end
      return project:run("main", {}).text:match "^[^\n]*"
    end
    assert.equal("from the credential", value())
    assert.equal("from the file it names", value "given")
    assert.equal("its own", value("given", "its own"))
    assert.matches("^xxx", value "most")
    assert.equal("secret S is not set; " .. dir .. "/none: No such file or directory", value "none")
    assert.equal("secret S is not set; " .. dir .. "/empty is empty", value "empty")
    assert.equal("secret S is not set; " .. dir .. "/more holds more than 64 KiB", value "more")
  end)

  it("registers at load only", function()
    for name, call in pairs {
      source = "anzol.source('a', { verify = anzol.verify.none() })",
      endpoint = "anzol.endpoint('a', { url = 'https://a.example', sign = false })",
      on = "anzol.on('a', function() end)",
    } do
      assert.matches(("anzol.%s registers while the scripts are loaded, not in 'handler'"):format(name),
        rig.run(call).text)
    end
  end)
end)

describe("anzol.lua", function()
  after_each(rig.finish)

  local function settings(text)
    local rows, why = script.settings(rig.dir { ["anzol.lua"] = text })
    if not rows then return nil, why end
    local values = {}
    for _, row in ipairs(rows) do values[row.name] = { row.value, row.line } end
    return values
  end

  it("gives flat rows with their lines", function()
    assert.same({
      listen = { "127.0.0.1:9000", 2 }, ["limits.intake_bytes"] = { "65536", 3 },
      scripts = { "a.lua\nb/*.lua", 4 }, watch = { "true", 5 },
    }, settings [[return {
  listen = "127.0.0.1:" .. 9000,
  limits = { intake_bytes = 1 << 16 },
  scripts = { "a.lua", "b/*.lua" },
  watch = true,
}]])
  end)

  it("may be absent", function()
    assert.same({}, script.settings(rig.dir {}))
  end)

  it("may read the environment", function()
    script.setenv("ANZOL_SPEC_X", "from outside")
    assert.equal("from outside", settings("return { state_dir = os.getenv 'ANZOL_SPEC_X' }").state_dir[1])
    script.setenv("ANZOL_SPEC_X", nil)
  end)

  for text, words in pairs {
    ["return 1"] = "must return a table of settings",
    ["return {"] = "anzol.lua:1:",
    ["return { 1 }"] = "settings have names",
    ["return { a = print }"] = "anzol.lua:1: 'a' must be a text",
    ["return { a = { {} } }"] = "must be a list of texts",
    ["while true do end"] = "'settings' went over its",
    ["io.open 'x'"] = "io.open is not available",
  } do
    it("is refused: " .. text, function()
      assert.matches(words, select(2, settings(text)))
    end)
  end
end)
