-- SPDX-License-Identifier: MIT
-- Names in filters of lists, over a faked server: one that nothing has is an error.
local dkjson = require "dkjson"
local fake = require "support.fake_server"

local run = fake.run

setup(fake.open)
teardown(fake.close)
before_each(function()
  fake.reset()
  fake.native.nearest = function(name, names)
    for _, other in ipairs(names) do if other:sub(1, 2) == name:sub(1, 2) then return other end end
  end
end)

local empty = { json = { data = {}, done = true, iterator = dkjson.null, prevIterator = dkjson.null } }

local function names(...)
  local rows = {}
  for i, name in ipairs { ... } do rows[i] = { name = name } end
  return { json = { data = rows } }
end

describe("a filter by a name that nothing has", function()
  it("is an error that tells the names there are", function()
    for noun, line in pairs { endpoint = { "deliveries", "--endpoint" }, ["endpoint "] = { "attempts", "--endpoint" },
      source = { "events", "--source" } } do
      fake.answers = { empty, names("crm", "chat"), empty }
      local code, out, err = run(line[1], line[2], "cmr")
      assert.same({ 1, "" }, { code, out })
      assert.equal(("anzol: the server has no %s 'cmr'; it has chat, crm\n"):format((noun:gsub(" ", ""))), err)
      fake.answers = { empty, names("crm", "chat") }
      assert.equal(0, (run(line[1], line[2], "crm")))
    end
    fake.answers = { empty, names(), empty }
    local code, _, err = run("events", "-o", "json", "--source", "x")
    assert.same({ 1, "anzol: the server has no source 'x'; it has none at all\n" }, { code, err })
    fake.answers = { empty, names "crm" }
    code, _, err = run("dead", "list", "--endpoint", "cr")
    assert.equal(1, code)
    assert.matches("no endpoint 'cr' (did you mean 'crm'?)", err, 1, true)
  end)

  it("is none while all pages came short, or where something of that name is left", function()
    for i = 1, 100 do
      fake.answers[i] = { json = { data = {}, done = false, iterator = "evt_00000000001", prevIterator = dkjson.null } }
    end
    assert.equal(0, (run("events", "--source", "x")))
    assert.equal(100, #fake.requests)
    fake.requests = {}
    local rest = { json = { data = { { id = "evt_00000000001" } }, done = true } }
    fake.answers = { empty, names "other", rest }
    local code, _, err = run("events", "--source", "x", "--state", "dead")
    assert.same({ 0, "no events\n" }, { code, err })
    assert.matches("limit=1&source=x$", fake.requests[3].url)
  end)

  it("keeps what would be done to many from being done to none, and tail from waiting for ever", function()
    for _, line in ipairs { { "replay", "--source" }, { "tail", "--source" }, { "dead", "retry", "--source" } } do
      fake.answers = { names "github", empty }
      line[#line + 1] = "gitlab"
      local code, _, err = run(table.unpack(line))
      assert.equal(1, code, line[1])
      assert.matches("no source 'gitlab' (did you mean 'github'?); it has github\n", err, 1, true)
    end
    fake.answers = { names "on.push" }
    local code, _, err = run("replay", "--since", "1h", "--subscription", "on.pull")
    assert.equal(1, code)
    assert.matches("no subscription 'on.pull'", err, 1, true)
  end)
end)

describe("anzol dead retry", function()
  it("tells the tasks that it began as one JSON document", function()
    local function task(id) return { json = { id = id, state = "done", done = 1, skipped = 0, permille = 1000 } } end
    fake.answers = { task "tsk_1", task "tsk_1", task "tsk_2", task "tsk_2" }
    local code, out = run("dead", "retry", "--all", "-o", "json")
    assert.equal(0, code)
    local told = dkjson.decode(out)
    assert.same({ "tsk_1", "tsk_2" }, { told.data[1].id, told.data[2].id })
    local function matched(count) return { json = { matched = count, sample = {}, done = true } } end
    fake.answers = { matched(2), matched(0) }
    code, out = run("dead", "drop", "--all", "--dry-run", "-o", "json")
    assert.equal(0, code)
    assert.same({ 2, 0 }, { dkjson.decode(out).data[1].matched, dkjson.decode(out).data[2].matched })
  end)
end)
