-- SPDX-License-Identifier: MIT
-- What is kept for a while and no longer, by a clock that passes the time: payloads, secrets that were
-- rotated, tokens. Nothing goes early, a restart changes nothing.
local Applications = require "support.applications"
local Clock = require "support.clock"
local files = require "support.files"
local sign = require "support.sign"
local wait = require "support.wait"

local DAY_S, HOUR_S = 86400, 3600
local settings = [[return { guard = { allow = { "127.0.0.0/8" } }, retention = "365d" }]]

describe("what is kept for a while", function()
  local rig, call, clock, dir, path

  before_each(function()
    dir = files.temp_dir()
    clock = Clock.new(dir)
    rig = Applications.start { env = clock:env(), settings = settings }
    call = rig.call
    path = rig:application()
  end)
  after_each(function()
    rig:close()
    files.remove(dir)
  end)

  local function restart()
    rig.server:stop()
    rig.server:restart()
  end

  it("are payloads, for as many days as their publisher says, and 90 if nothing is said", function()
    rig:endpoint(path, { uid = "ep" })
    local days = { 5, 90 }
    local messages = {}
    for i, count in ipairs(days) do
      messages[i] = rig:publish(path, { payloadRetentionPeriod = count < 90 and count or nil, payload = { a = count } })
    end
    rig:await("/ep", #days)
    local function shown(message) return call("GET", path .. "/msg/" .. message.id).payload end
    local function hold(passed)
      for i, count in ipairs(days) do
        if passed < count then
          assert.same({ a = count }, shown(messages[i]), count .. " after " .. passed)
        else
          wait.until_true("it is forgotten", 10000, function() return shown(messages[i]).expired end)
        end
      end
    end
    clock:sleep(5 * DAY_S - HOUR_S)
    hold(4)
    restart()
    clock:sleep(HOUR_S + 60)
    hold(5)
    -- It is known still, and cannot be sent again.
    local sent = call("GET", path .. "/endpoint/ep/msg").data
    assert.same({ { a = 90 }, { expired = true } }, { sent[1].payload, sent[2].payload })
    local resend = path .. "/msg/" .. messages[1].id .. "/endpoint/ep/resend"
    local refused, status = call("POST", resend, "{}")
    assert.same({ 400, "no_payload" }, { status, refused.code })
    clock:sleep(85 * DAY_S - 2 * HOUR_S)
    hold(89)
    restart()
    clock:sleep(2 * HOUR_S)
    hold(90)
    assert.equal(2, #call("GET", path .. "/msg").data)
  end)

  it("are secrets that were rotated: a day, or as long as is said", function()
    rig:endpoint(path, { uid = "ep" })
    local place = path .. "/endpoint/ep/secret"
    local function key() return call("GET", place).key end
    local keys = { key() }
    rig:want(204, "POST", place .. "/rotate", { gracePeriodSeconds = HOUR_S })
    keys[2] = key()
    rig:want(204, "POST", place .. "/rotate", "{}")
    keys[3] = key()
    local count = 0
    local function hold(...)
      count = count + 1
      local message = rig:publish(path)
      local record = rig:await("/ep", count)[count]
      local expected = {}
      for i, number in ipairs { ... } do
        expected[i] = sign.standard(keys[number], message.id, record.headers["webhook-timestamp"], record.body)
      end
      assert.equal(table.concat(expected, " "), record.headers["webhook-signature"])
    end
    hold(3, 2, 1)
    clock:sleep(HOUR_S - 60)
    hold(3, 2, 1)
    clock:sleep(60)
    hold(3, 2)
    restart()
    clock:sleep(23 * HOUR_S - 60)
    hold(3, 2)
    clock:sleep(60)
    hold(3)
  end)

  it("are tokens: a portal's seven days, others as long as is said", function()
    local uid = path:match "[^/]+$"
    local portal = rig:want(200, "POST", "/auth/app-portal-access/" .. uid, "{}").token
    local short = rig:want(201, "POST", "/token", { application = uid, ttlSeconds = HOUR_S }).token
    local function hold(token, status)
      assert.equal(status, (select(2, call("GET", path, nil, { Authorization = "Bearer " .. token }))))
    end
    clock:sleep(HOUR_S - 60)
    hold(short, 200)
    clock:sleep(60)
    hold(short, 401)
    hold(portal, 200)
    restart()
    hold(short, 401)
    clock:sleep(7 * DAY_S - HOUR_S - 60)
    hold(portal, 200)
    clock:sleep(60)
    hold(portal, 401)
    assert.same({}, call("GET", "/token").data)
  end)
end)
