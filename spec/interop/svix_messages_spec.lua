-- SPDX-License-Identifier: MIT
-- npm's svix drives the real server: messages are published, arrive, verified by its Webhook class, and can
-- be looked at, as an application developer does it.
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"

local COUNT = os.getenv "ANZOL_LONG" == "1" and 100000 or 10000

describe("npm's svix", function()
  local server, dir, seen

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("svix", dir)
    server = Server.start { settings = [[return { guard = { allow = { "127.0.0.0/8" } } }]],
      scripts = { ["main.lua"] = "" } }
    seen = json.decode(clients.run({ "node", "drive_messages.mjs", "http://127.0.0.1:" .. server.admin_port,
      server.token, tostring(COUNT) }, dir))
  end)
  lazy_teardown(function()
    if server then server:close() end
    files.remove(dir)
  end)

  it("publishes messages, once for each key", function()
    assert.same({ "invoice.paid", "inv-1", { "eu" }, { "t" }, { amount = 5, note = "é" } },
      { seen.message.eventType, seen.message.eventId, seen.message.channels, seen.message.tags, seen.message.payload })
    assert.is_true(seen.isDate)
    assert.is_true(seen.sameKey)
    assert.is_true(seen.byEventId)
    assert.same({ 409, 422, {}, "msg_" }, { seen.taken, seen.invalid, seen.withoutContent, seen.brought })
  end)

  it("finds what arrives signed by the endpoint's secret", function()
    assert.same({ { amount = 5, note = "é" }, { amount = 5, note = "é" }, true }, seen.verified)
    assert.equal("<raw/>", seen.raw)
  end)

  it("sees what became of a message", function()
    assert.same({ "bad sending", "eu success", "good success" }, seen.targets)
    assert.same({ { 500, "answer of bad", 3, 0 }, { 500, "answer of bad", 3, 0 } }, seen.byEndpoint)
    assert.same({ { 200, true, true } }, seen.byMessage)
    assert.same({ 1, { { "inv-1", "sending", { amount = 5, note = "é" } } } }, { seen.byClass, seen.attempted })
    assert.is_true(seen.oneAttempt)
    assert.same({ success = 1, fail = 0, pending = 0, sending = 0, canceled = 0 }, seen.stats)
    assert.same({ "inv-1" }, seen.listed)
  end)

  it("sends again, recovers, sends examples and forgets", function()
    assert.is_true(seen.resent)
    assert.same({ { amount = 7 }, { amount = 7 } }, { seen.example, seen.exampleCame })
    assert.same({ "endpoint.recover", "EXPUNGED", { expired = true } },
      { seen.recover, seen.expungedAnswer, seen.expunged })
    assert.same({ 404, 404, 404, 404 }, seen.unknown)
  end)

  it("polls what an endpoint would get", function()
    assert.same({ 1, true, "in", true }, seen.polled)
  end)

  it(("goes over %d messages, both ways, while others write"):format(COUNT), function()
    assert.same({ each = true, sorted = true, odd = true, up = true }, seen.pages)
  end)
end)
