-- SPDX-License-Identifier: MIT
-- The contract: tokens of the API are found by the hash of their text until they end, by time, by hand
-- or with their application.
return function(t)
  local run = t.run

  local function hash(letter) return letter:rep(32) end
  local function mint(fields)
    local all = { application = 7, scope = "portal", hash = hash "a", expires_ms = 5000, now_ms = 1000 }
    for key, value in pairs(fields or {}) do all[key] = value end
    return run("token", all)
  end
  local function find(letter, now_ms)
    return run("list_tokens", { only = hash(letter), now_ms = now_ms or 1000 })
  end
  local function labels(fields)
    local page = run("list_tokens", fields)
    local names = {}
    for i, row in ipairs(page.tokens) do names[i] = row.label end
    return table.concat(names, " "), page.is_end
  end

  describe("a token", function()
    it("is found by its hash, with all that it is, after a restart too", function()
      local made = mint { label = "billing", flags = '["beta"]', scope = "application" }
      assert.equal("ok", made.status)
      local wanted = { { id = made.id, application = 7, scope = "application", hash = hash "a",
        label = "billing", flags = '["beta"]', created_ms = 1000, expires_ms = 5000 } }
      assert.same(wanted, find("a").tokens)
      t.reopen()
      assert.same(wanted, find("a").tokens)
      assert.equal("notfound", find("b").status)
    end)

    it("has ended when its time has come", function()
      mint()
      assert.equal("ok", find("a", 4999).status)
      assert.equal("notfound", find("a", 5000).status)
      assert.same({}, run("list_tokens", { now_ms = 5000 }).tokens)
    end)

    it("has ended when it was ended, once", function()
      local made = mint()
      assert.equal("ok", run("token", { id = made.id, is_end = true, now_ms = 2000 }).status)
      assert.equal("notfound", find("a", 2000).status)
      assert.equal("notfound", run("token", { id = made.id, is_end = true, now_ms = 2001 }).status)
      assert.equal("notfound", run("token", { id = 12345, is_end = true, now_ms = 2001 }).status)
    end)

    it("is minted once", function()
      mint()
      assert.equal("conflict", mint({ application = 8, label = "other" }).status)
      assert.equal(7, find("a").tokens[1].application)
    end)

    it("is minted once by those who bring the same key, for twelve hours", function()
      local key, half_day_ms = ("k"):rep(32), 12 * 3600 * 1000
      mint { key = key, mark = "one" }
      local again = mint { hash = hash "b", key = key, mark = "two", now_ms = 999 + half_day_ms }
      assert.same({ "ok", true, 1000, "one" }, { again.status, again.is_repeat, again.first_ms, again.mark })
      assert.equal("notfound", find("b").status)
      local other = mint { hash = hash "b", key = ("l"):rep(32), mark = "two" }
      assert.same({ "ok", false }, { other.status, other.is_repeat })
      local later = mint { hash = hash "c", key = key, mark = "three", now_ms = 1000 + half_day_ms,
        expires_ms = 2 * half_day_ms }
      assert.same({ "ok", false }, { later.status, later.is_repeat })
      assert.equal("three", mint({ hash = hash "d", key = key, mark = "four", now_ms = 1001 + half_day_ms }).mark)
    end)

    it("is minted anew for a key whose first answer is of no use", function()
      local key = ("k"):rep(32)
      mint { key = key, mark = "one" }
      local anew = mint { hash = hash "b", key = key, mark = "two", is_anew = true }
      assert.same({ "ok", false }, { anew.status, anew.is_repeat })
      assert.equal("two", mint({ hash = hash "c", key = key, mark = "three" }).mark)
      assert.same({ "ok", "ok" }, { find("a").status, find("b").status })
    end)

    it("leaves the store at its end, when another is minted", function()
      mint()
      mint { hash = hash "b", expires_ms = 90000, now_ms = 4999 }
      assert.equal(2, t.row_count "api_token")
      mint { hash = hash "c", expires_ms = 90000, now_ms = 5000 }
      assert.equal(2, t.row_count "api_token")
    end)

    it("goes with its application, and with no other", function()
      local function application()
        return run("resource", { kind = "application", body = "{}", now_ms = 1000 }).id
      end
      local mine, other = application(), application()
      mint { application = mine }
      mint { application = other, hash = hash "b" }
      run("resource", { kind = "application", id = mine, is_removal = true })
      assert.equal("notfound", find("a").status)
      assert.equal("ok", find("b").status)
    end)
  end)

  describe("a list of tokens", function()
    it("goes from new to old, forth and back", function()
      for _, letter in ipairs { "a", "b", "c" } do mint { hash = hash(letter), label = letter } end
      mint { hash = hash "d", label = "ended", expires_ms = 1500 }
      assert.equal("c b a", (labels { now_ms = 2000 }))
      local text, is_end = labels { now_ms = 2000, limit = 2 }
      assert.same({ "c b", false }, { text, is_end })
      local page = run("list_tokens", { now_ms = 2000 }).tokens
      assert.equal("a", (labels { now_ms = 2000, before = page[2].id }))
      assert.equal("b", (labels { now_ms = 2000, after = page[3].id, is_backward = true, limit = 1 }))
    end)

    it("is of one application, if that is asked for", function()
      for i, letter in ipairs { "a", "b", "c", "d" } do
        mint { hash = hash(letter), label = letter, application = 7 + i % 2 }
      end
      assert.equal("d b", (labels { now_ms = 2000, application = 7 }))
      assert.equal("c a", (labels { now_ms = 2000, application = 8 }))
      assert.equal("", (labels { now_ms = 2000, application = 9 }))
      local page = run("list_tokens", { now_ms = 2000, application = 8 }).tokens
      assert.equal("a", (labels { now_ms = 2000, application = 8, before = page[1].id }))
      assert.equal("c", (labels { now_ms = 2000, application = 8, after = page[2].id, is_backward = true }))
    end)
  end)
end
