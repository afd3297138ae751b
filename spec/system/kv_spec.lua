-- SPDX-License-Identifier: MIT
-- anzol.kv in the real server: a run reads its own writes, commits them or none, and of runs that
-- meet at a key none loses an update (core/script/bind_kv.c, core/worker/turn.c).
local S = require "anzol_test.store"
local Server = require "support.server"
local json = require "dkjson"
local wait = require "support.wait"

local WITHIN_MS = 20000

-- Handlers by name. Each has a kv of its own name; what it asserts fails its run.
local handlers = {
  absent = [[assert(kv:get "k" == nil) assert(#kv:list() == 0)]],
  own_writes = [[
    kv:set("k", { a = { 1, 2 }, b = anzol.json.null })
    local value = kv:get "k"
    assert(value.a[2] == 2 and anzol.json.is_null(value.b))
    value.a[1] = "changed"
    assert(kv:get("k").a[1] == 1)
    kv:delete "k"
    assert(kv:get "k" == nil)
    kv:set("k", false)
    assert(kv:get "k" == false)]],
  own_sums = [[
    kv:incr "n"
    assert(kv:get "n" == 1)
    kv:incr("n", 41)
    assert(kv:get "n" == 42)
    assert(kv:incr("n", -2) == nil)
    kv:set("n", 0.5)
    kv:incr "n"
    assert(kv:get "n" == 1.5)
    kv:set("big", 9007199254740993)
    kv:incr "big"
    assert(kv:get "big" == 9007199254740994)]],
  write = [[
    kv:set("a", "1") kv:set("b", { x = 1.5 }) kv:incr("n", 5) kv:set("gone", 1) kv:delete "gone"]],
  read = [[
    local kv = anzol.kv "write"
    assert(kv:get "a" == "1" and kv:get("b").x == 1.5 and kv:get "n" == 5 and kv:get "gone" == nil)
    kv:incr "n"
    assert(kv:get "n" == 6)]],
  lists = [[
    for i = 1, 9 do kv:set("k" .. i, i) end
    kv:set("other", 0)]],
  list = [[
    local kv = anzol.kv "lists"
    local function keys(...)
      local names = {}
      for i, row in ipairs(kv:list(...)) do names[i] = row.key .. "=" .. tostring(row.value) end
      return table.concat(names, " ")
    end
    assert(keys("k", 3) == "k1=1 k2=2 k3=3")
    assert(keys("k", 2, "k8") == "k9=9")
    assert(keys("x") == "")
    kv:delete "k2" kv:set("k11", 11) kv:incr("k3", 10) kv:set("k99", 99) kv:incr "k98" kv:set("j", 0)
    assert(keys("k", 3) == "k1=1 k11=11 k3=13", keys("k", 3))
    assert(keys("k9") == "k9=9 k98=1 k99=99", keys "k9")
    assert(#kv:list() == 13, #kv:list())]],
  in_coroutines = [[
    kv:set("k", 1)
    local other = anzol.kv "write"
    local get = coroutine.wrap(function() coroutine.yield(other:get "a") error "after" end)
    assert(get() == "1")
    assert(select(2, pcall(function() return other:get "a" end)) == "1")]],
  not_json = [[kv:set("f", print)]],
  not_a_number = [[kv:set("t", "text")]],
  sum_of_text = [[anzol.kv("not_a_number"):incr "t"]],
  sum_of_own_text = [[kv:set("t", "text") kv:incr "t" kv:get "t"]],
  nothing = [[kv:set("k", nil)]],
  no_key = [[kv:get ""]],
  zero_in_key = [[kv:get "a\0b"]],
  bad_option = [[kv:set("k", 1, { tll = 5 })]],
  no_ttl = [[kv:set("k", 1, { ttl = 0 })]],
  half = [[kv:incr("k", 0.5)]],
  ns = [[anzol.kv(("n"):rep(65))]],
  ns_most = [[anzol.kv(("n"):rep(64)):set("k", 1)]],
  key = [[kv:get(("k"):rep(513))]],
  key_most = [[kv:set(("k"):rep(512), 1) assert(kv:get(("k"):rep(512)) == 1)]],
  value = [[kv:set("k", ("v"):rep(64 * 1024 - 1))]],
  value_most = [[kv:set("k", ("v"):rep(64 * 1024 - 2))]],
  writes = [[for i = 1, 1001 do kv:incr "k" end]],
  writes_most = [[for i = 1, 1000 do kv:incr "k" end assert(kv:get "k" == 1000)]],
  written = [[for i = 1, 65 do kv:set("k" .. i, ("v"):rep(64 * 1024 - 2)) end]],
  written_most = [[for i = 1, 64 do kv:set("k" .. i, ("v"):rep(64 * 1024 - 2)) end]],
  listed = [[local kv = anzol.kv "written_most" kv:list("k", 64) kv:incr "more" kv:list() ]],
  one_more = [[anzol.kv("written_most"):set("z", 1)]],
  listed_too_much = [[anzol.kv("written_most"):list()]],
  reads = [[for i = 1, 1001 do kv:get("k" .. i) end]],
  reads_most = [[for i = 1, 1000 do kv:get("k" .. i) end kv:get "k1"]],
  limit = [[kv:list("", 1001)]],
  limit_most = [[kv:list("", 1000)]],
  raises = [[kv:set("k", 1) kv:incr "n" event:emit("never", {}) error "no"]],
  killed = [[kv:set("k", 1) while true do end]],
  late = [[kv:set("k", 1) return anzol.retry_later "1h"]],
  skips = [[kv:set("k", 1) return anzol.skip "no"]],
  nothing_left = [[
    for _, ns in ipairs { "raises", "killed", "late", "skips" } do
      assert(#anzol.kv(ns):list() == 0, ns)
    end]],
  count = [[kv:set("n", (kv:get "n" or 0) + 1)]],
  count_slowly = [[local n = kv:get "n" or 0 anzol.sleep "5ms" kv:set("n", n + 1)]],
  count_two = [[
    local a, b = kv:get "a" or 0, kv:get "b" or 0
    if event.data.number % 2 == 0 then kv:set("a", a + 1) else kv:set("b", b + 1) end
    kv:set("sum", a + b + 1)]],
  add = [[kv:incr("n", event.data.number)]],
  fill = [[
    local all = kv:list "slot:"
    if #all < 5 then kv:set("slot:" .. event.data.number, true) else kv:incr "refused" end]],
  expire = [[
    kv:set("short", 1, { ttl = "50ms" }) kv:set("long", 1, { ttl = "1h" })
    kv:incr("sum", 2, { ttl = "50ms" })]],
  expired = [[
    local kv = anzol.kv "expire"
    if kv:get "short" or kv:get "sum" then return anzol.retry_later "10ms" end
    assert(#kv:list() == 1)]],
}

local PREAMBLE = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none(),
  type = function(req) return req.query.case .. ".do" end })
anzol.source("reads", { type = "nobody.cares",
  verify = function() return anzol.kv("write"):get "a" == "1" and #anzol.kv("write"):list "b" == 1 end })
anzol.source("writes", { type = "nobody.cares",
  verify = function() anzol.kv("write"):set("a", "2") return true end })
]]

describe("anzol.kv", function()
  local server

  local function script()
    local parts = { PREAMBLE }
    for name, body in pairs(handlers) do
      parts[#parts + 1] = ([[
anzol.on("%s.do", { name = "%s", concurrency = 1000 }, function(event)
  local kv = anzol.kv "%s"
  %s
end)
]]):format(name, name, name, body)
    end
    return table.concat(parts)
  end

  setup(function() server = Server.start { scripts = { ["main.lua"] = script() }, workers = 3 } end)
  teardown(function() server:close() end)

  local function post(case, number)
    local answer = server:post("/in/open?case=" .. case, ('{"number":%d}'):format(number or 0))
    return assert(json.decode(answer.body).id, answer.body)
  end

  -- The event, once its first run ended somehow.
  local function ended(id)
    return wait.until_true("the run's end", WITHIN_MS, function()
      local event = server:get("/api/v1/event/" .. id)
      return event.state ~= "pending" and event
    end)
  end

  local function run(case) return ended(post(case)) end

  local function handled(case)
    local event = run(case)
    assert.equal("handled", event.state, event.runs and event.runs[1] and event.runs[1].error)
  end

  local function refused(case, why)
    local event = run(case)
    assert.equal("retrying", event.state)
    assert.truthy(event.runs[1].error:find(why, 1, true), event.runs[1].error)
  end

  -- Posts it so often, waits for the end of all.
  local function many(case, count)
    local ids = {}
    for i = 1, count do ids[i] = post(case, i) end
    for _, id in ipairs(ids) do assert.equal("handled", ended(id).state) end
  end

  -- What the store's file holds: { [key] = JSON }.
  local function stored(ns)
    local rows = {}
    for _, row in ipairs(S.sql(server.state_dir .. "/anzol.db",
      ("SELECT key, value FROM kv WHERE ns = '%s'"):format(ns))) do
      rows[row[1]] = row[2]
    end
    return rows
  end

  it("has nothing at first", function() handled "absent" end)
  it("shows a run its own writes", function() handled "own_writes" end)
  it("shows a run its own sums", function() handled "own_sums" end)

  it("keeps what a run wrote for the next one", function()
    handled "write"
    handled "read"
  end)

  it("lists by prefix, with the run's own writes among the stored ones", function()
    handled "lists"
    handled "list"
  end)

  it("can be read in coroutines and under pcall", function()
    handled "write"
    handled "in_coroutines"
  end)

  local refusals = {
    not_json = "function",
    sum_of_own_text = "its value is no number but a string",
    nothing = "anzol.kv:delete(key) takes one away",
    no_key = "a key of anzol.kv has 1 to 512 bytes, got 0",
    zero_in_key = "holds a zero byte",
    bad_option = "unknown option 'tll' for anzol.kv:set; did you mean 'ttl'?",
    no_ttl = "option 'ttl' of anzol.kv:set is at least 1ms",
    half = "number has no integer representation",
    ns = "1 to 64 bytes, got 65",
    key = "1 to 512 bytes, got 513",
    value = "at most 65536 bytes as JSON, this one has 65537",
    writes = "at most 1000 times",
    written = "at most 4194304 bytes",
    reads = "at most 1000 keys and lists",
    limit = "1 to 1000, got 1001",
  }
  for case, why in pairs(refusals) do
    it("refuses: " .. case, function() refused(case, why) end)
  end

  for _, case in ipairs { "ns_most", "key_most", "value_most", "writes_most", "written_most",
                          "reads_most", "limit_most" } do
    it("takes what is just at the limit: " .. case, function() handled(case) end)
  end

  it("lists at most so many bytes of values", function()
    handled "written_most"
    handled "listed"
    handled "one_more"
    refused("listed_too_much", "the values have more than 4194304 bytes")
  end)

  it("can be read, not written, where a request is verified", function()
    handled "write"
    assert.equal(200, server:post("/in/reads", "{}").status)
    assert.equal(500, server:post("/in/writes", "{}").status)
    assert.truthy(server:log():find("anzol.kv:set cannot write in 'verify': writes commit with the "
      .. "run of a handler", 1, true))
  end)

  it("fails a run that adds to what is no number", function()
    handled "not_a_number"
    refused("sum_of_text", "the value is no number")
  end)

  it("keeps nothing of runs that raise, are killed, put off or skip", function()
    local first = run "raises"
    assert.equal("retrying", first.state)
    run "killed"
    run "late"
    run "skips"
    handled "nothing_left"
    for _, event in ipairs(server:list "/api/v1/event") do
      assert.are_not.equal("never", event.type)
    end
  end)

  it("loses no update of handlers that read and write one key", function()
    many("count", 200)
    assert.equal("200", stored("count").n)
  end)

  it("ends all of 200 slow runs on one key", function()
    many("count_slowly", 200)
    assert.equal("200", stored("count_slowly").n)
  end)

  it("keeps what was read true: two keys and their sum", function()
    many("count_two", 100)
    assert.equal("50", stored("count_two").a)
    assert.equal("50", stored("count_two").b)
    assert.equal("100", stored("count_two").sum)
  end)

  it("adds deltas of any number of runs", function()
    many("add", 100)
    assert.equal("5050", stored("add").n)
  end)

  it("has no phantoms in its lists: five slots, twenty who want one", function()
    many("fill", 20)
    local rows = stored "fill"
    local slots = 0
    for key in pairs(rows) do if key:find "^slot:" then slots = slots + 1 end end
    assert.equal(5, slots)
    assert.equal("15", rows.refused)
  end)

  it("lets values expire", function()
    handled "expire"
    local id = post "expired"
    wait.until_true("the end", WITHIN_MS, function()
      local state = server:get("/api/v1/event/" .. id).state
      assert.are_not.equal("dead", state)
      return state == "handled"
    end)
    wait.until_true("the expired row is deleted", WITHIN_MS, function()
      return not stored("expire").short
    end)
    assert.equal("1", stored("expire").long)
  end)
end)
