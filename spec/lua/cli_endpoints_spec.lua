-- SPDX-License-Identifier: MIT
-- anzol endpoints over a faked server: what it asks for, what it prints, how it ends.
local dkjson = require "dkjson"

local native = package.loaded["anzol.native"] or {}
package.loaded["anzol.native"] = native

local requests, answers

local function run(...)
  local out, err = {}, {}
  local code = require "anzol.cli".main({ [0] = "anzol", ... }, {
    out = function(text) out[#out + 1] = text end,
    err = function(text) err[#err + 1] = text end,
  })
  return code, table.concat(out), table.concat(err)
end

before_each(function()
  requests, answers = {}, {}
  native.version = "1.2.3"
  native.json = {
    null = dkjson.null,
    decode = function(text) return (dkjson.decode(text, 1, dkjson.null)) end,
    encode = function(value) return dkjson.encode(value) end,
  }
  native.isatty = function() return false end
  native.settings = function() return {} end
  native.check_settings = function() end
  native.files = function() return nil, "not there" end
  native.fetch = function(request)
    requests[#requests + 1] = request
    local answer = table.remove(answers, 1)
    return { status = answer.status or 200, headers = {}, body = dkjson.encode(answer.json) }
  end
end)

describe("anzol endpoints", function()
  local row = { id = "ep_1", name = "crm", isRegistered = true, state = "enabled",
    reason = dkjson.null, failingSince = "2026-03-02T08:00:00.000Z", breaker = "open",
    pausedUntil = dkjson.null, slowedPerHour = dkjson.null, pending = 100000, pendingIsLeast = true }

  it("lists what is pending and what keeps each from its pace", function()
    local chat = { name = "chat", isRegistered = false, state = "paused", reason = "moving",
      failingSince = dkjson.null, breaker = "closed", pausedUntil = dkjson.null,
      slowedPerHour = 1800, pending = 0, pendingIsLeast = false }
    answers = { { json = { data = { row, chat } } } }
    local code, out = run "endpoints"
    assert.equal(0, code)
    assert.equal("http://localhost/api/v1/endpoint", requests[1].url)
    assert.matches("crm +enabled +100000%+ +breaker open +2026%-03%-02T08:00:00.000Z", out)
    assert.matches("chat +paused +0 +slowed to 1800/h +%- +the scripts no longer have it", out)
  end)

  it("shows one, and says that there is none", function()
    answers = { { json = { data = { row } } }, { json = { data = { row } } } }
    local code, out = run("endpoints", "show", "crm")
    assert.equal(0, code)
    assert.matches("pending +100000%+\npace +breaker open\n", out)
    local _, err
    code, _, err = run("endpoints", "show", "cmr")
    assert.equal(1, code)
    assert.matches("there is no endpoint 'cmr'", err, 1, true)
  end)

  it("changes the state of each, and tells of those that it could not change", function()
    answers = { { status = 404, json = { detail = "there is no endpoint of this name" } },
      { json = { name = "crm", state = "paused" } } }
    local code, out, err = run("endpoints", "pause", "nobody", "crm", "--reason", "they move")
    assert.equal(1, code)
    assert.equal("crm paused\n", out)
    assert.matches("nobody: there is no endpoint", err, 1, true)
    assert.equal("http://localhost/api/v1/endpoint/crm/pause?reason=they%20move", requests[2].url)
    assert.equal("POST", requests[2].method)
  end)
end)
