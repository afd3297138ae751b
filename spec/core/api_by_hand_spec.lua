-- SPDX-License-Identifier: MIT
-- What the admin listener (core/api) offers to operators: changes by hand, the log of attempts.
local admin = require "core.api_rig"

local TOKEN, get, post = admin.TOKEN, admin.get, admin.post
local rig

local function open(options) rig = admin.open(options) end

describe("a change by hand", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  local function dead_delivery()
    local event = rig:ingest {}
    local id = rig:handle(event, { endpoint = rig:endpoint("crm", "http://x/") })
    rig:settle(id, { state = "dead", status = 500, reason = "six tries" })
    return id
  end

  it("answers with the new state, and 409 when the state does not allow it", function()
    local id = dead_delivery()
    local body, status = post("/api/v1/delivery/" .. id .. "/retry")
    assert.same({ 200, { id = id, state = "pending" } }, { status, body })
    body, status = post("/api/v1/delivery/" .. id .. "/drop")
    assert.same({ 409, "state" }, { status, body.code })
    assert.matches("the delivery is pending", body.detail, 1, true)
  end)

  it("keeps the reason that is given, of 256 bytes and no more", function()
    local id = dead_delivery()
    local path = "/api/v1/delivery/" .. id .. "/drop?reason="
    assert.equal(422, (select(2, post(path .. ("x"):rep(257)))))
    assert.equal(200, (select(2, post(path .. ("x"):rep(256)))))
    assert.equal(256, #get("/api/v1/delivery/" .. id).reason)
  end)

  it("is of the run of one subscription, or of all that died", function()
    local event = rig:ingest {}
    rig:fail(event, { error = "boom" })
    assert.equal(409, (select(2, post("/api/v1/event/" .. event .. "/retry?subscription=no"))))
    local body, status = post("/api/v1/event/" .. event .. "/retry?subscription=sub")
    assert.same({ 200, { id = event, state = "pending" } }, { status, body })
    rig:fail(event, { error = "boom" })
    body, status = post("/api/v1/event/" .. event .. "/drop")
    assert.same({ 200, { id = event, state = "skipped" } }, { status, body })
    assert.equal("dropped by an operator", get("/api/v1/event/" .. event).runs[1].error)
  end)

  it("knows its parameters, its ids and its method", function()
    local body, status = post "/api/v1/delivery/dlv_00000000001/retry?resaon=x"
    assert.equal(422, status)
    assert.same({ "query", "resaon" }, body.detail[1].loc)
    assert.equal(404, (select(2, post "/api/v1/delivery/dlv_00000000001/retry")))
    assert.equal(404, (select(2, post "/api/v1/delivery/evt_00000000001/retry")))
    assert.equal(404, (select(2, post "/api/v1/delivery/dlv_00000000001/revive")))
    local _, code, headers = get "/api/v1/delivery/dlv_00000000001/retry"
    assert.same({ 405, "POST" }, { code, headers.allow })
  end)
end)

describe("the log of attempts", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  it("is filtered by endpoint, status, error, state and time", function()
    local crm = rig:handle(rig:ingest {}, { endpoint = rig:endpoint("crm", "http://x/") })
    local other = rig:handle(rig:ingest {}, { endpoint = rig:endpoint("other", "http://y/") })
    rig:settle(crm, { state = "retrying", due_ms = 1772438400000, status = 503, body = "busy" })
    rig:settle(other, { state = "dead", error = 1, detail = "no answer in time" })
    local function outcomes(query)
      local list = {}
      for i, row in ipairs(get("/api/v1/attempt" .. query).data) do
        list[i] = row.endpoint .. " " .. tostring(row.error or row.status)
      end
      return list
    end
    assert.same({ "other timeout", "crm 503" }, outcomes "")
    assert.same({ "crm 503" }, outcomes "?endpoint=crm")
    assert.same({ "crm 503" }, outcomes "?status=5xx")
    assert.same({ "crm 503" }, outcomes "?status=503")
    assert.same({}, outcomes "?status=4xx")
    assert.same({ "other timeout" }, outcomes "?error=timeout")
    assert.same({ "other timeout" }, outcomes "?state=dead&since=2020-01-01T00:00:00Z")
    assert.same({}, outcomes "?until=1")
    local page = get "/api/v1/attempt?limit=1"
    assert.equal("crm", get("/api/v1/attempt?iterator=" .. page.iterator).data[1].endpoint)
    local id = get("/api/v1/attempt?endpoint=crm").data[1].id
    local row = get("/api/v1/attempt/" .. id)
    assert.same({ id, crm, "busy", "2026-03-02T08:00:00.000Z" },
      { row.id, row.deliveryId, row.responseBody, row.nextAttemptAt })
    assert.is_nil(get("/api/v1/attempt").data[1].responseBody)
    assert.equal(422, (select(2, get "/api/v1/attempt?status=600")))
    assert.equal(422, (select(2, get "/api/v1/attempt?error=bad")))
    assert.equal(404, (select(2, get "/api/v1/attempt/atmpt_00000000001")))
  end)
end)

describe("a dry run", function()
  before_each(function() open { token = TOKEN } end)
  after_each(admin.close)

  it("counts what filters choose, from an iterator on, and makes no task", function()
    local endpoint, ids = rig:endpoint("crm", "http://x/"), {}
    for i = 1, 7 do
      local event = rig:ingest {}
      ids[i] = rig:handle(event, { endpoint = endpoint })
      if i > 1 then rig:settle(ids[i], { state = "dead", status = 500, reason = "six tries" }) end
    end
    local body = post "/api/v1/endpoint/crm/recover?dryRun=true"
    assert.same({ 6, 5, true }, { body.matched, #body.sample, body.done })
    assert.same({ id = ids[2], type = body.sample[1].type, state = "dead" }, body.sample[1])
    assert.equal(7, (post "/api/v1/replay?dryRun=true&kind=event").matched)
    assert.equal(7, (post "/api/v1/replay?dryRun=true&endpoint=crm").matched)
    assert.equal(0, (post "/api/v1/replay?dryRun=true&endpoint=none").matched)
    assert.equal(6, (post "/api/v1/dead-letter/drop?dryRun=true&kind=delivery&contains=tries").matched)
    local rest = post("/api/v1/endpoint/crm/recover?dryRun=true&iterator=" .. ids[4])
    assert.same({ 3, ids[5] }, { rest.matched, rest.sample[1].id })
    assert.equal(0, #get("/api/v1/task").data)
  end)

  it("is of filters, and an iterator is of it", function()
    local function refusal(query)
      local body, status = post("/api/v1/replay?" .. query)
      return { status, body.code }
    end
    assert.same({ 422, "dryRun" }, refusal "dryRun=true&ids=dlv_00000000001")
    assert.same({ 422, "iterator" }, refusal "type=a&iterator=evt_00000000001")
    assert.same({ 422, "iterator" }, refusal "type=a&dryRun=true&iterator=dlv_00000000001")
    assert.equal(422, refusal("type=a&dryRun=yes")[1])
  end)
end)
