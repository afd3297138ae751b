-- SPDX-License-Identifier: MIT
-- A customer uses the portal: the page that the server serves runs in npm's happy-dom.
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"

describe("the portal", function()
  local server, dir, seen

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("happy-dom", dir)
    server = Server.start { scripts = { ["main.lua"] = "" } }
    seen = json.decode(clients.run({ "node", "drive_portal.mjs", "http://127.0.0.1:" .. server.admin_port,
      server.token }, dir))
  end)
  lazy_teardown(function()
    if server then server:close() end
    files.remove(dir)
  end)

  it("takes its token out of the address bar, and keeps it until the tab closes", function()
    assert.matches("/portal/$", seen.address)
    assert.is_true(seen.kept)
  end)

  it("shows what is hostile as text", function()
    assert.same({ 0, 0 }, { seen.images, seen.hacked })
  end)
end)
