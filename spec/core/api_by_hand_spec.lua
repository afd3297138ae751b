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
