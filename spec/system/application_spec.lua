-- SPDX-License-Identifier: MIT
-- /api/v1/app of the real server: applications as the SDKs make, change and list them.
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"

describe("an application", function()
  local server, call

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
  end)
  lazy_teardown(function() server:close() end)

  local function make(body, headers)
    local app, status = call("POST", "/app", body, headers)
    assert.equal(201, status, app and app.detail)
    return app
  end

  -- Where it is wrong: "body name, body uid".
  local function wrong(method, path, body)
    local answer, status = call(method, path, body)
    assert.equal(422, status)
    local places = {}
    for i, item in ipairs(answer.detail) do
      assert.equal("value_error", item.type)
      assert.is_true(#item.msg > 0)
      places[i] = table.concat(item.loc, " ")
    end
    return table.concat(places, ", ")
  end

  it("is made with what it was given, and its defaults", function()
    local app = make { name = "Acme", uid = "made-1", throttleRate = 50, metadata = { a = "b" }, more = 1 }
    assert.matches("^app_%w+$", app.id)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT.*Z$", app.createdAt)
    assert.equal(app.createdAt, app.updatedAt)
    assert.same({ "Acme", "made-1", 50, 50, { a = "b" } },
      { app.name, app.uid, app.throttleRate, app.rateLimit, app.metadata })
    local _, _, text = call("POST", "/app", { name = "Bare" })
    assert.matches('"metadata":{}', text, 1, true)
    assert.is_nil(text:find('"uid"', 1, true))
    assert.same(app, (call("GET", "/app/made-1")))
    assert.same(app, (call("GET", "/app/" .. app.id)))
  end)

  it("takes what older clients call its rate, and nulls as not given", function()
    assert.equal(7, make({ name = "Old", rateLimit = 7 }).throttleRate)
    local app = make('{"name":"Nulls","uid":null,"throttleRate":null,"metadata":null}')
    assert.same({}, app.metadata)
    assert.is_nil(app.uid)
    assert.is_nil(app.throttleRate)
  end)

  it("has a uid as it reads, however it was written", function()
    local _, status, text = call("POST", "/app", '{"name":"\\u0041","uid":"\\u0061bc-1"}')
    assert.equal(201, status)
    assert.is_truthy(text:find('"uid":"abc-1"', 1, true))
    assert.equal(200, (select(2, call("GET", "/app/abc-1"))))
  end)

  local long = ("u"):rep(256)
  for place, bodies in pairs {
    ["body"] = { "", "{", "[]", '"x"', "null" },
    ["body name"] = { "{}", { name = "" }, { name = 1 }, { name = json.null } },
    ["body uid"] = { { name = "x", uid = "" }, { name = "x", uid = long .. "u" },
      { name = "x", uid = "a b" }, { name = "x", uid = "é" }, { name = "x", uid = 5 } },
    ["body throttleRate"] = { { name = "x", throttleRate = 0 }, { name = "x", throttleRate = 65536 },
      { name = "x", throttleRate = -1 }, { name = "x", throttleRate = "5" },
      '{"name":"x","throttleRate":1.0}', '{"name":"x","throttleRate":99999999999999999999}' },
    ["body metadata"] = { { name = "x", metadata = "a" }, '{"name":"x","metadata":["a"]}' },
    ["body metadata a"] = { { name = "x", metadata = { a = 1 } } },
    ["body uid, body name, body throttleRate, body metadata"] =
      { { uid = "", throttleRate = 0, metadata = 1 } },
  } do
    it("is refused at " .. place, function()
      for _, body in ipairs(bodies) do assert.equal(place, wrong("POST", "/app", body)) end
    end)
  end

  it("is taken at the bounds of its fields", function()
    make { name = "x", uid = long, throttleRate = 65535 }
    make { name = "x", uid = "u", throttleRate = 1 }
    make { name = ("é"):rep(1000), uid = "aZ09-_." }
    assert.equal(200, (select(2, call("GET", "/app/" .. long))))
  end)

  it("has a uid that is free again when it goes", function()
    local first = make { name = "First", uid = "taken" }
    local answer, status = call("POST", "/app", { name = "Second", uid = "taken" })
    assert.equal(409, status)
    assert.equal("conflict", answer.code)
    local nothing, gone = call("DELETE", "/app/taken")
    assert.equal(204, gone)
    assert.is_nil(nothing)
    assert.equal(404, (select(2, call("DELETE", "/app/taken"))))
    assert.equal(404, (select(2, call("GET", "/app/" .. first.id))))
    make { name = "Second", uid = "taken" }
  end)

  it("is shown instead of made, if it may exist", function()
    local first = make { name = "First", uid = "maybe" }
    local again, status = call("POST", "/app?get_if_exists=true", { name = "Second", uid = "maybe" })
    assert.equal(200, status)
    assert.same(first, again)
    assert.equal(201, (select(2, call("POST", "/app?get_if_exists=true", { name = "x", uid = "not" }))))
    assert.equal(201, (select(2, call("POST", "/app?get_if_exists=true", { name = "x" }))))
    assert.equal(409,
      (select(2, call("POST", "/app?get_if_exists=false", { name = "x", uid = "maybe" }))))
    assert.equal("query get_if_exists", wrong("POST", "/app?get_if_exists=1", { name = "x" }))
  end)

  it("is replaced as a whole", function()
    local app = make { name = "Old", uid = "put", throttleRate = 5, metadata = { a = "b" } }
    local new, status = call("PUT", "/app/put", { name = "New" })
    assert.equal(200, status)
    assert.same({ app.id, "New", app.createdAt, {} }, { new.id, new.name, new.createdAt, new.metadata })
    assert.is_nil(new.uid)
    assert.is_nil(new.throttleRate)
    assert.equal(404, (select(2, call("GET", "/app/put"))))
    assert.equal("body name", wrong("PUT", "/app/" .. app.id, "{}"))
  end)

  it("is made by a replacement of what is not there", function()
    local app, status = call("PUT", "/app/nobody", { name = "New", uid = "somebody" })
    assert.equal(201, status)
    assert.equal("somebody", app.uid)
    assert.equal(409, (select(2, call("PUT", "/app/nobody", { name = "New", uid = "somebody" }))))
  end)

  it("is changed field by field", function()
    local app = make { name = "Patch", uid = "patch", throttleRate = 5, metadata = { a = "b" } }
    local new, status = call("PATCH", "/app/patch", { metadata = { c = "d" } })
    assert.equal(200, status)
    assert.same({ app.id, "Patch", "patch", 5, { c = "d" } },
      { new.id, new.name, new.uid, new.throttleRate, new.metadata })
    new = call("PATCH", "/app/patch", '{"uid":"patched","throttleRate":null,"name":null}')
    assert.same({ "patched", "Patch" }, { new.uid, new.name })
    assert.is_nil(new.throttleRate)
    assert.equal(404, (select(2, call("PATCH", "/app/patch", "{}"))))
    assert.equal(0, (call("PATCH", "/app/patched", { throttleRate = 0 })).throttleRate)
    assert.equal("body throttleRate", wrong("PATCH", "/app/patched", { throttleRate = 65536 }))
    assert.equal("body uid", wrong("PATCH", "/app/patched", { uid = "" }))
    assert.same((call("PATCH", "/app/patched", { name = "" })).name, "")
    make { name = "Other", uid = "patch-2" }
    assert.equal(409, (select(2, call("PATCH", "/app/patched", { uid = "patch-2" }))))
  end)

  it("is made once by those who repeat their request", function()
    local key = { ["idempotency-key"] = "key-1" }
    local first = make({ name = "Once" }, key)
    assert.equal(200, (select(2, call("PATCH", "/app/" .. first.id, { name = "Changed" }))))
    assert.same(first, make({ name = "Another" }, key))
    assert.not_equal(first.id, make({ name = "Once" }, { ["idempotency-key"] = "key-2" }).id)
    server:kill()
    server:restart()
    assert.same(first, make({ name = "Once" }, key))
    assert.equal("Changed", (call("GET", "/app/" .. first.id)).name)
  end)

  it("is asked for with the token, by methods that it knows", function()
    assert.equal(401, (select(2, call("GET", "/app", nil, { Authorization = "" }))))
    assert.equal(401, (select(2, call("POST", "/app", { name = "x" }, { Authorization = "" }))))
    assert.equal(405, (select(2, call("PUT", "/app", { name = "x" }))))
    assert.equal(404, (select(2, call("GET", "/app/" .. long .. "u"))))
  end)

  describe("in a list", function()
    local many

    local function names(page)
      local list = {}
      for i, app in ipairs(page.data) do list[i] = app.uid or app.name end
      return table.concat(list, " ")
    end

    lazy_setup(function()
      many = Server.start { scripts = { ["main.lua"] = "" } }
      call = resources(many)
    end)
    lazy_teardown(function()
      many:close()
      call = resources(server)
    end)

    it("is none at first but the one that is always there", function()
      local page = call("GET", "/app")
      assert.same({ "default", true }, { names(page), page.done })
      for i = 1, 5 do make { name = "a" .. i } end
    end)

    it("comes oldest first, pages forth and back", function()
      local first = call("GET", "/app?limit=3")
      assert.same({ "default a1 a2", false }, { names(first), first.done })
      local second = call("GET", "/app?limit=2&iterator=" .. first.iterator)
      local last = call("GET", "/app?limit=2&iterator=" .. second.iterator)
      assert.same({ "a3 a4", "a5", true }, { names(second), names(last), last.done })
      local back = call("GET", "/app?limit=2&iterator=" .. last.prevIterator)
      assert.same({ "a3 a4", false }, { names(back), back.done })
      back = call("GET", "/app?limit=3&iterator=" .. back.prevIterator)
      assert.same({ "default a1 a2", true }, { names(back), back.done })
    end)

    it("comes newest first too", function()
      local first = call("GET", "/app?limit=2&order=descending")
      assert.equal("a5 a4", names(first))
      local second = call("GET", "/app?limit=2&order=descending&iterator=" .. first.iterator)
      assert.equal("a3 a2", names(second))
      assert.equal("a5 a4", names((call("GET", "/app?limit=2&order=descending&iterator="
        .. second.prevIterator))))
    end)

    it("goes on where one was that is gone", function()
      local page = call("GET", "/app?limit=3")
      call("DELETE", "/app/" .. page.iterator)
      make { name = "a6" }
      assert.equal("a3 a4 a5 a6", names((call("GET", "/app?iterator=" .. page.iterator))))
    end)

    it("is refused with parameters out of bounds", function()
      for query, place in pairs { ["limit=0"] = "limit", ["limit=251"] = "limit", ["limit=x"] = "limit",
          ["iterator=x"] = "iterator", ["iterator=msg_00000000001"] = "iterator",
          ["order=up"] = "order" } do
        assert.equal("query " .. place, wrong("GET", "/app?" .. query))
      end
      for _, limit in ipairs { 1, 250 } do
        assert.equal(200, (select(2, call("GET", "/app?unknown=1&limit=" .. limit))))
      end
    end)
  end)
end)
