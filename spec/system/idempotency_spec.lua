-- SPDX-License-Identifier: MIT
-- The idempotency keys of the protocol: every POST that has one, repeated with another body, with a wrong
-- one, after a kill, by another token, by another application's name, and too late.
local Applications = require "support.applications"
local Clock = require "support.clock"
local Disk = require "support.disk"
local Server = require "support.server"
local files = require "support.files"
local http = require "support.http"
local json = require "dkjson"
local resources = require "support.resources"
local wait = require "support.wait"

local KEPT_S = 12 * 3600

-- What is asked, otherwise, and wrongly (nil: no body of it can be wrong); made: how many there are then,
-- by a list. {ep} is the endpoint's uid, {msg} a message's eventId, {since} an instant just before it.
local cases = {
  { path = "/app", first = { name = "One" }, other = { name = "Two" }, wrong = { name = 1 }, list = "/app" },
  { path = "/event-type", first = { name = "t.one", description = "" }, other = { name = "t.two", description = "" },
    wrong = { name = "t two" }, list = "/event-type" },
  { path = "{app}/endpoint", first = { url = "https://example.com/1" }, other = { url = "https://example.com/2" },
    wrong = { url = "none" }, list = "{app}/endpoint" },
  { path = "{app}/msg", first = { eventType = "a", payload = { a = 1 } },
    other = { eventType = "b", payload = { b = 2 } }, wrong = { eventType = "a", payload = 1 }, list = "{app}/msg" },
  { path = "{app}/endpoint/{ep}/send-example", first = { eventType = "with.example" },
    other = { eventType = "svix.ping" }, wrong = { eventType = "not.there" }, list = "{app}/msg" },
  { path = "{app}/endpoint/{ep}/recover", first = { since = "{since}" },
    other = { since = "{since}", ["until"] = "{since}" }, wrong = { since = "yesterday" }, list = "/task" },
  { path = "{app}/endpoint/{ep}/secret/rotate", first = {}, other = { gracePeriodSeconds = 0 },
    wrong = { gracePeriodSeconds = -1 }, look = "{app}/endpoint/{ep}/secret" },
  { path = "{app}/msg/{msg}/endpoint/{ep}/resend", first = {}, other = {}, list = "{app}/attempt/msg/{msg}" },
  { path = "/auth/app-portal-access/{uid}", first = {}, other = { featureFlags = { "f" } },
    wrong = { featureFlags = "f" }, list = "/token", dies = true },
}

describe("an idempotency key", function()
  local rig, call, clock, path
  local values = {}

  lazy_setup(function()
    local dir = files.temp_dir()
    clock = Clock.new(dir)
    rig = Applications.start { env = clock:env() }
    rig.clock_dir = dir
    call = rig.call
    path = rig:application()
    rig:want(201, "POST", "/event-type", { name = "with.example", description = "",
      schemas = { ["1"] = { example = { an = "example" } } } })
    rig:endpoint(path, { uid = "ep" })
    local message = rig:publish(path, { eventId = "msg" })
    rig:await("/ep", 1)
    values = { app = path, uid = path:match "[^/]+$", ep = "ep", msg = "msg", since = message.timestamp }
  end)
  lazy_teardown(function()
    rig:close()
    files.remove(rig.clock_dir)
  end)

  local function fill(text) return (text:gsub("{(%w+)}", values)) end
  local function ask(case, body, key, headers)
    local all = { ["Idempotency-Key"] = key }
    for name, value in pairs(headers or {}) do all[name] = value end
    local answer, status, text = call("POST", fill(case.path), fill(next(body) and json.encode(body) or "{}"), all)
    if answer and answer.updatedAt and case.list == "/task" then -- it is of the moment
      answer.updatedAt = nil
      return answer, status
    end
    return text, status
  end
  -- What there is of it, once nothing is under way: a number, or what is shown.
  local function extent(case)
    wait.until_true("nothing is pending", 5000, function()
      return #call("GET", "/event?state=pending").data == 0 and #call("GET", "/delivery?state=pending").data == 0
        and #call("GET", "/task?state=running").data == 0
    end)
    if case.look then return (select(3, call("GET", fill(case.look)))) end
    local count, iterator = 0, nil
    repeat
      local page = call("GET", fill(case.list) .. "?limit=250" .. (iterator and "&iterator=" .. iterator or ""))
      count, iterator = count + #page.data, page.iterator
    until page.done
    return count
  end

  for _, case in ipairs(cases) do
    it("of POST " .. case.path .. " gets the first answer, whatever the repeat says", function()
      local refused, refusal = ask(case, case.wrong or case.first, "first wrong")
      if case.wrong then assert.is_true(refusal >= 400 and refusal < 500, refused) end
      local answer, status = ask(case, case.first, "key")
      assert.is_true(status < 300, json.encode(answer))
      local before = extent(case)
      for _, body in ipairs { case.first, case.other, case.wrong } do
        local again, same_status = ask(case, body, "key")
        assert.same({ answer, status }, { again, same_status })
      end
      assert.equal(before, extent(case))
      -- What was refused left nothing behind.
      assert.is_true(select(2, ask(case, case.first.name and case.other or case.first, "first wrong")) < 300)
      before = extent(case)
      rig.server:kill()
      rig.server:restart()
      for _, body in ipairs(case.dies and {} or { case.other, case.wrong }) do
        local again, same_status = ask(case, body, "key")
        assert.same({ answer, status }, { again, same_status })
        assert.equal(before, extent(case))
      end
      if not case.dies then return end
      -- A token's text is nowhere: after a start it is another, which is the same from then on.
      assert.same(409, (select(2, ask(case, case.wrong, "key"))))
      local anew = ask(case, case.first, "key")
      assert.not_equal(answer, anew)
      assert.equal(anew, (ask(case, case.wrong, "key")))
    end)
  end

  it("is good for twelve hours, and no longer", function()
    local function ask_all()
      local answers = {}
      for i, case in ipairs(cases) do
        local first = case.first
        if first.name then first = { name = "late." .. tostring(clock.shared:get(1)), description = "" } end
        answers[i] = json.encode { ask(case, first, "for a while") }
      end
      return answers
    end
    local before = ask_all()
    clock:sleep(KEPT_S - 60)
    assert.same(before, ask_all())
    clock:sleep(60)
    local extents = {}
    for i, case in ipairs(cases) do extents[i] = extent(case) end
    local later = ask_all()
    for i, case in ipairs(cases) do
      if not case.path:find "resend" and not case.path:find "rotate" then assert.not_equal(before[i], later[i]) end
      assert.not_equal(extents[i], extent(case), case.path)
    end
  end)

  it("is of an application, an endpoint or a message, not of what they are called", function()
    local one = rig:application { name = "before" }
    local key = { ["Idempotency-Key"] = "shared" }
    local id = call("GET", one).id
    local endpoint = call("POST", one .. "/endpoint", { url = rig.receiver:url "/renamed", uid = "e" }, key)
    local message = rig:publish(one, { eventId = "m" }, key)
    rig:await("/renamed", 1)
    assert.equal(202, (select(2, call("POST", one .. "/msg/m/endpoint/e/resend", "{}", key))))
    rig:await("/renamed", 2)
    -- By its id it is the same request.
    assert.equal(message.id, rig:publish("/app/" .. id, {}, key).id)
    assert.equal(202, (select(2, call("POST", ("/app/%s/msg/%s/endpoint/%s/resend"):format(id, message.id, endpoint.id),
      "{}", key))))
    -- Another endpoint of the same uid, then another application.
    call("POST", one .. "/endpoint/e/secret/rotate", "{}", key)
    call("DELETE", one .. "/endpoint/e")
    rig:want(201, "POST", one .. "/endpoint", { url = "https://example.com/", uid = "e" })
    local secret = call("GET", one .. "/endpoint/e/secret").key
    rig:want(204, "POST", one .. "/endpoint/e/secret/rotate", "{}", key)
    assert.not_equal(secret, call("GET", one .. "/endpoint/e/secret").key)
    call("DELETE", one)
    rig:want(201, "POST", "/app", { name = "after", uid = one:match "[^/]+$" })
    local other, status = call("POST", one .. "/endpoint", { url = "https://example.com/2" }, key)
    assert.same({ 201, "https://example.com/2" }, { status, other.url })
    assert.not_equal(message.id, rig:publish(one, {}, key).id)
    assert.equal(2, #rig:arrived "/renamed")
  end)

  it("is shared by whoever asks for an application", function()
    local one, app = rig:application()
    local function bearer()
      return { Authorization = "Bearer " .. rig:want(201, "POST", "/token",
        { application = app.id, ttlSeconds = 60 }).token, ["Idempotency-Key"] = "whoever" }
    end
    local message = rig:publish(one, {}, { ["Idempotency-Key"] = "whoever" })
    assert.equal(message.id, rig:publish(one, {}, bearer()).id)
    assert.equal(message.id, rig:publish(one, {}, bearer()).id)
    local other = rig:application()
    assert.not_equal(message.id, rig:publish(other, {}, { ["Idempotency-Key"] = "whoever" }).id)
  end)

  it("brings the application with the first request, and finds it with the next", function()
    local body = { eventType = "a", payload = { a = 1 }, application = { name = "Brought", uid = "brought" } }
    local first = rig:want(202, "POST", "/app/brought/msg", body, { ["Idempotency-Key"] = "b" })
    assert.equal(first.id, rig:want(202, "POST", "/app/brought/msg", body, { ["Idempotency-Key"] = "b" }).id)
    body.eventType = 5
    assert.equal(first.id, rig:want(202, "POST", "/app/brought/msg", body, { ["Idempotency-Key"] = "b" }).id)
    assert.equal(1, #call("GET", "/app/brought/msg").data)
  end)
end)

describe("an idempotency key whose first request is under way", function()
  local server, call, disk

  before_each(function()
    server = Server.new { scripts = { ["main.lua"] = "" } }
    disk = Disk.new(server.state_dir)
    server.options.disk = disk
    server:restart()
    call = resources(server)
    call("POST", "/app", { name = "Acme", uid = "acme" })
  end)
  after_each(function() server:close() end)

  it("is 409, whatever the repeat says, and the first answer then, after a kill too", function()
    local key = { ["Idempotency-Key"] = "k" }
    local function post(body)
      local connection = http.open(server.admin_port, 20)
      connection:send(http.format { path = "/api/v1/app/acme/msg", body = body, headers = {
        Authorization = "Bearer " .. server.token, ["Content-Type"] = "application/json", ["Idempotency-Key"] = "k" } })
      return connection
    end
    local syncs = disk:get "syncs"
    disk:delay_syncs(2000)
    local first = post '{"eventType":"a","payload":{}}'
    wait.until_true("the first one's sync", 5000, function() return disk:get "syncs" > syncs end)
    for _, body in ipairs { '{"eventType":"a","payload":{}}', '{"eventType":"a"}', "none" } do
      local refused, status = call("POST", "/app/acme/msg", body, key)
      assert.same({ 409, "conflict" }, { status, refused.code }, body)
    end
    assert.equal(202, (select(2, call("POST", "/app/acme/msg", '{"eventType":"a","payload":{}}',
      { ["Idempotency-Key"] = "another" }))))
    local id = json.decode(assert(first:receive()).body).id
    first:close()
    disk:delay_syncs(0)
    server:kill()
    server:restart()
    for _, body in ipairs { '{"eventType":"a","payload":{}}', '{"eventType":"a"}', "none" } do
      assert.equal(id, (call("POST", "/app/acme/msg", body, key)).id, body)
    end
  end)
end)
