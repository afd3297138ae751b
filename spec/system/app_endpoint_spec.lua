-- SPDX-License-Identifier: MIT
-- /api/v1/app/{app}/endpoint of the real server: endpoints as the SDKs make, change and list them.
local Server = require "support.server"
local json = require "dkjson"
local resources = require "support.resources"

describe("an endpoint of an application", function()
  local server, call
  local url = "https://example.com/hook"

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" } }
    call = resources(server)
    for _, name in ipairs { "user.made", "user.gone" } do
      call("POST", "/event-type", { name = name, description = "" })
    end
  end)
  lazy_teardown(function() server:close() end)

  local apps = 0
  -- A fresh application: the path of its endpoints.
  local function application()
    apps = apps + 1
    local app, status = call("POST", "/app", { name = "A", uid = "app-" .. apps })
    assert.equal(201, status)
    return "/app/app-" .. apps .. "/endpoint", app
  end

  local function make(path, body, headers)
    local endpoint, status = call("POST", path, body, headers)
    assert.equal(201, status, endpoint and json.encode(endpoint.detail))
    return endpoint
  end

  local function wrong(method, path, body)
    local answer, status = call(method, path, body)
    assert.equal(422, status, json.encode(body))
    local places = {}
    for i, item in ipairs(answer.detail) do
      assert.is_true(#item.msg > 0)
      places[i] = table.concat(item.loc, " ")
    end
    return table.concat(places, ", "), answer.detail[1].msg
  end

  it("is made with what it was given, and its defaults", function()
    local path = application()
    local bare, _ = make(path, { url = url })
    assert.matches("^ep_%w+$", bare.id)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT.*Z$", bare.createdAt)
    assert.same({ url, "", false, {}, 1 },
      { bare.url, bare.description, bare.disabled, bare.metadata, bare.version })
    assert.is_nil(bare.uid or bare.eventTypes or bare.filterTypes or bare.channels or bare.secret
      or bare.throttleRate or bare.rateLimit)
    local all = make(path, { url = url, uid = "mine", description = "d", disabled = true, version = 3,
      eventTypes = { "user.made", "user.gone" }, channels = { "c-1", "c-2" }, throttleRate = 50,
      metadata = { a = "b" }, secret = "whsec_" .. ("A"):rep(32) })
    assert.same({ "mine", "d", true, 3, 50, 50, { a = "b" } }, { all.uid, all.description, all.disabled,
      all.version, all.throttleRate, all.rateLimit, all.metadata })
    assert.same({ { "user.made", "user.gone" }, { "user.made", "user.gone" }, { "c-1", "c-2" } },
      { all.eventTypes, all.filterTypes, all.channels })
    assert.is_nil(all.secret)
    assert.same(all, (call("GET", path .. "/mine")))
    assert.same(all, (call("GET", path .. "/" .. all.id)))
  end)

  it("takes what older clients call its fields", function()
    local path = application()
    local made = make(path, { url = url, filterTypes = { "user.made" }, rateLimit = 7 })
    assert.same({ { "user.made" }, 7 }, { made.eventTypes, made.throttleRate })
  end)

  local long, key = ("u"):rep(256), ("A"):rep(32)
  local function with(fields)
    local body = { url = url }
    for name, value in pairs(fields) do body[name] = value end
    return body
  end
  local eleven = {}
  for i = 1, 11 do eleven[i] = "c" .. i end
  local crowd = {}
  for i = 1, 51 do crowd["X-" .. i] = "a" end

  for place, bodies in pairs {
    ["body url"] = { "{}", { url = "" }, { url = 1 }, { url = "ftp://example.com/" },
      { url = "example.com" }, { url = "https://u:p@example.com/" }, { url = "https://example.com:22/" },
      { url = "https://example.com/\r\nX: y" }, { url = "http://127.0.0.1/" }, { url = "http://[::1]/" },
      { url = "http://localhost/" }, { url = "http://169.254.169.254/" }, { url = "http://2130706433/" },
      { url = "http://0x7f.1/" }, { url = "https://example.com/" .. ("a"):rep(8000) },
      { url = "https://example.com/\0" } },
    ["body uid"] = { with { uid = "" }, with { uid = long .. "u" }, with { uid = "a b" }, with { uid = 1 } },
    ["body eventTypes"] = { with { eventTypes = "[]" }, '{"url":"https://a.example/","eventTypes":[]}',
      with { eventTypes = { "user.made", "user.made" } }, with { eventTypes = { 1 } },
      with { eventTypes = { long .. "u" } }, with { eventTypes = { "a b" } }, with { eventTypes = { "nobody" } } },
    ["body channels"] = { '{"url":"https://a.example/","channels":[]}', with { channels = eleven },
      with { channels = { ("c"):rep(129) } }, with { channels = { "a", "a" } }, with { channels = { "" } } },
    ["body throttleRate"] = { with { throttleRate = 0 }, with { throttleRate = 65536 },
      with { throttleRate = 1.5 }, with { throttleRate = "1" } },
    ["body disabled"] = { with { disabled = 1 } },
    ["body metadata"] = { with { metadata = "a" } },
    ["body metadata a"] = { with { metadata = { a = 1 } } },
    ["body headers"] = { with { headers = "a" }, with { headers = { "a" } }, with { headers = crowd } },
    ["body headers X-A"] = { with { headers = { ["X-A"] = 1 } }, with { headers = { ["X-A"] = "a\nb" } } },
    ["body headers Webhook-Id"] = { with { headers = { ["Webhook-Id"] = "a" } } },
    ["body description"] = { with { description = 1 } },
    ["body secret"] = { with { secret = "" }, with { secret = "whsec_" .. ("A"):rep(31) },
      with { secret = "whsec_" .. ("A"):rep(104) }, with { secret = "whsec_" .. ("*"):rep(32) },
      with { secret = 1 }, with { secret = "whpk_" .. key }, with { secret = "whsk_" .. key } },
  } do
    it("is refused for its " .. place, function()
      local path = application()
      for _, body in ipairs(bodies) do assert.equal(place, (wrong("POST", path, body))) end
      assert.same({}, call("GET", path).data)
    end)
  end

  it("takes what is just within its bounds", function()
    local path = application()
    table.remove(eleven)
    make(path, with { uid = long, channels = eleven, throttleRate = 65535, secret = key })
    make(path, with { secret = "whsec_" .. ("A"):rep(100), throttleRate = 1,
      channels = { ("c"):rep(128) } })
    make(path, '{"url":"https://a.example/","uid":null,"eventTypes":null,"channels":null,"secret":null}')
    make(path, { url = "https://example.com/" .. ("a"):rep(7980) })
  end)

  it("names the event type that is not there", function()
    local path = application()
    local _, message = wrong("POST", path, with { eventTypes = { "user.made", "no.such" } })
    assert.matches('"no.such"', message, 1, true)
    make(path, with { uid = "e", eventTypes = { "user.made" } })
    assert.equal("body eventTypes", (wrong("PATCH", path .. "/e", { eventTypes = { "no.such" } })))
    assert.equal("body eventTypes", (wrong("PATCH", path .. "/e", '{"eventTypes":[]}')))
    assert.same({ "user.made" }, call("GET", path .. "/e").eventTypes)
  end)

  it("is changed in other fields though an event type of it is forgotten", function()
    local path = application()
    call("POST", "/event-type", { name = "soon.gone", description = "d" })
    make(path, with { uid = "e", eventTypes = { "soon.gone" } })
    assert.equal(204, (select(2, call("DELETE", "/event-type/soon.gone?expunge=true"))))
    local after, status = call("PATCH", path .. "/e", { disabled = true })
    assert.same({ 200, true, { "soon.gone" } }, { status, after.disabled, after.eventTypes })
    assert.equal("body eventTypes", (wrong("PATCH", path .. "/e", { eventTypes = { "user.made", "soon.gone" } })))
    assert.equal("body eventTypes", (wrong("POST", path, with { eventTypes = { "soon.gone" } })))
  end)

  it("is changed in some fields, and loses those that are null", function()
    local path = application()
    local before = make(path, with { uid = "e", eventTypes = { "user.made" }, channels = { "c" },
      throttleRate = 5, description = "d" })
    local after, status = call("PATCH", path .. "/e", { description = "e", disabled = true })
    assert.equal(200, status)
    assert.same({ "e", true, { "c" }, 5 }, { after.description, after.disabled, after.channels,
      after.throttleRate })
    assert.equal(before.createdAt, after.createdAt)
    after = call("PATCH", path .. "/e", '{"eventTypes":null,"channels":null,"throttleRate":null,"uid":null}')
    assert.is_nil(after.eventTypes or after.channels or after.throttleRate or after.uid)
    assert.equal(404, (select(2, call("GET", path .. "/e"))))
    assert.equal(404, (select(2, call("PATCH", path .. "/e", {}))))
  end)

  it("is replaced as a whole, or made by that", function()
    local path = application()
    make(path, with { uid = "e", eventTypes = { "user.made" }, description = "d", throttleRate = 5 })
    local after, status = call("PUT", path .. "/e", { url = url, uid = "e" })
    assert.equal(200, status)
    assert.same({ "", false }, { after.description, after.disabled })
    assert.is_nil(after.eventTypes or after.throttleRate)
    local made, code = call("PUT", path .. "/new", { url = url, uid = "new" })
    assert.equal(201, code)
    assert.same(made, (call("GET", path .. "/new")))
    assert.equal("body url", (wrong("PUT", path .. "/e", { uid = "e" })))
  end)

  it("has a uid that none of its application has, until it goes", function()
    local path, other = application(), application()
    local one = make(path, with { uid = "same" })
    make(other, with { uid = "same" })
    local answer, status = call("POST", path, with { uid = "same" })
    assert.same({ 409, "conflict" }, { status, answer.code })
    make(path, with { uid = "two" })
    assert.equal(409, select(2, call("PATCH", path .. "/two", { uid = "same" })))
    local _, code, text = call("DELETE", path .. "/same")
    assert.same({ 204, "" }, { code, text })
    assert.equal(404, select(2, call("GET", path .. "/" .. one.id)))
    assert.equal(404, select(2, call("DELETE", path .. "/" .. one.id)))
    make(path, with { uid = "same" })
  end)

  it("is not there for other applications, nor below none", function()
    local path, other = application(), application()
    local one = make(path, with { uid = "e" })
    for _, name in ipairs { "e", one.id } do
      for _, method in ipairs { "GET", "DELETE", "PATCH" } do
        assert.equal(404, select(2, call(method, other .. "/" .. name, method == "PATCH" and {} or nil)))
      end
    end
    local answer, status = call("POST", "/app/nobody/endpoint", { url = url })
    assert.same({ 404, "not_found" }, { status, answer.code })
  end)

  it("is listed with the newest first, and page by page", function()
    local path = application()
    for i = 1, 5 do make(path, with { uid = "e" .. i }) end
    local function uids(page)
      local names = {}
      for i, row in ipairs(page.data) do names[i] = row.uid end
      return table.concat(names, " ")
    end
    local page = call("GET", path .. "?limit=2")
    assert.same({ "e5 e4", false }, { uids(page), page.done })
    page = call("GET", path .. "?limit=3&iterator=" .. page.iterator)
    assert.same({ "e3 e2 e1", true }, { uids(page), page.done })
    page = call("GET", path .. "?limit=2&iterator=" .. page.prevIterator)
    assert.same({ "e5 e4", true }, { uids(page), page.done })
    assert.equal("e1 e2 e3 e4 e5", uids(call("GET", path .. "?order=ascending")))
    assert.equal("query limit", (wrong("GET", path .. "?limit=251")))
    assert.equal("query iterator", (wrong("GET", path .. "?iterator=app_00000000001")))
  end)

  it("is made once by those who bring the same key", function()
    local path = application()
    local headers = { ["idempotency-key"] = "k" }
    local one = make(path, { url = url }, headers)
    assert.same(one, make(path, { url = url .. "/other" }, headers))
    assert.equal(1, #call("GET", path).data)
  end)

  it("shows what is done to it by its id on the command line, and the other way round", function()
    local path, app = application()
    local one = make(path, with { uid = "e" })
    for _, row in ipairs(call("GET", "/endpoint").data) do
      if row.name == one.id then
        assert.same({ app.id, app.uid, "e" }, { row.application, row.applicationUid, row.uid })
      end
    end
    local function state()
      for _, row in ipairs(call("GET", "/endpoint").data) do
        if row.name == one.id then return row.state, row.isRegistered end
      end
    end
    assert.same({ "enabled", true }, { state() })
    assert.equal(200, select(2, call("POST", "/endpoint/" .. one.id .. "/disable", {})))
    assert.is_true(call("GET", path .. "/e").disabled)
    call("PATCH", path .. "/e", { disabled = false })
    assert.equal("enabled", (state()))
    call("PATCH", path .. "/e", { disabled = true })
    assert.equal("disabled", (state()))
    assert.equal(200, select(2, call("POST", "/endpoint/" .. one.id .. "/enable", {})))
    assert.is_false(call("GET", path .. "/e").disabled)
    call("POST", "/endpoint/" .. one.id .. "/pause", {})
    call("PATCH", path .. "/e", { description = "d" })
    assert.equal("paused", (state()))
    call("DELETE", path .. "/e")
    assert.is_nil((state()))
    assert.equal(404, select(2, call("POST", "/endpoint/" .. one.id .. "/enable", {})))
  end)

  it("goes with its application", function()
    local path, app = application()
    local one = make(path, { url = url })
    assert.equal(204, select(2, call("DELETE", "/app/" .. app.id)))
    assert.equal(404, select(2, call("GET", path .. "/" .. one.id)))
    assert.equal(404, select(2, call("POST", "/endpoint/" .. one.id .. "/enable", {})))
  end)

  it("is there after a restart, with its state", function()
    local path = application()
    local one = make(path, with { uid = "e", disabled = true, eventTypes = { "user.made" } })
    server:stop()
    server:restart()
    assert.same(one, (call("GET", path .. "/e")))
  end)
end)

describe("the endpoints of an application", function()
  local MOST = 3
  local server, call

  lazy_setup(function()
    server = Server.start { scripts = { ["main.lua"] = "" },
      settings = "return { limits = { application_endpoints = " .. MOST .. " } }" }
    call = resources(server)
    for _, uid in ipairs { "one", "two" } do call("POST", "/app", { name = uid, uid = uid }) end
  end)
  lazy_teardown(function() server:close() end)

  it("are as many as the operator lets it have", function()
    local url = { url = "https://example.com/" }
    local function named(uid) return { url = url.url, uid = uid } end
    for i = 1, MOST do
      assert.equal(201, (select(2, call("PUT", "/app/one/endpoint/e" .. i, named("e" .. i)))))
    end
    for method, path in pairs { POST = "/app/one/endpoint", PUT = "/app/one/endpoint/e4" } do
      local answer, status = call(method, path, url)
      assert.same({ 400, "too_many_endpoints" }, { status, answer.code })
    end
    assert.equal(MOST, #call("GET", "/app/one/endpoint").data)
    assert.equal(200, (select(2, call("PUT", "/app/one/endpoint/e1", named "e1"))))
    assert.equal(201, (select(2, call("POST", "/app/two/endpoint", url))))
    assert.equal(204, (select(2, call("DELETE", "/app/one/endpoint/e1"))))
    assert.equal(201, (select(2, call("POST", "/app/one/endpoint", url))))
  end)
end)
