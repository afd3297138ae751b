-- SPDX-License-Identifier: MIT
-- The contract: what was published, where it went and how that went is found the same through every index,
-- in pages of any size, in both directions; and counted as it is there. Against plain loops over all rows.
local S = require "anzol_test.store"
local rig = require "store.rig"
local wait = require "support.wait"

local FIRST = 1 << 40 -- of registered endpoints
local ROUNDS = 60

return function(t)
  local run = t.run

  -- Messages of some types and channels, to one endpoint or two: their events.
  local at_ms
  local function fill()
    at_ms = 1800000000000
    local types, channels = { "a", "a.b", "b", "rare" }, { '["eu"]', '["eu","us"]', nil }
    local messages = {}
    for i = 1, ROUNDS do
      local type = types[i == ROUNDS // 2 and 4 or math.random(3)]
      local op = run("ingest", { source = "api", type = "api." .. type, body = "{}",
        published = { channels = channels[math.random(3)] } })
      at_ms = at_ms + math.random(0, 400000) -- beyond what is counted together, now and then
      S.clock_fake(at_ms)
      local to = { { endpoint = FIRST + 2 } }
      if math.random(4) > 1 then to[2] = { endpoint = FIRST + 1 } end
      run("handled", { event = op.id, subscriptions = {}, messages = { { type = type, ordinal = 255,
        is_forwarded = true, deliveries = to } } })
      messages[i] = op.id
    end
    return messages
  end

  local states = { "retrying", "succeeded", "dead", "cancelled" }
  local statuses = { 0, 200, 204, 301, 404, 410, 500, 503 }

  -- One attempt at each of some open deliveries.
  local function try()
    local open = t.sql "SELECT id, endpoint, attempts FROM delivery WHERE state < 3 ORDER BY id"
    for _, row in ipairs(open) do
      if math.random(4) > 1 then
        run("settle", { delivery = row[1], state = states[math.random(#states)], registered = row[2], due_ms = 5000,
          attempt = { number = row[3] + 1, status = statuses[math.random(#statuses)] } })
      end
    end
  end
  local function again(messages)
    for _ = 1, ROUNDS // 4 do
      run("change", { now_ms = 5, { verb = "replay", message = messages[math.random(#messages)] | 255 } })
    end
    for i, row in ipairs(t.sql "SELECT id FROM delivery WHERE state = 4 LIMIT 10") do
      run("change", { now_ms = 5, { verb = i % 2 == 0 and "retry" or "drop", delivery = row[1] } })
    end
  end

  -- All rows of a list, page by page; and the same from its end back.
  local function walk(kind, fields, rows_of)
    local function pages(backward)
      local rows, at = {}, nil
      for _ = 1, 500 do
        local query = { limit = 7, is_backward = backward, [backward and "after" or "before"] = at }
        for key, value in pairs(fields) do query[key] = value end
        local page = run(kind, query)
        for _, row in ipairs(page[rows_of]) do
          rows[#rows + 1], at = row.id, row.id
        end
        if page.is_end then return rows end
        assert.equal(7, #page[rows_of])
      end
      error "the list does not end"
    end
    local forward, back = pages(false), pages(true)
    local turned = {}
    for i = #back, 1, -1 do turned[#turned + 1] = back[i] end
    assert.same(forward, turned)
    return forward
  end
  local function plain(sql)
    local ids = {}
    for i, row in ipairs(t.sql(sql)) do ids[i] = row[1] end
    return ids
  end
  -- As the words of the API: 0 success, 1 pending, 2 failed, 3 to be tried again; 4 cancelled.
  local STANDING = "(SELECT endpoint, message, CASE WHEN max(state = 3) THEN 0 WHEN max(state = 1) THEN 3"
    .. " WHEN max(state = 0) THEN 1 WHEN max(state = 5) THEN 4 ELSE 2 END AS standing FROM delivery"
    .. " WHERE endpoint >= 1099511627776 GROUP BY endpoint, message)"

  -- A few at a time, as the API does it.
  local function count(endpoint, after, before)
    local sums, at = { [0] = 0, 0, 0, 0, 0 }, 0
    repeat
      local part = run("count_sent", { endpoint = endpoint, after = after, before = before, look_max = 3, next = at })
      for state = 0, 3 do sums[state] = sums[state] + part.counts[state] end
      sums[4], at = sums[4] + part.cancelled, part.next
    until part.is_end
    return sums
  end
  local function check_count(endpoint, after, before)
    local wanted = { [0] = 0, 0, 0, 0, 0 }
    for _, row in ipairs(t.sql(("SELECT standing, count(*) FROM %s WHERE endpoint = %d AND message > %d"
      .. " AND message < %d GROUP BY standing"):format(STANDING, endpoint, after | 255,
      before == 0 and math.maxinteger or before))) do wanted[row[1]] = row[2] end
    assert.same(wanted, count(endpoint, after, before))
  end
  local function check_counts()
    for endpoint = FIRST + 1, FIRST + 2 do
      local events = plain "SELECT id FROM event ORDER BY id"
      check_count(endpoint, 0, 0)
      for _ = 1, 8 do
        check_count(endpoint, events[math.random(#events)] - math.random(0, 1 << 42), 0)
        check_count(endpoint, 0, events[math.random(#events)] + math.random(0, 1 << 42))
        check_count(endpoint, events[math.random(#events)], events[math.random(#events)])
      end
    end
  end

  local function check_published()
    local of = " FROM published p JOIN event e ON e.id = p.id WHERE "
    local filters = {
      { {}, "1" },
      { { types = "rare" }, "e.type = 'api.rare'" },
      { { types = "a,b" }, "e.type IN ('api.a', 'api.b')" },
      { { types = "nothing" }, "0" },
      { { channel = "us" }, "p.channels LIKE '%us%'" },
      { { channel = "eu", types = "a,rare" }, "p.channels LIKE '%eu%' AND e.type IN ('api.a', 'api.rare')" },
    }
    for _, row in ipairs(filters) do
      assert.same(plain("SELECT p.id" .. of .. row[2] .. " ORDER BY p.id DESC"),
        walk("list_published", row[1], "published"), row[2])
      for _, state in ipairs { -1, 0, 1, 2, 3 } do
        local fields = { endpoint = FIRST + 1, state = state }
        for key, value in pairs(row[1]) do fields[key] = value end
        local wanted = state < 0 and "" or state == 2 and " AND s.standing IN (2, 4)" or " AND s.standing = " .. state
        assert.same(plain("SELECT p.id FROM published p JOIN event e ON e.id = p.id JOIN " .. STANDING
          .. " s ON s.message = p.id | 255 WHERE s.endpoint = " .. FIRST + 1 .. " AND " .. row[2] .. wanted
          .. " ORDER BY p.id DESC"), walk("list_sent", fields, "rows"), row[2] .. wanted)
      end
    end
  end

  local function check_tried()
    for _, state in ipairs { -1, 0, 2, 3 } do
      for class = -100, 500, 100 do
        local fields = { endpoint = FIRST + 2, state = state }
        local wanted = state < 0 and "1" or ({ [0] = "state = 3", [2] = "state > 3", [3] = "state < 3" })[state]
        if class >= 0 then
          fields.class_from, fields.class_to = class, class + 99
          wanted = wanted .. " AND status BETWEEN " .. class .. " AND " .. class + 99
        end
        assert.same(plain("SELECT id FROM attempt WHERE endpoint = " .. FIRST + 2 .. " AND " .. wanted
          .. " ORDER BY id DESC"), walk("list_tried", fields, "rows"), wanted)
      end
    end
  end

  describe("lists and counts", function()
    it("show what is there, whatever is asked for", function()
      t.sql("INSERT INTO endpoint(id, name, url, state) VALUES (1099511627777, 'ep_a', 'http://a/', 0),"
        .. " (1099511627778, 'ep_b', 'http://b/', 0)")
      math.randomseed(rig.seed "lists")
      local messages = fill()
      check_counts()
      for round = 1, 3 do
        try()
        check_counts()
        again(messages)
        check_counts()
        if round == 2 then t.reopen() end
        run("erase", { id = messages[math.random(#messages)], now_ms = 77 })
        run("clear", { endpoint = FIRST + 2, count_max = 3 })
        check_counts()
      end
      check_published()
      check_tried()
      for _, row in ipairs(t.sql "SELECT id, endpoint, attempts FROM delivery WHERE state < 3") do
        run("settle", { delivery = row[1], state = "succeeded", registered = row[2],
          attempt = { number = row[3] + 1, status = 200 } })
      end
      check_counts()
      t.store:retain { { before_ms = at_ms - 200000 * ROUNDS // 2 } }
      wait.until_true("the older go", 5000, function() return t.row_count "event" < ROUNDS end)
      check_counts()
      t.store:retain { { before_ms = at_ms + 1000 } }
      wait.until_true("all go", 5000, function() return t.row_count "event" == 0 end)
      assert.equal(0, t.row_count "sent_count")
    end)
  end)
end
