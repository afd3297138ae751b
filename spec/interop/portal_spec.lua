-- SPDX-License-Identifier: MIT
-- A customer uses the portal: the page that the server serves runs in npm's happy-dom.
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"

local HOSTILE = "<img src=x onerror=globalThis.hacked=1>"

describe("the portal", function()
  local server, dir, seen

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("happy-dom", dir)
    server = Server.start { settings = [[return { guard = { allow = { "127.0.0.0/8" } } }]],
      scripts = { ["main.lua"] = "" } }
    seen = json.decode(clients.run({ "node", "drive_portal.mjs", "http://127.0.0.1:" .. server.admin_port,
      server.token }, dir), 1, json.null)
  end)
  lazy_teardown(function()
    if server then server:close() end
    files.remove(dir)
  end)

  it("registers an endpoint, and shows what is wrong with a field at that field", function()
    assert.same({ rate = "a whole number from 1 to 65535 is wanted", focused = "a!", description = json.null,
      channels = "only letters, digits, '-', '_' and '.' may be part of it" }, seen.wrong)
    assert.matches("^not a URL", seen.wrongUrl)
    assert.equal(json.null, seen.healed)
    assert.same({ where = true, description = "Mine " .. HOSTILE, eventTypes = { "invoice.paid" }, throttleRate = 50,
      disabled = false }, seen.registered)
  end)

  it("sends an example, shows it with its attempt, and sends it again", function()
    local payload = { note = HOSTILE, cents = 7 }
    assert.same({ came = payload, payload = payload, status = "200" }, seen.message)
    assert.is_true(seen.byHand)
  end)

  it("shows the secret when asked, and rotates it", function()
    assert.same({ false, true }, { seen.masked, seen.rotated })
  end)

  it("sets and removes headers, those that are secrets shown by name only", function()
    assert.equal("Webhook-Id: this header is the server's own", seen.header)
    assert.same({ false, true }, seen.headers)
  end)

  it("changes what was changed alone, disables, and deletes what it was told twice to", function()
    assert.same({ "", json.null, { "one", "two" }, true, 50 }, seen.changed)
    assert.same({ 1, 0 }, { seen.stays, seen.left })
  end)

  it("goes over the pages of endpoints, and tells how they stand", function()
    assert.same({ true, true }, seen.states)
  end)

  it("says what it cannot show, and when a session is over", function()
    assert.matches("there is nothing of this id", seen.unknown, 1, true)
    assert.equal(json.null, seen.forgotten)
  end)

  it("takes its token out of the address bar, and keeps it until the tab closes", function()
    assert.matches("/portal/$", seen.address)
    assert.is_true(seen.kept)
  end)

  it("shows what is hostile as text", function()
    assert.same({ 0, 0 }, { seen.images, seen.hacked })
  end)
end)
