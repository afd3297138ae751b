-- SPDX-License-Identifier: MIT
-- Lists of events that wait for more (core/api/wait.c), over real sockets, before a real store.
local admin = require "core.api_rig"
local http = require "support.http"
local json = require "dkjson"
local wait = require "support.wait"

local WAITS_MAX = 64
local rig, port, open_lines

local function last() return admin.get("/api/v1/event?limit=1").storedLast or "evt_00000000000" end

-- A request that is sent, and not answered yet.
local function ask(query)
  local line = http.open(port)
  open_lines[#open_lines + 1] = line
  line:send(http.format { method = "GET", path = "/api/v1/event?" .. query,
    headers = { Authorization = "Bearer " .. admin.TOKEN } })
  return line
end

local function page_of(line)
  local answer = assert(line:receive())
  return json.decode(answer.body), answer.status
end

local function assert_waits(line)
  line.line:settimeout(0.1)
  assert.same({ nil, "timeout" }, { line:receive() })
  line.line:settimeout(10)
end

local function ids(page)
  local list = {}
  for i, row in ipairs(page.data) do list[i] = row.id end
  return list
end

describe("a list of events that waits", function()
  before_each(function()
    open_lines = {}
    rig, port = admin.open { token = admin.TOKEN }
  end)
  after_each(function()
    for _, line in ipairs(open_lines) do line:close() end
    admin.close()
  end)

  it("is answered when an event is stored, also the first of all", function()
    local line = ask("wait=30s&stored_last=" .. last())
    assert_waits(line)
    local first = rig:ingest {}
    local page = page_of(line)
    assert.same({ { first }, first }, { ids(page), page.storedLast })
    local lines = { ask("wait=30s&source=stripe&iterator=-" .. first .. "&stored_last=" .. first),
      ask("wait=30s&iterator=-" .. first .. "&stored_last=" .. first) }
    assert_waits(lines[1])
    local second = rig:ingest { source = "github" }
    assert.same({}, ids(page_of(lines[1])))
    assert.same({ second }, ids(page_of(lines[2])))
  end)

  it("is answered at once to who has not seen the last one, or does not say so", function()
    local first = rig:ingest {}
    local second = rig:ingest {}
    assert.same({ second }, ids(page_of(ask("wait=30s&limit=1&stored_last=" .. first))))
    assert.same({ second }, ids(page_of(ask "wait=30s&limit=1")))
  end)

  it("is answered when time is up, as it is then", function()
    local first = rig:ingest {}
    local page, status = page_of(ask("wait=50ms&iterator=-" .. first .. "&stored_last=" .. first))
    assert.same({ 200, {}, first, true }, { status, page.data, page.storedLast, page.done })
  end)

  it("says up to where nothing else comes but what is late, and tells that apart", function()
    local first = rig:ingest {}
    local page = page_of(ask "late=false")
    assert.same({ first }, ids(page))
    assert.is_true(page.settled < first)
    assert.same({ {}, true }, { ids(page_of(ask "late=true")), page_of(ask "late=true").done })
    wait.until_true("it is settled", 5000, function() return page_of(ask "").settled >= first end)
  end)

  it("refuses what it cannot understand", function()
    local page, status = page_of(ask "wait=soon&stored_last=dlv_00000000000")
    assert.equal(422, status)
    local found = {}
    for _, row in ipairs(page.detail) do found[row.loc[2]] = row.msg end
    assert.matches("how long to wait", found.wait)
    assert.equal("not what this list gave as storedLast", found.stored_last)
    page, status = page_of(ask "late=maybe")
    assert.same({ 422, "late", "true or false is wanted" }, { status, page.detail[1].loc[2], page.detail[1].msg })
    page, status = page_of(ask "wait=1s&state=lost")
    assert.same({ 422, "state" }, { status, page.detail[1].loc[2] })
  end)

  it("waits for so many and no more, and forgets who leaves", function()
    local query = "wait=30s&stored_last=" .. last()
    for _ = 1, WAITS_MAX - 1 do ask(query) end
    assert_waits(ask(query))
    local body, status = page_of(ask(query))
    assert.same({ 503, "busy" }, { status, body.code })
    table.remove(open_lines, 1):close()
    wait.until_true("a place", 5000, function()
      local line = ask(query)
      line.line:settimeout(0.1)
      return select(2, line:receive()) == "timeout"
    end)
  end)

  it("is told when the server stops", function()
    local line = ask("wait=30s&stored_last=" .. last())
    assert_waits(line)
    rig:close()
    admin.forget()
    assert.equal(503, (select(2, page_of(line))))
  end)
end)
