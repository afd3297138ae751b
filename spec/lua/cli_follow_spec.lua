-- SPDX-License-Identifier: MIT
-- Following the list of events (lua/anzol/cli/follow.lua) over a faked server: what it asks for, and
-- where its place is.
local dkjson = require "dkjson"
local fake = require "support.fake_server"
local follow = require "anzol.cli.follow"

setup(fake.open)
teardown(fake.close)

local DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local FIRST = "evt_00000000000"

-- The id of an event that came so many milliseconds after a time.
local function id_at(ms)
  local number, text = 1000000000 + ms << 22, ""
  for _ = 1, 11 do
    local digit = number % 62
    number, text = number // 62, DIGITS:sub(digit + 1, digit + 1) .. text
  end
  return "evt_" .. text
end

local function page(stored_last, ids, is_end)
  local rows = {}
  for i, id in ipairs(ids) do rows[i] = { id = id } end
  return { json = { data = rows, done = is_end ~= false, iterator = dkjson.null,
    prevIterator = rows[1] and "-" .. rows[1].id or dkjson.null, storedLast = stored_last } }
end

describe("following the list of events", function()
  local follower, now, got

  before_each(function()
    fake.reset()
    now, got = 0, {}
    fake.native.mono_ms = function() return now end
    follower = follow.new({ options = { project = "." }, console = { explain = function() end }, path = "/api/v1/event",
      first_id = FIRST, settle_ms = 30000, query = { { "source", "github" } } })
  end)

  local function look(...)
    fake.answers = { ... }
    follower:look(function(row) got[#got + 1] = row.id end)
    return fake.requests[#fake.requests].url:match "%?(.*)"
  end

  it("begins behind what was stored last, and waits with what the answer before said", function()
    fake.answers = { page(id_at(5), { id_at(1) }) }
    assert.same({}, follower:begin(0))
    assert.equal(id_at(5), follower.base)
    assert.equal("limit=250&iterator=-" .. id_at(5) .. "&source=github", look(page(id_at(6), {})))
    local query = look(page(id_at(7), { id_at(7) }))
    assert.matches("&wait=25s&stored_last=" .. id_at(6) .. "&source=github$", query)
    assert.same({ id_at(7) }, got)
    look(page(id_at(8), { id_at(8), id_at(7) }, false), page(id_at(9), { id_at(9) }))
    assert.same({ id_at(7), id_at(8), id_at(9) }, got)
    assert.is_nil(fake.requests[#fake.requests].url:find("wait", 1, true))
    assert.matches("stored_last=" .. id_at(8), look(page(id_at(9), {})), 1, true)
  end)

  it("waits where there is no event at all", function()
    fake.answers = { page(dkjson.null, {}) }
    follower:begin(0)
    look(page(dkjson.null, {}))
    assert.matches("wait=25s&stored_last=" .. FIRST, look(page(dkjson.null, {})), 1, true)
  end)

  it("stays before what may still come: for so long after it saw it", function()
    follower.base = id_at(0)
    look(page(id_at(2), { id_at(2) }))
    now = 29999
    look(page(id_at(3), { id_at(3), id_at(2), id_at(1) }))
    assert.same({ id_at(2), id_at(1), id_at(3) }, got)
    assert.equal(id_at(0), follower.base)
    now = 30000
    look(page(id_at(3), { id_at(3), id_at(2), id_at(1) }))
    assert.equal(id_at(2), follower.base)
    assert.same({ [id_at(3)] = true }, follower.seen)
    assert.equal(3, #got)
  end)

  it("moves at once to what is by so much older than what was stored: a backlog", function()
    follower.base = id_at(0)
    look(page(id_at(40000), { id_at(10001), id_at(10000), id_at(1) }))
    assert.same({ id_at(10000), { [id_at(10001)] = true } }, { follower.base, follower.seen })
  end)

  it("gives a row again that could not be dealt with, and does not wait before", function()
    follower.base, follower.stored_last = id_at(0), id_at(0)
    fake.answers = { page(id_at(2), { id_at(2), id_at(1) }) }
    follower:look(function(row)
      got[#got + 1] = row.id
      return row.id ~= id_at(2)
    end)
    local query = look(page(id_at(2), { id_at(2), id_at(1) }))
    assert.matches("stored_last=" .. id_at(0), query, 1, true)
    assert.same({ id_at(1), id_at(2), id_at(2) }, got)
  end)
end)
