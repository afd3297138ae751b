-- SPDX-License-Identifier: MIT
-- The contract: an endpoint that an application registered has its row among all endpoints, which is
-- made, changed and disabled in the commit of its resource, whoever asks.
return function(t)
  local run = t.run

  local function application()
    return run("resource", { kind = "application", body = "{}", now_ms = 1 }).id
  end
  local function put(owner, fields)
    local all = { kind = "endpoint", owner = owner, now_ms = 1000,
      body = '{"url":"http://a/","disabled":false}', endpoint = { url = "http://a/" } }
    for key, value in pairs(fields or {}) do all[key] = value end
    return run("resource", all)
  end
  local function rows()
    return t.sql "SELECT id, name, url, state, reason FROM endpoint ORDER BY id"
  end
  local function body(id)
    return t.sql("SELECT body, version FROM resource WHERE id = " .. id)[1]
  end
  local function name_of(id)
    return t.sql("SELECT name FROM endpoint WHERE id = " .. id)[1][1]
  end

  describe("an endpoint that an application registered", function()
    it("has its row, named by its id, apart from those that scripts register", function()
      local acme = application()
      local one = put(acme)
      local two = put(acme, { endpoint = { url = "http://b/", is_disabled = true } })
      assert.same({ "ok", "enabled" }, { one.status, one.state })
      assert.equal("disabled", two.state)
      assert.equal(1, t.endpoint "crm")
      assert.equal(2, t.endpoint "billing")
      local all = rows()
      assert.same({ one.id, "http://a/", 0 }, { all[3][1], all[3][3], all[3][4] })
      assert.same({ two.id, "http://b/", 1 }, { all[4][1], all[4][3], all[4][4] })
      assert.matches("^ep_" .. ("%w"):rep(11) .. "$", all[3][2])
      assert.is_true(one.id > 1 << 40)
    end)

    it("is owned by workers in turn", function()
      local acme = application()
      local seen = {}
      for _ = 1, 8 do seen[put(acme).id & 7] = true end
      local count = 0
      for _ in pairs(seen) do count = count + 1 end
      assert.equal(8, count)
    end)

    it("is listed with its owner, its standing and its secrets, whoever owns it", function()
      local acme, globex = application(), application()
      local one = put(acme, { secrets = { { kind = "key", text = "whsec_1" } } })
      local two = put(globex, { endpoint = { url = "http://b/", is_disabled = true } })
      t.reopen()
      local page = run("list_resources", { kind = "endpoint", is_everyones = true, secrets_ms = 1 })
      assert.is_true(page.is_end)
      local first, second = page.resources[1], page.resources[2]
      assert.same({ one.id, acme, "enabled", "whsec_1" },
        { first.id, first.owner, first.state, first.secrets[1].text })
      assert.same({ two.id, globex, "disabled" }, { second.id, second.owner, second.state })
      page = run("list_resources", { kind = "endpoint", is_everyones = true, only = two.id })
      assert.same({ 1, two.id }, { #page.resources, page.resources[1].id })
      page = run("list_resources", { kind = "endpoint", is_everyones = true, only = two.id - 1 })
      assert.equal("notfound", page.status)
      page = run("list_resources", { kind = "endpoint", is_everyones = true, limit = 1 })
      assert.is_false(page.is_end)
      page = run("list_resources", { kind = "endpoint", is_everyones = true, behind = one.id })
      assert.same({ 1, two.id }, { #page.resources, page.resources[1].id })
    end)

    it("is disabled and enabled by its fields, and stays paused", function()
      local one = put(application())
      local name = name_of(one.id)
      local op = put(nil, { id = one.id, version = 1, endpoint = { url = "http://b/", is_disabled = true } })
      assert.equal("disabled", op.state)
      assert.same({ one.id, name, "http://b/", 1 }, rows()[1])
      assert.equal("enabled", put(nil, { id = one.id, version = 2 }).state)
      run("endpoint", { name = name, state = "paused", reason = "by hand" })
      op = put(nil, { id = one.id, version = 4 })
      assert.equal("paused", op.state)
      assert.equal("by hand", rows()[1][5])
    end)

    it("says so in its resource when it is disabled by its name", function()
      local one = put(application())
      local name = name_of(one.id)
      run("endpoint", { name = name, state = "disabled", reason = "410" })
      assert.same({ '{"url":"http://a/","disabled":true}', 2 }, body(one.id))
      assert.equal("conflict", put(nil, { id = one.id, version = 1 }).status)
      run("endpoint", { name = name, state = "enabled" })
      assert.same({ '{"url":"http://a/","disabled":false}', 3 }, body(one.id))
    end)

    it("needs the event types that it names", function()
      run("resource", { kind = "event_type", uid = "user.made", body = "{}", now_ms = 1 })
      local acme = application()
      local types = { "user.made", "user.gone" }
      local op = put(acme, { endpoint = { url = "http://a/", types = types } })
      assert.same({ "invalid", 1, 0 }, { op.status, op.missing_type, t.row_count "endpoint" })
      types[2] = nil
      assert.equal("ok", put(acme, { endpoint = { url = "http://a/", types = types } }).status)
    end)

    it("needs its application", function()
      local acme = application()
      run("resource", { kind = "application", id = acme, is_removal = true })
      assert.equal("notfound", put(acme).status)
      assert.equal(0, t.row_count "endpoint")
    end)

    it("leaves its row when it goes, and nobody enables that", function()
      local one = put(application(), { secrets = { { kind = "key", text = "whsec_1" } } })
      local name = name_of(one.id)
      assert.equal("ok", run("resource", { kind = "endpoint", id = one.id, is_removal = true }).status)
      assert.same({ one.id, name, "http://a/", 1, "the endpoint was deleted" }, rows()[1])
      assert.equal(0, t.row_count "secret")
      assert.equal("notfound", run("endpoint", { name = name, state = "enabled" }).status)
      assert.equal(1, rows()[1][4])
    end)

    it("goes with its application, others stay", function()
      local acme, globex = application(), application()
      put(acme)
      put(acme)
      local other = put(globex)
      run("resource", { kind = "application", id = acme, is_removal = true })
      assert.equal(2, t.row_count "resource")
      assert.same({ { other.id } }, t.sql "SELECT id FROM endpoint WHERE state = 0")
    end)

    -- What was told, in the order of the events: type and body; the first two of their rows elsewhere.
    local function told()
      local all = {}
      for _, row in ipairs(t.sql("SELECT e.type, c.body, p.application, d.due_ms FROM event e JOIN content c USING (id)"
        .. " JOIN published p USING (id) JOIN event_due d USING (id) ORDER BY e.id")) do
        all[#all + 1] = ("%s %s for %d at %d"):format(table.unpack(row))
      end
      return all
    end

    it("is told of in the commit of its change, and each in that of its application's end", function()
      local acme = application()
      local one = put(acme, { uid = "one", tells = 7 })
      assert.equal(1, one.told_count)
      put(acme, { id = one.id, version = 1, uid = "one", tells = 7 })
      assert.equal("conflict", put(acme, { id = one.id, version = 1, tells = 7 }).status)
      put(acme)
      local changed = run("resource", { kind = "application", id = acme, version = 1, body = "{}", tells = 7 })
      assert.same({ "ok", 0 }, { changed.status, changed.told_count })
      local gone = run("resource", { kind = "application", id = acme, is_removal = true, tells = 7 })
      assert.equal(2, gone.told_count)
      local of = " " .. acme .. " "
      assert.same({ "put 1" .. of .. "one for 7 at 0", "put 2" .. of .. "one for 7 at 0",
        "removed 0" .. of .. "one for 7 at 0", "removed 0" .. of .. "- for 7 at 0" }, told())
    end)

    it("is told of once when it goes alone, and not when that was asked for again", function()
      local one = put(application(), { uid = "one" })
      local removal = { kind = "endpoint", id = one.id, owner = 5, uid = "one", is_removal = true, tells = 7 }
      assert.equal(1, run("resource", removal).told_count)
      assert.equal(0, run("resource", removal).told_count)
      assert.same({ "removed 0 5 one for 7 at 0" }, told())
    end)

    it("has its deliveries cancelled, but for those that are held or over", function()
      local one = put(application())
      local due = t.delivery { endpoint = one.id, due_ms = 5 }
      local later = t.delivery { endpoint = one.id, due_ms = 1 << 40 }
      local held = t.delivery { endpoint = one.id }
      local over = t.delivery { endpoint = one.id }
      t.settle(over, "succeeded")
      local other = t.delivery { endpoint = 4, due_ms = 5 }
      assert.equal(1, run("clear", { endpoint = one.id, count_max = 1 }).cleared_count)
      assert.equal(1, run("clear", { endpoint = one.id, count_max = 2 }).cleared_count)
      assert.equal(0, run("clear", { endpoint = one.id, count_max = 2 }).cleared_count)
      local kept = {}
      for _, row in ipairs(t.sql "SELECT id, state, due_ms, reason FROM delivery") do kept[row[1]] = row end
      for _, id in ipairs { due, later } do
        assert.same({ id, 5, nil, "the endpoint was deleted" }, { table.unpack(kept[id], 1, 4) })
      end
      assert.same({ 0, 3, 0 }, { kept[held][2], kept[over][2], kept[other][2] })
    end)
  end)
end
