-- SPDX-License-Identifier: MIT
-- The contract: what was published, where it went and how that went is found the same through every index,
-- in pages of any size, in both directions; and counted as it is there. Against plain loops over all rows.
local rig = require "store.rig"

local FIRST = 1 << 40 -- of registered endpoints
local ROUNDS = 60

return function(t)
  local run = t.run

  -- Messages of some types and channels, to one endpoint or two: their events.
  local function fill()
    local types, channels = { "a", "a.b", "b", "rare" }, { '["eu"]', '["eu","us"]', nil }
    local messages = {}
    for i = 1, ROUNDS do
      local type = types[i == ROUNDS // 2 and 4 or math.random(3)]
      local op = run("ingest", { source = "api", type = "api." .. type, body = "{}",
        published = { channels = channels[math.random(3)] } })
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

  local function check_counts()
    for endpoint = FIRST + 1, FIRST + 2 do
      local counted = run("count_sent", { endpoint = endpoint })
      local wanted = { [0] = 0, 0, 0, 0, 0 }
      for _, row in ipairs(t.sql("SELECT standing, count(*) FROM " .. STANDING .. " WHERE endpoint = " .. endpoint
        .. " GROUP BY standing")) do wanted[row[1]] = row[2] end
      local got = { [0] = counted.counts[0], counted.counts[1], counted.counts[2], counted.counts[3],
        counted.cancelled }
      assert.same(wanted, got)
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
      end
      check_published()
      check_tried()
    end)
  end)
end
