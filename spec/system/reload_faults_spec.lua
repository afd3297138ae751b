-- SPDX-License-Identifier: MIT
-- F47 to F50: a reload is whole or not at all, whatever happens meanwhile, and nothing is lost by
-- it. ANZOL_LONG=1 runs 1,000 reloads under load.
local Campaign = require "support.campaign"
local Receiver = require "support.receiver"
local Server = require "support.server"
local cli = require "support.cli"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local process = require "anzol_test.process"
local scripts = require "support.scripts"
local wait = require "support.wait"

local LONG = os.getenv "ANZOL_LONG" == "1"
local EXIT_CONFIG = 78
local EXIT_AS_KILLED = 137
local SIGTERM = 15
local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
-- The thread sanitizer keeps its notes on memory that the program gave back.
local is_shadowed = os.getenv "ANZOL_SANITIZER" == "thread"

local function reload(server) return cli.ask(server, { "reload" }) end

-- Every way to break a load; $N is a number that changes.
local broken = {
  { "a syntax error", "\nlocal = $N\n" },
  { "a missing secret", '\nanzol.secret "NOT_THERE_$N"\n' },
  { "an error", "\nerror 'no such day $N'\n" },
  { "an endless load", "\nwhile true do end\n" },
  { "all the memory", "\nlocal all = {} while true do all[#all + 1] = ('x'):rep(1 << 16) .. #all end\n" },
  { "an init that fails", "\nanzol.init(function() anzol.sleep(0.001) error 'no $N' end)\n" },
  { "an endless load in a coroutine", "\ncoroutine.wrap(function() while true do end end)()\n" },
}

describe("an endpoint that the scripts no longer have", function()
  local server, receiver
  local with_crm = [[
anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })
anzol.endpoint("crm", { url = "$URL/crm", sign = false, allow_private = true,
  retry = anzol.backoff.constant { base = "50ms", attempts = 10000 } })
anzol.on("open.thing", function(event) event:send "crm" end)
]]
  local without_crm = 'anzol.source("open", { verify = anzol.verify.none(), type = "open.thing" })\n'

  local function write(text)
    server:write_script("main.lua", scripts.with(receiver, text)["main.lua"])
  end

  before_each(function()
    receiver = Receiver.start()
    server = Server.new {}
    write(with_crm)
    server:restart()
  end)
  after_each(function()
    receiver:stop()
    server:close()
  end)

  local function pending()
    for _, endpoint in ipairs((server:get "/api/v1/endpoint").data) do
      if endpoint.name == "crm" then return endpoint.pending, endpoint.isRegistered end
    end
  end

  it("keeps its queue, paused and named, until it is back", function()
    receiver:answer("/crm", { status = 500 })
    for i = 1, 20 do assert.equal(200, server:post("/in/open", ('{"n":%d}'):format(i)).status) end
    receiver:await(20)
    write(without_crm)
    local result = reload(server)
    assert.equal(0, result.code, result.errors)
    assert.matches("20 deliveries pending for removed endpoint 'crm'", result.output .. result.errors)
    assert.same({ 20, false }, { pending() })
    assert.matches("endpoint removed  endpoint=crm ", server:log(), 1, true)
    -- Nothing more goes out, neither now nor after the next start, which names it too.
    server:kill()
    receiver:answer("/crm", { status = 200 })
    receiver:take()
    server:restart()
    assert.matches("20 deliveries pending for removed endpoint 'crm'", server:log())
    assert.equal(20, (pending()))
    assert.equal(0, #receiver:take())
    write(with_crm)
    assert.equal(0, reload(server).code)
    local bodies = {}
    wait.until_true("all 20 arrive", 5000, function()
      for _, record in ipairs(receiver:take()) do bodies[record.body] = true end
      for i = 1, 20 do
        if not bodies[('{"n":%d}'):format(i)] then return false end
      end
      return true
    end)
    wait.until_true("nothing is pending", 5000, function() return pending() == 0 end)
  end)
end)

describe("a server that is stopped while it loads scripts", function()
  it("ends in time, in order", function()
    local slow = "local stop = os.clock() + 0.7 while os.clock() < stop do end\n"
    local source = 'local anzol = require "anzol"\n'
      .. 'anzol.source("open", { verify = anzol.verify.none(), type = "t" })\n'
    local server = Server.start { scripts = { ["main.lua"] = source } }
    server:write_script("main.lua", source .. slow)
    server:signal(1)
    server:signal(SIGTERM)
    local kind, code = server:ended()
    local log = server:log()
    server:close()
    assert.same({ "exit", 0 }, { kind, code }, log)
  end)

  -- On a busy machine the scripts may be there before anybody asked, or be too slow: once more then.
  local function ask_while_starting()
    local server = Server.new { scripts = { ["main.lua"] = 'local anzol = require "anzol"\n'
      .. "local stop = os.clock() + 0.3 while os.clock() < stop do end\n" } }
    server.admin_port = process.free_port()
    server:launch()
    local status
    wait.until_true("an answer or an end", 5000, function()
      local ok, body = pcall(server.get, server, "/api/v1/status")
      status = ok and body
      return status or server:ended(0)
    end)
    server:close()
    return status and status.status == "starting" and status
  end

  it("tells its status before the first scripts serve", function()
    local status
    for _ = 1, 20 do status = status or ask_while_starting() end
    assert.equal(0, status.generation)
  end)
end)

describe("--watch", function()
  local server
  after_each(function() server:close() end)

  local function answers(path)
    return function()
      local answer = http.request { port = server.port, path = path, body = "{}" }
      return answer and answer.status == 200
    end
  end

  it("looks at every required file, in folders that come later too", function()
    server = Server.start { args = { "--watch" }, scripts = { ["main.lua"] =
      'local anzol = require "anzol"\n'
      .. 'anzol.source("first", { verify = anzol.verify.none(), type = "t" })\n' } }
    -- Refused: the module is not there. Nothing of it was watched before.
    server:write_script("main.lua", 'local anzol = require "anzol"\n'
      .. 'anzol.source(require "acme.names.of", { verify = anzol.verify.none(), type = "t" })\n')
    wait.until_true("a refusal", 5000, function()
      return server:log():match 'reload refused  reason="[^\n]+" serving_generation=1\n'
    end)
    files.write(server.dir .. "/lua/acme/names/of.lua", 'return "second"')
    wait.until_true("the module's source", 10000, answers "/in/second")
    files.write(server.dir .. "/lua/acme/names/of.lua", 'return "third"')
    wait.until_true("the changed module's source", 5000, answers "/in/third")
  end)
end)

describe("a kill in a reload", function()
  -- At the start each is passed once by the server and once by each of two workers.
  local points = { { "reload_loaded", 2 }, { "reload_swap", 2 }, { "reload_adopt", 3 },
    { "reload_adopt", 4 }, { "reload_adopted", 2 } }
  local campaign
  lazy_setup(function() campaign = Campaign.start { seed = seed, workers = 2 } end)
  lazy_teardown(function() if campaign then campaign:close() end end)

  for _, point in ipairs(points) do
    it(("at %s, passing %d, loses nothing and leaves whole scripts (seed %d)"):format(point[1],
      point[2], seed), function()
      for _ = 1, LONG and 20 or 2 do
        campaign.server:stop()
        campaign:restart { ANZOL_CRASH_AT = ("%s:%d"):format(point[1], point[2]) }
        campaign:load { connections = 4 }
        campaign.server:signal(1)
        local kind, code = campaign.server:ended(10000)
        assert.same({ "exit", EXIT_AS_KILLED }, { kind, code }, campaign.server:log())
        campaign:restart()
        campaign:check_stored()
        campaign:unload()
        campaign:check_arrived()
      end
      campaign:check_settled()
      assert.equal("", campaign.judge:verdict())
    end)
  end
end)

describe("scripts that change while they are read", function()
  it("are loaded as of one moment, or refused", function()
    local dir = files.temp_dir()
    local project = dir .. "/current"
    for _, name in ipairs { "a", "b" } do
      local release = dir .. "/" .. name
      files.write(release .. "/scripts/main.lua", ([[
        local anzol = require "anzol"
        local parts = { "%s" }
        for i = 1, 20 do parts[#parts + 1] = require("part" .. i) end
        anzol.source("open", { verify = anzol.verify.none(), type = table.concat(parts, ".") })
      ]]):format(name))
      for i = 1, 20 do files.write(("%s/lua/part%d.lua"):format(release, i), ('return "%s"'):format(name)) end
    end
    files.link("a", project)
    -- Ends by itself; the folder that is served is the one or the other at any moment.
    local swapper = process.spawn { argv = { "/bin/sh", "-c", [[
      i=0; while [ $i -lt 4000 ]; do
        ln -sfn b next; mv -T next current; ln -sfn a next; mv -T next current; i=$((i+1))
      done]] }, cwd = dir, env = {}, output = dir .. "/out", errors = dir .. "/err" }
    local server = Server.new {}
    files.remove(server.dir .. "/scripts")
    server.project = project
    server:restart()
    for _ = 1, LONG and 200 or 25 do
      local result = cli.ask(server, { "reload" })
      if result.code ~= 0 then
        assert.equal(EXIT_CONFIG, result.code, result.output .. result.errors)
        assert.matches("changed while they were read", result.output .. result.errors)
      end
      local id = json.decode(server:post("/in/open", "{}").body).id
      local kind = server:get("/api/v1/event/" .. id).type
      assert.is_true(kind == ("a."):rep(20) .. "a" or kind == ("b."):rep(20) .. "b", kind)
    end
    swapper:kill(9)
    swapper:wait(5000)
    server:close()
    files.remove(dir)
  end)
end)

describe("a folder that is empty", function()
  it("changes nothing while scripts serve, and is taken at a start", function()
    local server = Server.start { scripts = { ["main.lua"] = [[
      local anzol = require "anzol"
      anzol.source("open", { verify = anzol.verify.none() })
    ]] } }
    finally(function() server:close() end)
    files.remove(server.dir .. "/scripts")
    local result = cli.ask(server, { "reload" })
    assert.equal(EXIT_CONFIG, result.code)
    assert.matches("no file is a script: nothing is received or sent (write scripts/NAME.lua",
      result.errors, 1, true)
    assert.equal(200, server:post("/in/open", "{}").status)
    server:kill()
    server:restart()
    assert.equal(404, server:post("/in/open", "{}").status)
    assert.equal(0, cli.ask(server, { "reload" }).code)
  end)
end)

describe("scripts that are written, cut and removed while they are read", function()
  local PARTS = 8

  -- Part after part becomes the next number: at any moment the first ones have it, the others the
  -- one before, and one may be empty, half or away.
  local writer = [[
    i=0; while [ $i -lt 100000 ]; do i=$((i+1)); n=0
      while [ $n -lt ]] .. PARTS .. [[ ]; do n=$((n+1))
        if [ $((i % 7)) = 3 ]; then rm "lua/part$n.lua"; fi
        { printf 'return --[=[ %8000s ]=] ' x; echo "$i"; } > "lua/part$n.lua"
      done
    done]]

  it("are loaded as of one moment, or refused", function()
    local server = Server.new { scripts = { ["main.lua"] = ([[
      local anzol = require "anzol"
      local parts = {}
      for i = 1, %d do parts[i] = require("part" .. i) end
      anzol.source("open", { verify = anzol.verify.none(), type = "is." .. table.concat(parts, ".") })
    ]]):format(PARTS) } }
    for i = 1, PARTS do files.write(("%s/lua/part%d.lua"):format(server.dir, i), "return 0") end
    server:restart()
    local child = process.spawn { argv = { "/bin/sh", "-c", writer }, cwd = server.dir, env = {},
      output = server.dir .. "/out", errors = server.dir .. "/err" }
    finally(function()
      child:kill(9)
      child:wait(5000)
      server:close()
    end)
    for _ = 1, LONG and 1500 or 40 do
      local result = cli.ask(server, { "reload" })
      assert.is_true(result.code == 0 or result.code == EXIT_CONFIG, result.output .. result.errors)
      local id = json.decode(server:post("/in/open", "{}").body).id
      local kind = server:get("/api/v1/event/" .. id).type
      local last, steps
      for number in kind:gmatch "%d+" do
        number = tonumber(number)
        steps = (steps or 0) + ((last or number) - number)
        last = number
      end
      assert.is_true(steps == 0 or steps == 1, kind)
    end
    -- With nobody at them they load; the last rm may outlive its shell.
    child:kill(9)
    child:wait(5000)
    wait.until_true("they load", 5000, function()
      for i = 1, PARTS do files.write(("%s/lua/part%d.lua"):format(server.dir, i), "return 7") end
      return cli.ask(server, { "reload" }).code == 0
    end)
  end)
end)

describe("reloads under load", function()
  local COUNT = LONG and 1000 or 24
  local WARM = LONG and 100 or 8
  local RSS_GROWTH_KIB = 24 * 1024

  local function rss_kib(server)
    return tonumber(files.read(("/proc/%d/status"):format(server.child:pid())):match "VmRSS:%s*(%d+)")
  end

  -- What a generation is must be the same everywhere in it.
  local function write(server, number, more)
    for _, name in ipairs { "one", "two" } do
      files.write(server.dir .. "/lua/" .. name .. ".lua", "return " .. number)
    end
    server:write_script("main.lua", ([[
      local anzol = require "anzol"
      anzol.source("open", { verify = anzol.verify.none(),
        type = function() return "is." .. require "one" .. "." .. require "two" end })
      anzol.on("is.**", function(event)
        local one, two = event.type:match "^is%%.(%%d+)%%.(%%d+)$"
        if one ~= two then error("half of " .. one .. ", half of " .. two) end
        return anzol.skip "seen"
      end)
    ]] .. (more or "")):gsub("%%%%", "%%"))
  end

  it(("lose, refuse and mix nothing, and keep memory flat: %d, a third broken (seed %d)")
    :format(COUNT, seed), function()
    math.randomseed(seed)
    local server = Server.new {}
    write(server, 0)
    server:restart()
    local sender = process.sender { port = server.port, ledger = server.dir .. "/ledger",
      path = "/in/open", secret = "unused", connections = 4, pause_us = 300 }
    local base
    for i = 1, COUNT do
      local case = i % 3 == 0 and broken[(i // 3) % #broken + 1]
      -- The slow ones now and then only: a second of processor each.
      write(server, i, case and case[2]:gsub("%$N", i))
      local result = reload(server)
      assert.equal(case and EXIT_CONFIG or 0, result.code,
        (case and case[1] or "whole") .. ": " .. result.output .. result.errors)
      if i == WARM then base = rss_kib(server) end
    end
    local counts = sender:stop()
    if not is_shadowed then
      wait.until_true("what the hungry left is given back", 5000, function()
        return rss_kib(server) - base < RSS_GROWTH_KIB
      end)
    end
    assert.same({ 0, 0, 0 }, { counts.refused, counts.unexpected, counts.lost },
      counts.first_unexpected)
    assert.is_true(counts.acknowledged > COUNT)
    wait.until_true("all events are over", 20000, function()
      return #server:list "/api/v1/event?state=pending" == 0
    end)
    assert.same({}, server:list "/api/v1/event?state=dead")
    assert.same({}, server:list "/api/v1/event?state=retrying")
    local stored = 0
    for _, event in ipairs(server:list "/api/v1/event") do
      stored = stored + 1
      local one, two = event.type:match "^is%.(%d+)%.(%d+)$"
      assert.equal(one, two)
    end
    assert.is_true(stored >= counts.acknowledged)
    server:close()
  end)
end)
