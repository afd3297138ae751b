-- SPDX-License-Identifier: MIT
-- The contract: what is registered over the API is made, changed, listed and deleted by version, and
-- a request that is repeated writes nothing.
return function(t)
  local run = t.run

  local function put(fields)
    local all = { kind = "application", body = "{}", now_ms = 1000 }
    for key, value in pairs(fields or {}) do all[key] = value end
    return run("resource", all)
  end
  local function list(fields)
    local all = { kind = "application" }
    for key, value in pairs(fields or {}) do all[key] = value end
    return run("list_resources", all)
  end
  local function uids(page)
    local names = {}
    for i, row in ipairs(page.resources) do names[i] = row.uid end
    return table.concat(names, " ")
  end

  describe("a resource", function()
    it("is there with its id, version and times, after a restart too", function()
      local made = put { uid = "acme", body = '{"name":"Acme"}' }
      assert.equal("ok", made.status)
      local wanted = { { id = made.id, uid = "acme", is_archived = false, version = 1,
        body = '{"name":"Acme"}', created_ms = 1000, updated_ms = 1000 } }
      assert.same(wanted, list().resources)
      t.reopen()
      assert.same(wanted, list().resources)
      assert.same(wanted, list { only = made.id }.resources)
      assert.same(wanted, list { only_uid = "acme" }.resources)
    end)

    it("has a uid that no other of its kind and owner has", function()
      put { uid = "acme" }
      local op = put { uid = "acme" }
      assert.equal("conflict", op.status)
      assert.is_true(op.is_taken)
      assert.equal("ok", put { uid = "acme", kind = "event_type" }.status)
      assert.equal("ok", put { uid = "acme", owner = 7 }.status)
      assert.equal("ok", put().status)
      assert.equal("ok", put().status)
      assert.equal(5, t.row_count "resource")
    end)

    it("changes as a whole, from the version that it has", function()
      local made = put { uid = "acme" }
      local op = put { id = made.id, version = 1, body = '{"a":1}', now_ms = 2000 }
      assert.equal("ok", op.status)
      assert.equal(2, op.version)
      local row = list().resources[1]
      assert.same({ made.id, nil, '{"a":1}', 1000, 2000, 2 },
        { row.id, row.uid, row.body, row.created_ms, row.updated_ms, row.version })
      local late = put { id = made.id, version = 1, body = '{"a":2}' }
      assert.equal("conflict", late.status)
      assert.is_false(late.is_taken)
      assert.equal('{"a":1}', list().resources[1].body)
    end)

    it("keeps its own uid, and does not get another's", function()
      local made = put { uid = "one" }
      put { uid = "two" }
      assert.equal("ok", put { id = made.id, version = 1, uid = "one" }.status)
      local op = put { id = made.id, version = 2, uid = "two" }
      assert.equal("conflict", op.status)
      assert.is_true(op.is_taken)
    end)

    it("frees its uid when it goes", function()
      local made = put { uid = "acme" }
      assert.equal("ok", put { id = made.id, is_removal = true }.status)
      assert.equal("notfound", put { id = made.id, is_removal = true }.status)
      assert.equal("notfound", put { id = made.id, version = 1 }.status)
      assert.equal("notfound", list { only_uid = "acme", only = made.id }.status)
      assert.equal("ok", put { uid = "acme" }.status)
    end)

    it("is found by id before it is by another's uid", function()
      local made = put { uid = "one" }
      put { uid = "two" }
      assert.equal("one", uids(list { only = made.id, only_uid = "two" }))
      assert.equal("two", uids(list { only = 12345, only_uid = "two" }))
    end)

    it("is made once by those who bring the same key, for twelve hours", function()
      local key, half_day_ms = ("k"):rep(32), 12 * 3600 * 1000
      local made = put { uid = "acme", body = "[1]", key = key }
      put { id = made.id, version = 1, body = "[2]" }
      local op = put { uid = "other", body = "[3]", key = key, now_ms = 1000 + half_day_ms - 1 }
      assert.equal("ok", op.status)
      assert.is_true(op.is_repeat)
      assert.same({ made.id, "acme", "[1]", 1 }, { op.id, op.uid, op.body, op.version })
      assert.equal(1, t.row_count "resource")
      local function kept(now_ms) return run("list_resources", { kind = "application", answer_key = key,
        answered_ms = now_ms }) end
      assert.equal("[1]", kept(999 + half_day_ms).resources[1].body)
      assert.equal("notfound", kept(1000 + half_day_ms).status)
      local later = put { uid = "other", key = key, now_ms = 1000 + half_day_ms }
      assert.is_false(later.is_repeat)
      assert.equal(2, t.row_count "resource")
      assert.equal(1, t.row_count "answer")
    end)

    it("leaves no answer of what was refused", function()
      put { uid = "acme" }
      local key = ("k"):rep(32)
      assert.equal("conflict", put { uid = "acme", key = key }.status)
      assert.equal(0, t.row_count "answer")
    end)
  end)

  describe("a list of resources", function()
    before_each(function()
      for _, uid in ipairs { "b", "d", "a", "c" } do
        put { uid = uid, is_archived = uid == "d" }
      end
      put { uid = "z", owner = 9 }
    end)

    it("goes by id or by uid, both ways", function()
      assert.equal("b a c", uids(list()))
      assert.equal("c a b", uids(list { is_down = true }))
      assert.equal("a b c", uids(list { is_by_uid = true }))
      assert.equal("c b a", uids(list { is_by_uid = true, is_down = true }))
      assert.equal("a b c d", uids(list { is_by_uid = true, with_archived = true }))
      assert.equal("z", uids(list { owner = 9 }))
    end)

    it("goes on behind any place, and knows its end", function()
      local page = list { limit = 2 }
      assert.is_false(page.is_end)
      page = list { limit = 2, behind = page.resources[2].id }
      assert.equal("c", uids(page))
      assert.is_true(page.is_end)
      page = list { is_by_uid = true, is_down = true, behind_uid = "c", limit = 2 }
      assert.equal("b a", uids(page))
      assert.is_true(page.is_end)
      assert.equal("c", uids(list { is_by_uid = true, behind_uid = "bb" }))
    end)
  end)
end
