-- SPDX-License-Identifier: MIT
-- anzol endpoints over a faked server: what it asks for, what it prints, how it ends.
local dkjson = require "dkjson"
local fake = require "support.fake_server"

local run = fake.run

setup(fake.open)
teardown(fake.close)
before_each(fake.reset)

describe("anzol endpoints", function()
  local row = { id = "ep_1", name = "crm", isRegistered = true, state = "enabled",
    reason = dkjson.null, failingSince = "2026-03-02T08:00:00.000Z", breaker = "open",
    pausedUntil = dkjson.null, slowedPerHour = dkjson.null, pending = 100000, pendingIsLeast = true }

  it("lists what is pending and what keeps each from its pace", function()
    local chat = { name = "chat", isRegistered = false, state = "paused", reason = "moving",
      failingSince = dkjson.null, breaker = "closed", pausedUntil = dkjson.null,
      slowedPerHour = 1800, pending = 0, pendingIsLeast = false }
    fake.answers = { { json = { data = { chat }, done = false, iterator = "ep_2" } },
      { json = { data = { row }, done = true, iterator = "ep_1" } } }
    local code, out = run "endpoints"
    assert.equal(0, code)
    assert.equal("http://localhost/api/v1/endpoint?limit=250", fake.requests[1].url)
    assert.equal("http://localhost/api/v1/endpoint?limit=250&iterator=ep_2", fake.requests[2].url)
    assert.is_true(out:find("crm", 1, true) < out:find("chat", 1, true))
    assert.matches("crm +enabled +100000%+ +breaker open +2026%-03%-02T08:00:00.000Z", out)
    assert.matches("chat +paused +0 +slowed to 1800/h +%- +the scripts no longer have it", out)
  end)

  it("tells whose each is, if some are of applications", function()
    local function of(fields)
      local all = {}
      for name, value in pairs(row) do all[name] = value end
      for name, value in pairs(fields) do all[name] = value end
      return all
    end
    local named = of { name = "ep_2", application = "app_1", applicationUid = "acme", uid = "main" }
    local plain = of { name = "ep_3", application = "app_2", applicationUid = dkjson.null, uid = dkjson.null }
    fake.answers = { { json = { data = { row, named, plain } } }, { json = { data = { named } } },
      { json = { data = { row } } } }
    local _, out = run "endpoints"
    assert.matches("^NAME +OF +STATE", out)
    assert.matches("crm +%- +enabled", out)
    assert.matches("ep_2 +acme/main +enabled", out)
    assert.matches("ep_3 +app_2/ +enabled", out)
    _, out = run("endpoints", "show", "ep_2")
    assert.matches("of +acme/main\n", out)
    _, out = run "endpoints"
    assert.matches("^NAME +STATE", out)
  end)

  it("tells of dead letters that block their order keys", function()
    local blocked = setmetatable({ blockingDead = 2 }, { __index = row })
    for name, value in pairs(row) do blocked[name] = rawget(blocked, name) or value end
    blocked.breaker, blocked.failingSince = "closed", dkjson.null
    fake.answers = { { json = { data = { blocked } } }, { json = { data = { blocked } } } }
    local _, out = run "endpoints"
    assert.matches("2 dead letters block, each an order key: anzol dead list --endpoint crm\n", out, 1, true)
    _, out = run("endpoints", "show", "crm")
    assert.matches("blocked by dead +2\n", out)
  end)

  it("shows one, and says that there is none", function()
    fake.answers = { { json = { data = { row } } }, { json = { data = { row } } } }
    local code, out = run("endpoints", "show", "crm")
    assert.equal(0, code)
    assert.matches("pending +100000%+\npace +breaker open\n", out)
    local _, err
    code, _, err = run("endpoints", "show", "cmr")
    assert.equal(1, code)
    assert.matches("there is no endpoint 'cmr'", err, 1, true)
  end)

  it("changes the state of each, and tells of those that it could not change", function()
    fake.answers = { { status = 404, json = { detail = "there is no endpoint of this name" } },
      { json = { name = "crm", state = "paused" } } }
    local code, out, err = run("endpoints", "pause", "nobody", "crm", "--reason", "they move")
    assert.equal(1, code)
    assert.equal("crm paused\n", out)
    assert.matches("nobody: there is no endpoint", err, 1, true)
    assert.equal("http://localhost/api/v1/endpoint/crm/pause?reason=they+move", fake.requests[2].url)
    assert.equal("POST", fake.requests[2].method)
  end)

  it("takes any text for a name but an empty one", function()
    fake.answers = { { status = 404, json = { detail = "there is no endpoint of this name" } } }
    assert.equal(1, (run("endpoints", "resume", "a/b?c")))
    assert.equal("http://localhost/api/v1/endpoint/a%2Fb%3Fc/resume", fake.requests[1].url)
    local code, _, err = run("endpoints", "resume", "")
    assert.equal(2, code)
    assert.matches("NAME is empty: an endpoint's is wanted", err, 1, true)
  end)
end)
