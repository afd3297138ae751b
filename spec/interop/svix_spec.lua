-- SPDX-License-Identifier: MIT
-- npm's svix drives the real server: what is registered over the API, as an application developer
-- does it.
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"

describe("npm's svix", function()
  local server, dir, seen

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("svix", dir)
    server = Server.start { scripts = { ["main.lua"] = "" } }
    seen = json.decode(clients.run({ "node", "drive_svix.mjs", "http://127.0.0.1:" .. server.admin_port,
      server.token }, dir))
  end)
  lazy_teardown(function()
    server:close()
    files.remove(dir)
  end)

  it("makes, finds and changes applications", function()
    assert.same({ "Acme", "acme", 9, { a = "b" } },
      { seen.app.name, seen.app.uid, seen.app.throttleRate, seen.app.metadata })
    assert.is_true(seen.isDate)
    assert.equal("Acme", seen.sameById)
    assert.is_true(seen.sameAgain)
    assert.is_nil(seen.patched)
    assert.same({}, seen.updated)
    assert.is_nil(seen.deleted)
    assert.equal("none", seen.health)
  end)

  it("makes one application by one key, though five ask at once", function()
    assert.equal(1, seen.once)
  end)

  it("is refused in its own words", function()
    assert.same({ 404, "not_found" }, { seen.uidGone.code, seen.uidGone.body.code })
    assert.same({ 409, "conflict" }, { seen.conflict.code, seen.conflict.body.code })
    assert.equal(422, seen.invalid.code)
    assert.same({ { "body", "uid" }, { "body", "name" } },
      { seen.invalid.detail[1].loc, seen.invalid.detail[2].loc })
  end)

  it("goes over the pages of a list", function()
    assert.equal("Whole,Once,page 0,page 1,page 2,page 3,page 4,page 5,page 6",
      table.concat(seen.pages, ","))
    assert.equal("page 6,page 5,page 4,page 3,page 2,page 1,page 0,Once,Whole",
      table.concat(seen.down, ","))
  end)

  it("keeps event types with their schemas, and archives them", function()
    assert.same({ ["1"] = { type = "object" } }, seen.schema)
    assert.same({ "a.first", "invoice.paid" }, seen.types)
    assert.is_nil(seen.typeUpdated)
    assert.is_true(seen.typePatched)
    assert.is_true(seen.archived)
    assert.same({ "a.first" }, seen.left)
    assert.equal(2, seen.withArchived)
    assert.same({ 404, "not_found" }, { seen.expunged.code, seen.expunged.body.code })
  end)

  it("gives a portal a token that sees one application, until it logs out", function()
    local portal = seen.portal
    assert.is_true(portal.hasUrl)
    assert.is_true(portal.same)
    assert.is_true(portal.own)
    assert.same({ 404, "not_found" }, { portal.other.code, portal.other.body.code })
    assert.same({ 403, "forbidden" }, { portal.list.code, portal.list.body.code })
    assert.same({ "a.first" }, portal.types)
    assert.equal(401, portal.after)
  end)
end)

describe("the OpenAPI document", function()
  it("is valid by the published schema of OpenAPI 3.1", function()
    local dir = files.temp_dir()
    clients.install("@seriousme/openapi-schema-validator", dir)
    local server = Server.start { scripts = { ["main.lua"] = "" } }
    local seen = json.decode(clients.run({ "node", "validate_openapi.mjs",
      "http://127.0.0.1:" .. server.admin_port }, dir))
    server:close()
    files.remove(dir)
    assert.same({ version = "3.1", valid = true }, seen)
  end)
end)
