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

  it("has the endpoints of the scripts, without what their URLs may hide", function()
    local page, status = call("GET", "/app/default/endpoint")
    assert.equal(200, status)
    local urls = {}
    for _, row in ipairs(page.data) do urls[row.uid] = row.url end
    assert.same({ crm = "https://hooks.example.com:8443/", billing = "http://example.com/", queue = "" }, urls)
    assert.is_true(page.done)
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
    local answer, status = call("POST", "/app", { name = "D", uid = "default" })
    assert.same({ 422, "body uid" }, { status, table.concat(answer.detail[1].loc, " ") })
  end)
end)
