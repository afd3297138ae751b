-- SPDX-License-Identifier: MIT
-- npm's svix gets operational webhooks of the real server, and verifies each by its Webhook class.
local Applications = require "support.applications"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"

describe("npm's svix", function()
  it("verifies what an operator gets to know of an endpoint", function()
    local dir = files.temp_dir()
    clients.install("svix", dir)
    files.write(dir .. "/operations.json", "[]")
    local rig = Applications.start {
      settings = [[return { operational_application = "ops", guard = { allow = { "127.0.0.0/8" } } }]] }
    local is_done, output = pcall(clients.run, { "node", "drive_operational.mjs",
      "http://127.0.0.1:" .. rig.server.admin_port, rig.server.token, dir .. "/operations.json" }, dir)
    rig:close()
    files.remove(dir)
    assert(is_done, output)
    local seen = json.decode(output).seen
    assert.same({ "endpoint.created", "endpoint.deleted", "endpoint.disabled", "endpoint.updated",
      "message.attempt.exhausted" }, seen.types)
    local named = { true, "acme", true }
    assert.same({ named, named, named, named }, seen.ids)
    assert.same({ "gone", "gone", "gone" }, seen.uids)
    assert.is_true(seen.disabledSince)
    assert.same({ true, "m-1", 410, "atmpt" }, seen.last)
  end)
end)
