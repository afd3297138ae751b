-- SPDX-License-Identifier: MIT
-- The pages of every list of the protocol, with every filter: whatever their size they show what the whole
-- list shows, in its order, both ways, and while rows come and go.
local Applications = require "support.applications"
local wait = require "support.wait"

local ROWS = 17
local LIMITS = { 1, 2, 5, 16, 17, 18 }

-- Below the application but where it begins with a "/". How many rows it has then.
local lists = {
  ["/app"] = ROWS + 1, ["/app?order=descending"] = ROWS + 1, -- and that of the scripts
  ["/event-type"] = ROWS, ["/event-type?order=descending"] = ROWS,
  endpoint = ROWS, ["endpoint?order=ascending"] = ROWS,
  msg = ROWS, ["msg?event_types=odd"] = 9, ["msg?channel=third"] = 5, ["msg?channel=third&event_types=even"] = 2,
  ["attempt/endpoint/e3"] = ROWS, ["attempt/endpoint/e3?event_types=even"] = 8,
  ["attempt/endpoint/e3?channel=third"] = 5, ["attempt/endpoint/e3?status=0&status_code_class=200"] = ROWS,
  ["attempt/msg/m5"] = ROWS, ["attempt/msg/m5?status=0"] = ROWS, ["attempt/msg/m5?endpoint_id=e3"] = 1,
  ["endpoint/e3/msg"] = ROWS, ["endpoint/e3/msg?status=0&event_types=even"] = 8, ["endpoint/e3/msg?channel=third"] = 5,
  ["msg/m5/endpoint"] = ROWS,
}

describe("the pages of a list", function()
  local rig, call, path

  lazy_setup(function()
    rig = Applications.start()
    call = rig.call
    path = rig:application()
    for _ = 2, ROWS do rig:application() end
    for i = 1, ROWS do
      rig:want(201, "POST", "/event-type", { name = "type." .. i, description = "" })
      rig:endpoint(path, { uid = "e" .. i })
    end
    for i = 1, ROWS do
      rig:publish(path, { eventId = "m" .. i, eventType = i % 2 == 0 and "even" or "odd",
        channels = i % 3 == 0 and { "third" } or nil })
    end
    wait.until_true("all are sent", 20000, function()
      return #call("GET", "/event?state=pending").data == 0 and #call("GET", "/delivery?state=pending").data == 0
    end)
  end)
  lazy_teardown(function() rig:close() end)

  local function id_of(row) return row.id or row.name end
  local function whole_of(list) return list:sub(1, 1) == "/" and list or path .. "/" .. list end
  local function page_of(list, limit, iterator)
    local whole = whole_of(list)
    local page, status = call("GET", whole .. (whole:find "?" and "&" or "?") .. "limit=" .. limit
      .. (iterator and "&iterator=" .. iterator or ""))
    assert.equal(200, status)
    assert.is_true(#page.data <= limit)
    local ids = {}
    for i, row in ipairs(page.data) do ids[i] = id_of(row) end
    return ids, page
  end

  -- All rows from an iterator on, page by page; between(ids): what is done after each page.
  local function walk(list, limit, iterator, between)
    local all, is_back = {}, iterator and iterator:sub(1, 1) == "-"
    for _ = 1, 4 * ROWS do
      local ids, page = page_of(list, limit, iterator)
      if is_back then
        table.move(all, 1, #all, #ids + 1)
        table.move(ids, 1, #ids, 1, all)
      else
        table.move(ids, 1, #ids, #all + 1, all)
      end
      if page.done then return all end
      if between then between(ids) end
      iterator = is_back and page.prevIterator or page.iterator
    end
    error(list .. " does not end")
  end

  for list, count in pairs(lists) do
    it("show what it has, both ways: " .. list, function()
      local whole = page_of(list, 250)
      assert.equal(count, #whole)
      for _, limit in ipairs(LIMITS) do
        assert.same(whole, walk(list, limit))
        assert.same({ table.unpack(whole, 1, count - 1) }, walk(list, limit, "-" .. whole[count]))
        assert.same({ table.unpack(whole, 2) }, walk(list, limit, whole[1]))
      end
    end)
  end

  -- Those of which rows can be deleted: how, and how one is made.
  local churned = {
    ["/app"] = { "/app/", function() return rig:want(201, "POST", "/app", { name = "new" }) end },
    ["/event-type"] = { "/event-type/", function(i)
      return rig:want(201, "POST", "/event-type", { name = "new." .. i, description = "" })
    end, "?expunge=true" },
    endpoint = { "endpoint/", function() return rig:endpoint(path, { url = "https://example.com/" }) end },
  }

  for list, churn in pairs(churned) do
    it("go on where one was that is gone, while others come: " .. list, function()
      local own = {}
      for i = 1, 12 do own[i] = id_of(churn[2](i)) end
      local kept = {}
      for _, id in ipairs(page_of(list, 250)) do kept[id] = true end
      local serial = 100
      local shown = walk(list, 3, nil, function(ids)
        for _, id in ipairs(own) do
          if id == ids[#ids] then -- the iterator's own
            rig:want(204, "DELETE", whole_of(churn[1]) .. id .. (churn[3] or ""))
          end
        end
        serial = serial + 1
        churn[2](serial)
      end)
      local seen = {}
      for _, id in ipairs(shown) do
        assert.is_nil(seen[id], id)
        seen[id] = true
      end
      for id in pairs(kept) do assert.is_true(seen[id], id) end
    end)
  end
end)
