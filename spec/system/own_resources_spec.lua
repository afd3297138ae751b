-- SPDX-License-Identifier: MIT
-- What the API shows of Anzol itself, of the real server: sources, scripts, dead letters; and tags of
-- answers, so that whoever polls them is told in a few bytes that nothing has changed.
local Server = require "support.server"
local http = require "support.http"
local json = require "dkjson"
local wait = require "support.wait"

local main = [[
local anzol = require "anzol"
anzol.source("shop", { path = "/shop", verify = anzol.verify.none(), type = "order.paid" })
anzol.source("odd", { path = "/odd", verify = anzol.verify.none(), type = function() error("never") end })
anzol.source("repo", { verify = anzol.verify.github({ secret = anzol.secret("REPO") }), type = "push" })
anzol.on("order.paid", { name = "sends" }, function(event) event:send("crm", { body = "x" }) end)
anzol.endpoint("crm", { url = "http://127.0.0.1:1024/", allow_private = true, sign = false,
  retry = anzol.backoff.constant { base = "1s", attempts = 1 } })
]]

describe("Anzol's own resources", function()
  local server

  setup(function()
    server = Server.start { scripts = { ["main.lua"] = main }, secrets = { REPO = "hush-hush" } }
  end)
  teardown(function() server:close() end)

  local function request(path, headers, method)
    headers = headers or {}
    headers.Authorization = "Bearer " .. Server.token
    headers["Content-Type"] = method == "POST" and "application/json" or nil
    local answer = assert(http.request { port = server.admin_port, method = method or "GET", path = path,
      headers = headers, body = method == "POST" and "{}" or nil })
    return answer, json.decode(answer.body)
  end

  it("show where events come in, and no secret", function()
    local answer, page = request "/api/v1/source"
    assert.equal(3, #page.data)
    local found = {}
    for _, row in ipairs(page.data) do found[row.name] = row end
    assert.same({ "/shop", "none", "order.paid" }, { found.shop.path, found.shop.verification,
      found.shop.type })
    assert.same({ "/in/repo", "recipe" }, { found.repo.path, found.repo.verification })
    assert.matches("^scripts/main.lua:%d+$", found.repo.script)
    assert.is_nil(answer.body:find("hush", 1, true))
    assert.equal("/shop", select(2, request "/api/v1/source/shop").path)
    assert.equal(404, (request "/api/v1/source/nope").status)
  end)

  it("show the scripts that serve, and how loads ended", function()
    local _, before = request "/api/v1/script"
    assert.same({ 3, 1, 1 }, { before.sources, before.endpoints, before.subscriptions })
    assert.same({ "scripts/main.lua" }, before.files)
    server:write_script("broken.lua", "this is no Lua")
    assert.equal(422, (request("/api/v1/script/reload", nil, "POST")).status)
    os.remove(server.dir .. "/scripts/broken.lua")
    assert.equal(200, (request("/api/v1/script/reload", nil, "POST")).status)
    local _, after = request "/api/v1/script"
    assert.same({ "served", "refused", "served" },
      { after.loads[1].outcome, after.loads[2].outcome, after.loads[3].outcome })
    assert.matches("scripts/broken.lua:1", after.loads[2].detail, 1, true)
    assert.equal(after.loads[1].number, after.generation)
  end)

  it("list no more loads than are kept", function()
    for _ = 1, 20 do assert.equal(200, (request("/api/v1/script/reload", nil, "POST")).status) end
    local _, script = request "/api/v1/script"
    assert.equal(20, #script.loads)
    assert.equal(script.generation, script.loads[1].number)
  end)

  it("list what was given up: deliveries, and events with a run that died", function()
    server:post("/shop", "{}")
    server:post("/odd", "{}")
    local deliveries, events
    wait.until_true("both are dead", 5000, function()
      deliveries = select(2, request "/api/v1/dead-letter").data
      events = select(2, request "/api/v1/dead-letter?kind=event").data
      return #deliveries == 1 and #events == 1
    end)
    assert.same({ "dead", "crm" }, { deliveries[1].state, deliveries[1].endpoint })
    assert.same({ "dead", "odd" }, { events[1].state, events[1].source })
    for query, wanted in pairs { ["kind=nothing"] = 422, ["kind=event&endpoint=crm"] = 422,
      ["state=dead"] = 422, ["kind=event&source=shop"] = 200, ["kind=delivery&endpoint=crm"] = 200 } do
      assert.equal(wanted, (request("/api/v1/dead-letter?" .. query)).status, query)
    end
  end)

  it("have tags: who has an answer already is told so", function()
    local first = request "/api/v1/source"
    local tag = first.headers.etag
    assert.matches('^"%x+"$', tag)
    assert.equal("private, no-cache", first.headers["cache-control"])
    for _, known in ipairs { tag, "W/" .. tag, '"other", ' .. tag, "*" } do
      local again = request("/api/v1/source", { ["If-None-Match"] = known })
      assert.same({ 304, "", tag }, { again.status, again.body, again.headers.etag })
    end
    assert.equal(200, (request("/api/v1/source", { ["If-None-Match"] = '"other"' })).status)
    assert.is_nil((request("/api/v1/script/reload", nil, "POST")).headers.etag)
    assert.is_nil((request "/api/v1/source/nope").headers.etag)
  end)
end)
