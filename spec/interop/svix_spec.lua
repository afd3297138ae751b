-- SPDX-License-Identifier: MIT
-- npm's svix drives the real server, as an application developer does it: what is registered, endpoints with
-- their headers and secrets, messages that arrive, verified by its Webhook class, and what became of them; all
-- operations of the protocol, each with all of its parameters and fields.
local Applications = require "support.applications"
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"
local protocol = require "support.protocol"

local COUNT = os.getenv "ANZOL_LONG" == "1" and 100000 or 10000 -- messages that are paged over

-- What a drive saw and called of a server of its own.
local function drive(program, ...)
  local dir = files.temp_dir()
  clients.install("svix-old", dir)
  local operations = {}
  for i, operation in ipairs(protocol.operations) do
    operations[i] = { method = operation.method, path = operation.path }
  end
  files.write(dir .. "/operations.json", json.encode(operations))
  local rig = Applications.start()
  local is_done, output = pcall(clients.run, { "node", program, "http://127.0.0.1:" .. rig.server.admin_port,
    rig.server.token, dir .. "/operations.json", ... }, dir)
  rig:close()
  files.remove(dir)
  assert(is_done, output)
  return json.decode(output, 1, json.null)
end

local calls = {} -- by the names of operations, of all drives

local function add_all(set, list) for _, item in ipairs(list) do set[item] = true end end

local function note(program, ...)
  local result = drive(program, ...)
  for _, call in ipairs(result.calls) do
    local name = protocol.name_of(call)
    local all = calls[name] or { statuses = {}, query = {}, fields = {}, answers = {} }
    calls[name] = all
    for _, part in ipairs { "statuses", "query", "fields" } do add_all(all[part], call[part]) end
    table.move(call.answers, 1, #call.answers, #all.answers + 1, all.answers)
  end
  return result.seen
end

local drives = { registered = "drive_svix.mjs", endpoints = "drive_endpoints.mjs", messages = "drive_messages.mjs",
  old = "drive_old.mjs" }
local results = {}

-- What a drive saw; it runs once.
local function run(name)
  results[name] = results[name] or note(drives[name], tostring(COUNT))
  return results[name]
end

describe("npm's svix", function()
  local seen

  lazy_setup(function() seen = run "registered" end)

  it("makes, finds and changes applications", function()
    assert.same({ "Acme", "acme", 9, { a = "b" } },
      { seen.app.name, seen.app.uid, seen.app.throttleRate, seen.app.metadata })
    assert.is_true(seen.isDate)
    assert.equal("Acme", seen.sameById)
    assert.is_true(seen.sameAgain)
    assert.equal(json.null, seen.patched)
    assert.same({ "acme-2", { c = "d" }, "Acme Ltd" },
      { seen.patchedAll.uid, seen.patchedAll.metadata, seen.patchedAll.name })
    assert.same({ "acme", "Whole", 7, { e = "f" } },
      { seen.replaced.uid, seen.replaced.name, seen.replaced.throttleRate, seen.replaced.metadata })
    assert.same({}, seen.updated)
    assert.equal("Made by PUT", seen.upsertMakes)
    assert.equal(json.null, seen.deleted)
    assert.equal("none", seen.health)
  end)

  it("makes one application by one key, though five ask at once", function()
    assert.equal(1, seen.once)
  end)

  it("is refused in its own words", function()
    assert.same({ 404, "not_found" }, { seen.uidGone.code, seen.uidGone.word })
    assert.same({ 409, "conflict" }, { seen.conflict.code, seen.conflict.word })
    assert.equal(422, seen.invalid.code)
    assert.same({ { "body", "uid" }, { "body", "name" } },
      { seen.invalid.detail[1].loc, seen.invalid.detail[2].loc })
  end)

  it("goes over the pages of a list", function()
    assert.equal("Endpoints that scripts declare,Whole,Once,page 0,page 1,page 2,page 3,page 4,page 5,page 6",
      table.concat(seen.pages, ","))
    assert.equal("page 6,page 5,page 4,page 3,page 2,page 1,page 0,Once,Whole,Endpoints that scripts declare",
      table.concat(seen.down, ","))
  end)

  it("keeps event types with their schemas, and archives them", function()
    assert.same({ ["1"] = { type = "object" } }, seen.schema)
    assert.same({ "a.first", "invoice.paid" }, seen.types)
    assert.same({ { "invoice.paid", { ["1"] = { type = "object" } } }, { "a.first", json.null } }, seen.typesDown)
    assert.equal(json.null, seen.typeUpdated)
    assert.is_true(seen.typePatched)
    local patched, replaced = seen.typePatchedAll, seen.typeReplaced
    assert.same({ "Newer", true, true, { ["2"] = { type = "string" } } },
      { patched.description, patched.archived, patched.deprecated, patched.schemas })
    assert.same({ "Whole", false, false, { ["3"] = {} } },
      { replaced.description, replaced.archived, replaced.deprecated, replaced.schemas })
    assert.equal("z.made", seen.typeMade)
    assert.is_true(seen.archived)
    assert.same({ "a.first" }, seen.left)
    assert.equal(2, seen.withArchived)
    assert.same({ 404, "not_found" }, { seen.expunged.code, seen.expunged.word })
  end)

  it("gives a portal a token that sees one application, until it logs out", function()
    local portal = seen.portal
    assert.is_true(portal.hasUrl)
    assert.is_true(portal.same)
    assert.is_true(portal.own)
    assert.equal("B", portal.brought)
    assert.same({ 404, "not_found" }, { portal.other.code, portal.other.word })
    assert.same({ 403, "forbidden" }, { portal.list.code, portal.list.word })
    assert.same({ "a.first" }, portal.types)
    assert.equal(401, portal.after)
  end)
end)

describe("npm's svix, of endpoints,", function()
  local seen

  lazy_setup(function() seen = run "endpoints" end)

  local function fields(endpoint)
    local list = {}
    for i, name in ipairs { "uid", "description", "disabled", "throttleRate", "eventTypes", "channels", "metadata" } do
      list[i] = endpoint[name] == nil and json.null or endpoint[name]
    end
    return list
  end
  local whole = { "whole", "All of it", true, 100, { "user.made" }, { "eu" }, { a = "b" } }

  it("makes, lists, changes and deletes them", function()
    assert.same(whole, fields(seen.made))
    assert.same(seen.made, seen.got)
    assert.is_true(seen.sameKey)
    assert.equal("e4,e3,e2,e1,e0,whole", table.concat(seen.down, ","))
    assert.equal("whole,e0,e1,e2,e3,e4", table.concat(seen.up, ","))
    assert.same({ "part", "Part", false, 9, { "user.gone" }, { "us" }, { c = "d" } }, fields(seen.patched))
    assert.same({ "part", "Part", false, json.null, json.null, json.null, { c = "d" } }, fields(seen.cleared))
    assert.same(whole, fields(seen.replaced))
    assert.same({ json.null, "", false, json.null, json.null, json.null, {} }, fields(seen.bare))
    assert.same({ "by-put", json.null }, { seen.byPut, seen.deleted })
  end)

  it("is told what is not there, is taken or is wrong", function()
    assert.same({ 404, 404, 409 }, { seen.gone, seen.elsewhere, seen.taken })
    assert.same({ { "body uid" }, { "body", "eventTypes" } }, { seen.invalid, seen.noType })
    assert.same({ "body", "headers", "Webhook-Id" }, seen.reserved)
  end)

  it("sets their headers, which are sent; those that are secret are shown by name", function()
    assert.same({ headers = { ["X-Shop"] = "acme", ["X-Gone"] = "1" }, sensitive = { "Authorization" } }, seen.headers)
    assert.same({ headers = { ["X-Shop"] = "acme", ["X-More"] = "2" }, sensitive = { "Authorization" } },
      seen.patchedHeaders)
    assert.same({ shop = "acme", authorization = "Bearer hidden", more = "2", gone = json.null }, seen.sent)
  end)

  it("rotates their secrets: what arrives is verified by the old and the new", function()
    assert.is_true(seen.given)
    assert.is_true(seen.mine)
    assert.same({ { true }, { true, true }, { true, true, true } }, seen.verified)
    assert.same({ 10, 400 }, seen.tooMany)
  end)
end)

describe("npm's svix, of messages,", function()
  local seen

  lazy_setup(function() seen = run "messages" end)

  it("publishes them, once for each key", function()
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

  it("sees what became of one", function()
    assert.same({ "bad sending", "eu success", "good success" }, seen.targets)
    assert.same({ { 500, "answer of bad", 3, 0 }, { 500, "answer of bad", 3, 0 } }, seen.byEndpoint)
    assert.same({ { 200, true, true } }, seen.byMessage)
    assert.same({ 200, 200, 500 }, seen.allOfMessage)
    assert.same({ "invoice.gone", "invoice.paid" }, seen.allOfEndpoint)
    assert.same({ 1, { { "inv-1", "sending", { amount = 5, note = "é" } } } }, { seen.byClass, seen.attempted })
    assert.is_true(seen.oneAttempt)
    assert.same({ success = 1, fail = 0, pending = 0, sending = 0, canceled = 0 }, seen.stats)
    assert.same({ 1, 0 }, { seen.statsOfHour, seen.statsBefore })
    assert.same({ "inv-1" }, seen.listed)
  end)

  it("filters each list by each of its parameters", function()
    assert.same({ byEndpoint = { 1, 0, 0, 0, 0, 0 }, byMsg = { 1, 0, 0, 0, 0, 0 }, messages = { 1, 0, 0, 0, 0 } },
      seen.filtered)
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

  it(("goes over %d of them, both ways, while others write"):format(COUNT), function()
    assert.same({ each = true, sorted = true, odd = true, up = true }, seen.pages)
  end)
end)

describe("npm's svix of the generation before", function()
  local seen

  lazy_setup(function() seen = run "old" end)

  it("registers by its own names", function()
    assert.same({ { 5, true }, true, json.null, { "default", "acme" } },
      { seen.app, seen.appAgain, seen.appUpdated, seen.apps })
    assert.same({ "beta", "gamma", { "user.made" } }, { seen.type, seen.typeUpdated, seen.types })
    assert.same({ 3, { "user.made" }, 50, { "eu" } }, seen.endpoint)
    local updated = seen.endpointUpdated
    assert.same({ 4, { "user.made" }, 60, nil }, { updated.version, updated.filterTypes, updated.rateLimit,
      updated.channels })
    assert.same({ { "old", { "user.made" } } }, seen.endpoints)
    assert.same({ { ["X-Old"] = "1", ["X-New"] = "2" }, true, true }, { seen.headers, seen.secret, seen.rotated })
  end)

  it("publishes, receives and looks at what became of it", function()
    assert.same({ { a = 1.5 }, true }, seen.message)
    assert.same({ { a = 1.5 }, "1", "2" }, seen.verified)
    assert.same({ 0, 200, true }, seen.attempt)
    assert.same({ { "m" }, { "m" } }, { seen.messages, seen.listed })
    assert.same({ { "old", 4, { "user.made" }, 60, 0 } }, seen.targets)
    assert.same({ 0, { a = 1 }, { expired = true } }, { seen.stats, seen.example, seen.expunged })
  end)

  it("gives a portal its token, and leaves nothing behind", function()
    assert.same({ 1, 401, 404 }, { seen.portal, seen.loggedOut, seen.gone })
  end)
end)

-- The clients have no name for this one, and the older ones alone for that field.
local uncalled = { ["GET /api/v1/health/ping"] = true }

describe("the operations of the protocol", function()
  lazy_setup(function() for name in pairs(drives) do run(name) end end)

  for _, operation in ipairs(protocol.operations) do
    local name = protocol.name_of(operation)
    if not uncalled[name] then
      it("are driven by npm's svix: " .. name, function()
        local called = assert.is_table(calls[name]) and calls[name]
        for status in pairs(operation.statuses) do assert.is_true(called.statuses[status], "answered " .. status) end
        for _, parameter in ipairs(operation.parameters) do assert.is_true(called.query[parameter], parameter) end
        for field in pairs(protocol.schemas[operation.body] or {}) do
          if not (operation.method == "PATCH" and field == "featureFlag") then
            assert.is_true(called.fields[field], field)
          end
        end
        for _, text in ipairs(operation.answer and called.answers or {}) do
          assert.is_nil(protocol.judge(json.decode(text, 1, json.null), operation.answer))
        end
      end)
    end
  end
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
