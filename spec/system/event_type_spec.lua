-- SPDX-License-Identifier: MIT
-- /api/v1/event-type of the real server.
local Server = require "support.server"
local resources = require "support.resources"

describe("an event type", function()
  local server, call

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
  end)
  lazy_teardown(function() server:close() end)

  local function make(body, headers)
    local made, status, text = call("POST", "/event-type", body, headers)
    assert.equal(201, status, text)
    return made, text
  end

  local function names(query)
    local page, list = call("GET", "/event-type" .. (query or "")), {}
    for i, row in ipairs(page.data) do list[i] = row.name end
    return table.concat(list, " "), page
  end

  it("keeps its schemas as they were written", function()
    local made, text = make [[{ "name": "schema.kept", "description": "",
      "schemas": { "1": { "type": "object", "minimum": 1.50, "n": 12345678901234567890 } } }]]
    assert.matches('"schemas":{"1":{"type":"object","minimum":1.50,"n":12345678901234567890}}', text, 1,
      true)
    assert.same({ "schema.kept", "", false, false },
      { made.name, made.description, made.archived, made.deprecated })
    assert.is_nil(made.id)
    assert.same(made, (call("GET", "/event-type/schema.kept")))
    assert.is_nil(call("GET", "/event-type").data[1].schemas)
    assert.same(made, call("GET", "/event-type?with_content=true").data[1])
    assert.equal(204, (select(2, call("DELETE", "/event-type/schema.kept?expunge=true"))))
  end)

  it("is refused field by field", function()
    local long = ("n"):rep(256)
    for place, body in pairs {
      ["name"] = { description = "" }, ["description"] = { name = "x" },
      ["archived"] = { name = "x", description = "", archived = "yes" },
      ["deprecated"] = { name = "x", description = "", deprecated = 1 },
      ["featureFlag"] = { name = "x", description = "", featureFlag = "a b" },
      ["schemas"] = { name = "x", description = "", schemas = "a" },
      ["schemas 1"] = { name = "x", description = "", schemas = { ["1"] = "a" } },
    } do
      local answer, status = call("POST", "/event-type", body)
      assert.equal(422, status)
      assert.equal("body " .. place, table.concat(answer.detail[1].loc, " "))
    end
    for _, name in ipairs { "", long .. "n", "a b", "a/b" } do
      assert.equal(422, (select(2, call("POST", "/event-type", { name = name, description = "" }))))
    end
    make { name = long, description = "", featureFlag = long }
    assert.equal(204, (select(2, call("DELETE", "/event-type/" .. long .. "?expunge=true"))))
  end)

  it("is there once, and archived rather than gone", function()
    make { name = "order.paid", description = "Paid", featureFlag = "beta" }
    assert.equal(409, (select(2, call("POST", "/event-type", { name = "order.paid", description = "" }))))
    assert.equal(204, (select(2, call("DELETE", "/event-type/order.paid"))))
    local archived = call("GET", "/event-type/order.paid")
    assert.same({ true, "Paid", "beta" }, { archived.archived, archived.description, archived.featureFlag })
    assert.equal("", (names()))
    assert.equal("order.paid", (names "?include_archived=true"))
    local again = make { name = "order.paid", description = "Again" }
    assert.same({ false, "Again", archived.createdAt },
      { again.archived, again.description, again.createdAt })
    assert.is_nil(again.featureFlag)
    assert.equal(204, (select(2, call("DELETE", "/event-type/order.paid?expunge=true"))))
    assert.equal(404, (select(2, call("GET", "/event-type/order.paid"))))
    assert.equal(404, (select(2, call("DELETE", "/event-type/order.paid"))))
  end)

  it("is replaced, or made under the name of the path", function()
    local made, status = call("PUT", "/event-type/put.type", { name = "else", description = "One",
      schemas = { ["1"] = { a = 1 } } })
    assert.equal(201, status)
    assert.equal("put.type", made.name)
    local new
    new, status = call("PUT", "/event-type/put.type", { description = "Two" })
    assert.equal(200, status)
    assert.same({ "put.type", "Two", made.createdAt }, { new.name, new.description, new.createdAt })
    assert.is_nil(new.schemas)
    local _, refused = call("PUT", "/event-type/put.type", "{}")
    assert.equal(422, refused)
    assert.equal(422, (select(2, call("PUT", "/event-type/a%20b", { description = "" }))))
    call("DELETE", "/event-type/put.type?expunge=true")
  end)

  it("is changed field by field", function()
    make { name = "patch.type", description = "One", featureFlag = "f", schemas = { ["1"] = { a = 1 } } }
    local new, status = call("PATCH", "/event-type/patch.type", { deprecated = true })
    assert.equal(200, status)
    assert.same({ "patch.type", "One", true, "f", { ["1"] = { a = 1 } } },
      { new.name, new.description, new.deprecated, new.featureFlag, new.schemas })
    new = call("PATCH", "/event-type/patch.type", '{"featureFlag":null,"schemas":null}')
    assert.is_nil(new.featureFlag)
    assert.is_nil(new.schemas)
    assert.equal(404, (select(2, call("PATCH", "/event-type/nothing", "{}"))))
    call("DELETE", "/event-type/patch.type?expunge=true")
  end)

  it("is listed by name, page by page", function()
    for _, name in ipairs { "b", "d", "a", "c" } do make { name = name, description = "" } end
    local text, page = names "?limit=3"
    assert.same({ "a b c", "c", "-a", false }, { text, page.iterator, page.prevIterator, page.done })
    text, page = names("?limit=3&iterator=" .. page.iterator)
    assert.same({ "d", true }, { text, page.done })
    assert.equal("b c", (names "?limit=2&iterator=-d"))
    assert.equal("d c", (names "?limit=2&order=descending"))
    assert.equal("b a", (names "?limit=2&order=descending&iterator=c"))
    assert.equal(422, (select(2, call("GET", "/event-type?iterator=a%20b"))))
    assert.equal(422, (select(2, call("GET", "/event-type?with_content=yes"))))
  end)
end)
