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

-- more: storedLast, settled, prevIterator, done of a list of events, newest first.
local function page(ids, more)
  local rows = {}
  for i, id in ipairs(ids) do rows[i] = { id = id } end
  local json = { data = rows, done = true, iterator = dkjson.null, storedLast = dkjson.null,
    prevIterator = rows[1] and "-" .. rows[1].id or dkjson.null, settled = FIRST }
  for name, value in pairs(more or {}) do json[name] = value end
  return { json = json }
end
local NONE = page {}

describe("following the list of events", function()
  local follower, got

  local function new(place)
    return follow.new({ options = { project = "." }, console = { explain = function() end },
      path = "/api/v1/event", first_id = FIRST, has_late = true, query = { { "source", "github" } } }, place)
  end

  before_each(function()
    fake.reset()
    got = {}
    follower = new { base = id_at(0), late = { base = id_at(0) } }
  end)

  -- What was asked for in a look.
  local function look(...)
    local before = #fake.requests
    fake.answers = { ... }
    follower:look(function(row) got[#got + 1] = row.id end)
    local queries = {}
    for i = before + 1, #fake.requests do queries[#queries + 1] = fake.requests[i].url:match "%?(.*)" end
    return queries
  end

  it("begins behind what is there, and waits with what the answer before said", function()
    follower = new()
    fake.answers = { page({ id_at(3) }, { prevIterator = "-" .. id_at(2) }),
      page({ id_at(6), id_at(1) }, { storedLast = id_at(5), settled = id_at(5) }) }
    assert.same({}, follower:begin(0))
    assert.matches("limit=1&late=true$", fake.requests[1].url)
    assert.same({ base = id_at(5), seen = { [id_at(6)] = true }, late = { base = id_at(2), seen = {} } },
      follower:place())
    assert.same({ "limit=250&late=false&iterator=-" .. id_at(5) .. "&source=github",
      "limit=250&late=true&iterator=-" .. id_at(2) .. "&source=github" },
      look(page({ id_at(6) }, { storedLast = id_at(6) }), NONE))
    assert.matches("&wait=25s&stored_last=" .. id_at(6) .. "&source=github$",
      look(page({ id_at(7) }, { storedLast = id_at(7) }), NONE)[1])
    assert.same({ id_at(7) }, got)
  end)

  it("gives the last ones first if it is to, each once", function()
    follower = new()
    fake.answers = { NONE, page({ id_at(9), id_at(8) }, { settled = id_at(4), storedLast = id_at(9),
      done = false, iterator = id_at(8) }), page { id_at(7), id_at(3) } }
    local rows = follower:begin(3)
    assert.same({ id_at(7), id_at(8), id_at(9) }, { rows[1].id, rows[2].id, rows[3].id })
    assert.same({ id_at(4), { [id_at(7)] = true, [id_at(8)] = true, [id_at(9)] = true } },
      { follower:place().base, follower:place().seen })
  end)

  it("begins without a look at all that was, where filters leave nothing", function()
    follower = new()
    fake.answers = { NONE, page({}, { settled = id_at(4), storedLast = id_at(9), done = false, iterator = id_at(6) }),
      page({}, { done = false, iterator = id_at(3) }) }
    assert.same({}, follower:begin(5))
    assert.equal(0, #fake.answers)
    assert.equal(id_at(4), follower:place().base)
  end)

  it("waits where there is no event at all", function()
    look(NONE, NONE)
    assert.matches("wait=25s&stored_last=" .. FIRST, look(NONE, NONE)[1], 1, true)
  end)

  it("stays before what may still come", function()
    look(page({ id_at(2) }, { settled = id_at(1) }), NONE)
    assert.equal(id_at(0), follower:place().base)
    look(page({ id_at(3), id_at(2), id_at(1) }, { settled = id_at(2) }), NONE)
    assert.same({ id_at(2), id_at(1), id_at(3) }, got)
    assert.same({ id_at(2), { [id_at(3)] = true } }, { follower:place().base, follower:place().seen })
  end)

  it("moves over what filters leave out, once it was there for long enough", function()
    look(page({}, { settled = id_at(1), storedLast = id_at(4) }), NONE)
    look(page({}, { settled = id_at(3), storedLast = id_at(9) }), NONE)
    assert.equal(id_at(0), follower:place().base)
    look(page({}, { settled = id_at(4), storedLast = id_at(12) }), NONE)
    assert.equal(id_at(4), follower:place().base)
  end)

  it("gives those that were stored late too, as they were stored", function()
    local first = page({ id_at(5), id_at(9) }, { prevIterator = "-" .. id_at(20), done = false })
    look(page({ id_at(30) }, { settled = id_at(30) }), first, page({ id_at(7) }, { prevIterator = "-" .. id_at(21) }))
    assert.same({ id_at(30), id_at(9), id_at(5), id_at(7) }, got)
    assert.same({ base = id_at(21), seen = {} }, follower:place().late)
  end)

  it("gives a row again that could not be dealt with, of those too, and does not wait before", function()
    follower.stored_last = id_at(0)
    local function look_until(bad, ...)
      fake.answers = { ... }
      follower:look(function(row)
        got[#got + 1] = row.id
        return row.id ~= bad
      end)
    end
    local late = page({ id_at(2), id_at(1) }, { prevIterator = "-" .. id_at(40) })
    look_until(id_at(12), page { id_at(12), id_at(11) })
    look_until(id_at(2), page({ id_at(12), id_at(11) }, { storedLast = id_at(12) }), late)
    assert.matches("stored_last=" .. id_at(0), fake.requests[2].url, 1, true)
    assert.same({ base = id_at(0), seen = { [id_at(1)] = true } }, follower:place().late)
    follower = new(follower:place())
    look(NONE, late)
    assert.same({ id_at(11), id_at(12), id_at(12), id_at(1), id_at(2), id_at(2) }, got)
  end)
end)

describe("following the list of attempts", function()
  setup(fake.reset)

  it("goes by their ids alone", function()
    local follower = follow.new { options = { project = "." }, console = { explain = function() end },
      path = "/api/v1/attempt", first_id = "atmpt_00000000000" }
    local one, two = "atmpt_00000000001", "atmpt_00000000002"
    local function attempts(ids)
      local answer = page(ids)
      answer.json.settled, answer.json.storedLast = nil, nil
      return answer
    end
    fake.answers = { attempts { one } }
    assert.same({}, follower:begin(0))
    local got = {}
    fake.answers = { attempts { two } }
    follower:look(function(row) got[#got + 1] = row.id end)
    assert.same({ { two }, two, {} }, { got, follower:place().base, follower:place().seen })
    assert.matches("?limit=250&iterator=-" .. one, fake.requests[#fake.requests].url, 1, true)
  end)
end)
