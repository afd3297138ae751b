-- SPDX-License-Identifier: MIT
-- The application "default" of the real server: the endpoints that scripts declare, to be looked at.
local Server = require "support.server"
local resources = require "support.resources"

describe("the application default", function()
  local server, call

  lazy_setup(function()
    server = Server.start { secrets = { URL = "https://hooks.example.com:8443/secret?x=y" },
      scripts = { ["main.lua"] = [[
        local anzol = require "anzol"
        anzol.endpoint("crm", { url = anzol.secret "URL", sign = false })
        anzol.endpoint("billing", { url = "http://example.com/hook", sign = false })
        anzol.endpoint("queue", { kind = "long_poll", path = "/queue", auth = anzol.verify.none() })]] } }
    call = resources(server)
    call("POST", "/app", { name = "A", uid = "a" })
    call("POST", "/app/a/endpoint", { url = "https://example.com/mine", uid = "mine" })
  end)
  lazy_teardown(function() server:close() end)

  it("is always there", function()
    local app, status = call("GET", "/app/default")
    assert.same({ 200, "default" }, { status, app.uid })
    assert.matches("^app_%w+$", app.id)
    assert.same(app, (call("GET", "/app/" .. app.id)))
  end)

  it("is in the list of applications, the first, and says that it is read only", function()
    call("POST", "/app", { name = "B", uid = "b" })
    local function uids(query)
      local page, list = call("GET", "/app" .. query), {}
      for i, row in ipairs(page.data) do list[i] = row.uid end
      return list, page
    end
    assert.same({ "default", "a", "b" }, (uids ""))
    local app = select(2, uids "").data[1]
    assert.same((call("GET", "/app/default")), app)
    assert.equal("true", app.metadata.readOnly)
    assert.same({ "b", "a", "default" }, (uids "?order=descending"))
    for _, order in ipairs { "ascending", "descending" } do
      local seen, at, page, part = {}, ""
      repeat
        part, page = uids("?limit=1&order=" .. order .. at)
        assert.equal(1, #part)
        seen[#seen + 1], at = part[1], "&iterator=" .. page.iterator
      until page.done
      assert.equal(order == "ascending" and "default a b" or "b a default", table.concat(seen, " "))
      part = uids("?limit=2&order=" .. order .. "&iterator=" .. page.prevIterator)
      assert.equal(order == "ascending" and "default a" or "b a", table.concat(part, " "))
    end
  end)

  it("has the endpoints of the scripts, without what their URLs may hide", function()
    local page, status = call("GET", "/app/default/endpoint")
    assert.equal(200, status)
    local urls = {}
    for _, row in ipairs(page.data) do urls[row.uid] = row.url end
    assert.same({ crm = "https://hooks.example.com:8443/", billing = "http://example.com/", queue = "" }, urls)
    assert.is_true(page.done)
    local function pages(order)
      local seen, at, part = {}, ""
      repeat
        part = call("GET", "/app/default/endpoint?limit=1&order=" .. order .. at)
        assert.equal(1, #part.data)
        seen[#seen + 1], at = part.data[1].uid, "&iterator=" .. part.iterator
      until part.done
      local back = call("GET", "/app/default/endpoint?limit=2&order=" .. order .. "&iterator=" .. part.prevIterator)
      assert.same({ seen[1], seen[2] }, { back.data[1].uid, back.data[2].uid })
      return table.concat(seen, " ")
    end
    assert.equal("queue billing crm", pages "descending")
    assert.equal("crm billing queue", pages "ascending")
    assert.equal(422, (select(2, call("GET", "/app/default/endpoint?order=up"))))
    assert.equal(422, (select(2, call("GET", "/app/default/endpoint?iterator=crm"))))
    local one = call("GET", "/app/default/endpoint/crm")
    assert.matches("^ep_%w+$", one.id)
    assert.same({ "scripts/main.lua:2", false }, { one.description, one.disabled })
    assert.same(one, (call("GET", "/app/default/endpoint/" .. one.id)))
  end)

  it("shows which are disabled", function()
    call("POST", "/endpoint/billing/disable", "{}")
    assert.is_true(call("GET", "/app/default/endpoint/billing").disabled)
    call("POST", "/endpoint/billing/enable", "{}")
    assert.is_false(call("GET", "/app/default/endpoint/billing").disabled)
  end)

  it("is read only", function()
    for _, request in ipairs { { "POST", "/app/default/endpoint" }, { "PUT", "/app/default/endpoint/crm" },
      { "PATCH", "/app/default/endpoint/crm" }, { "DELETE", "/app/default/endpoint/crm" },
      { "POST", "/app/default/endpoint/crm/secret/rotate" }, { "POST", "/app/default/msg" },
      { "PUT", "/app/default" }, { "PATCH", "/app/default" }, { "DELETE", "/app/default" } } do
      local answer, status = call(request[1], request[2], "{}")
      assert.same({ 403, "read_only" }, { status, answer and answer.code }, table.concat(request, " "))
    end
  end)

  it("has nothing else, and its name is nobody else's", function()
    assert.equal(404, (select(2, call("GET", "/app/default/endpoint/mine"))))
    assert.equal(404, (select(2, call("GET", "/app/default/endpoint/crm/secret"))))
    assert.equal(404, (select(2, call("GET", "/app/default/endpoint/crm/headers"))))
    for _, request in ipairs { { "POST", "/app" }, { "PUT", "/app/other" }, { "PATCH", "/app/a" } } do
      local answer, status = call(request[1], request[2], { name = "D", uid = "default" })
      assert.same({ 409, "conflict" }, { status, answer.code }, request[1])
    end
    local answer, status = call("POST", "/app?get_if_exists=true", { name = "D", uid = "default" })
    assert.same({ 200, (call("GET", "/app/default")).id }, { status, answer.id })
    assert.equal(422, (select(2, call("POST", "/auth/app-portal-access/default",
      { application = { name = "D", uid = "default" } }))))
  end)
end)
