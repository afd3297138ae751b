-- SPDX-License-Identifier: MIT
-- The contract: secrets of resources commit with them, have versions that end, are sealed in the file,
-- and open only with their keys and in their place.
local S = require "anzol_test.store"

local key_a, key_b = ("a1"):rep(32), ("b2"):rep(32)

return function(t)
  local run, file_holds = t.run, t.file_holds

  local function put(fields)
    local all = { kind = "application", body = "{}", now_ms = 1000 }
    for name, value in pairs(fields or {}) do all[name] = value end
    return run("resource", all)
  end
  local function row(id, at_ms)
    return run("list_resources",
      { kind = "application", only = id, secrets_ms = at_ms or 1000 }).resources[1]
  end
  -- "key2:text key1:text" of those that are good then
  local function told(id, at_ms)
    local parts = {}
    for i, secret in ipairs(row(id, at_ms).secrets) do
      parts[i] = secret.kind .. secret.version .. ":" .. secret.text
    end
    return table.concat(parts, " ")
  end
  local function rotate(id, text, keep_ms, now_ms)
    return put { id = id, now_ms = now_ms, secrets = { { kind = "key", text = text,
      keep_ms = keep_ms } } }
  end

  describe("a secret", function()
    it("is there with its resource, after a restart too", function()
      local made = put { secrets = { { kind = "key", text = "one" },
        { kind = "headers", text = "{}" } } }
      assert.equal("ok", made.status)
      assert.equal("key1:one headers1:{}", told(made.id))
      assert.same({ kind = "key", version = 1, created_ms = 1000, expires_ms = 0, text = "one" },
        row(made.id).secrets[1])
      t.reopen()
      assert.equal("key1:one headers1:{}", told(made.id))
    end)

    it("is not read by who did not ask, and is of its resource alone", function()
      local made = put { secrets = { { kind = "key", text = "one" } } }
      local other = put()
      assert.is_nil(run("list_resources", { kind = "application" }).resources[1].secrets)
      assert.same({}, row(other.id).secrets)
      local page = run("list_resources", { kind = "application", secrets_ms = 1000 })
      assert.same({ 1, 0 }, { #page.resources[1].secrets, #page.resources[2].secrets })
      assert.equal(made.id, page.resources[1].id)
    end)

    it("stays as it is when the resource changes otherwise", function()
      local made = put { secrets = { { kind = "key", text = "one" } } }
      put { id = made.id, body = '{"a":1}' }
      assert.equal("key1:one", told(made.id))
    end)

    it("is followed by another at once, or stays good for a while", function()
      local made = put { secrets = { { kind = "key", text = "one" } } }
      assert.equal("ok", rotate(made.id, "two", 500, 2000).status)
      assert.equal("key2:two key1:one", told(made.id, 2499))
      assert.equal("key2:two", told(made.id, 2500))
      assert.equal("ok", rotate(made.id, "three", 0, 2100).status)
      assert.equal("key3:three key1:one", told(made.id, 2100))
      assert.equal(2500, row(made.id, 2100).secrets[2].expires_ms)
      assert.equal("ok", rotate(made.id, "four", 500, 2500).status)
      assert.equal("key4:four key3:three", told(made.id, 2500))
      assert.equal(2, t.row_count "secret")
    end)

    it("has at most ten older ones that are good", function()
      local made = put { secrets = { { kind = "key", text = "0" } } }
      for i = 1, 10 do assert.equal("ok", rotate(made.id, tostring(i), 1000, 2000 + i).status) end
      assert.equal(11, #row(made.id, 2100).secrets)
      local op = put { id = made.id, body = '{"a":1}', now_ms = 2100, secrets = {
        { kind = "headers", text = "{}" }, { kind = "key", text = "11", keep_ms = 1000 } } }
      assert.equal("conflict", op.status)
      assert.is_true(op.is_crowded)
      assert.equal("{}", row(made.id).body)
      assert.equal(11, #row(made.id, 2100).secrets)
      assert.equal("ok", rotate(made.id, "11", 0, 2100).status)
      assert.equal("ok", rotate(made.id, "12", 1000, 3001).status)
    end)

    it("is taken away alone, or goes with its resource", function()
      local made = put { secrets = { { kind = "key", text = "one" },
        { kind = "headers", text = "{}" } } }
      put { id = made.id, secrets = { { kind = "headers" } } }
      assert.equal("key1:one", told(made.id))
      put { id = made.id, is_removal = true }
      assert.equal(0, t.row_count "secret")
    end)

    it("commits with its resource or not at all", function()
      local made = put { uid = "acme", secrets = { { kind = "key", text = "one" } } }
      local taken = put { uid = "acme", secrets = { { kind = "key", text = "two" } } }
      assert.equal("conflict", taken.status)
      local late = put { id = made.id, version = 9, secrets = { { kind = "key", text = "two" } } }
      assert.equal("conflict", late.status)
      assert.equal("notfound", put { id = 12345, secrets = { { kind = "key", text = "x" } } }.status)
      assert.equal(1, t.row_count "secret")
      assert.equal("key1:one", told(made.id))
    end)

    it("is written once by who repeats a request", function()
      local key = ("k"):rep(32)
      local made = put { key = key, secrets = { { kind = "key", text = "one" } } }
      local again = put { key = key, secrets = { { kind = "key", text = "two" } } }
      assert.is_true(again.is_repeat)
      assert.equal("key1:one", told(made.id))
    end)

    it("may be as long as the limit", function()
      local made = put { secrets = { { kind = "headers", text = ("h"):rep(65536) } } }
      assert.equal(65536, #row(made.id).secrets[1].text)
    end)

    it("is deleted when it has expired, by the upkeep", function()
      S.clock_fake(10000)
      local made = put { now_ms = 10000, secrets = { { kind = "key", text = "one" } } }
      rotate(made.id, "two", 500, 10000)
      S.clock_fake(10500)
      t.store:retain {}
      while t.row_count "secret" > 1 do t.store:turn() end
      assert.equal("key2:two", told(made.id, 10500))
    end)
  end)

  describe("a store with a key", function()
    local text = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

    it("has no secret in its files", function()
      t.reopen(key_a)
      local made = put { secrets = { { kind = "key", text = text } } }
      assert.is_false(file_holds(text))
      assert.equal("key1:" .. text, told(made.id))
      t.reopen()
      assert.is_false(file_holds(text))
      assert.equal("key1:" .. text, told(made.id))
    end)

    it("opens what was stored before there was one, and what older keys sealed", function()
      local plain = put { secrets = { { kind = "key", text = "plain" } } }
      assert.is_true(file_holds "plain")
      t.reopen(key_a)
      local a = put { secrets = { { kind = "key", text = "of a" } } }
      t.reopen(key_b .. "\n" .. key_a)
      local b = put { secrets = { { kind = "key", text = "of b" } } }
      assert.same({ "key1:plain", "key1:of a", "key1:of b" },
        { told(plain.id), told(a.id), told(b.id) })
    end)

    it("does not open without the keys that sealed, and says which is missing", function()
      t.reopen(key_a)
      put { secrets = { { kind = "key", text = text } } }
      put { secrets = { { kind = "key", text = text } } }
      t.store:close()
      for _, keys in ipairs { "", key_b } do
        local store, status, why = S.open { path = t.path, secrets_key = keys ~= "" and keys or nil }
        assert.is_nil(store)
        assert.equal("invalid", status)
        assert.matches("2 secrets are sealed with the key %x+, which is not given %(given: ", why)
        assert.matches("ANZOL_SECRETS_KEY", why)
        assert.is_nil(why:find(key_a, 1, true))
      end
      t.secrets_key = key_a
      t.store = assert(S.open { path = t.path, secrets_key = key_a })
    end)

    it("does not open a sealed text in another row, or one that was changed", function()
      t.reopen(key_a)
      local one = put { secrets = { { kind = "key", text = "one" } } }
      local two = put { secrets = { { kind = "key", text = "two" } } }
      t.sql(("UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE owner = %d)"
        .. " WHERE owner = %d"):format(one.id, two.id))
      local list = run("list_resources",
        { kind = "application", only = two.id, secrets_ms = 1000 })
      assert.equal("io", list.status)
      assert.equal("key1:one", told(one.id))
    end)

    it("seals anew in steps what no key or another sealed, and leaves no trace of it", function()
      local texts, ids = {}, {}
      local function make(count, prefix)
        for i = 1, count do
          texts[#texts + 1] = prefix .. i .. ("x"):rep(i % 97)
          ids[#ids + 1] = put { secrets = { { kind = "key", text = texts[#texts] } } }.id
        end
      end
      make(150, "plain")
      t.reopen(key_a)
      make(20, "of_a_")
      t.store:add_keys(key_b)
      make(5, "of_b_")
      assert.is_true(file_holds "plain1")
      local behind, looked_at, sealed, steps = nil, 0, 0, 0
      repeat
        local step = run("reseal", { count_max = 40, behind = behind })
        behind, steps = step.last, steps + 1
        looked_at, sealed = looked_at + step.looked_at, sealed + step.sealed
        assert.equal(0, step.failed)
      until step.is_end
      assert.same({ 175, 170, 5 }, { looked_at, sealed, steps })
      t.scrub()
      for i = 1, 150 do assert.is_false(file_holds("plain" .. i), i) end
      local key, count = next(run("count_secrets", {}).counts)
      assert.same({ 175, 16 }, { count, #key })
      t.reopen(key_b)
      for i, id in ipairs(ids) do assert.equal("key1:" .. texts[i], told(id)) end
      local again = run("reseal", { count_max = 1000 })
      assert.same({ 175, 0 }, { again.looked_at, again.sealed })
    end)

    it("goes on from any step after a kill, since both keys are given", function()
      t.reopen(key_a)
      local ids = {}
      for i = 1, 10 do ids[i] = put { secrets = { { kind = "key", text = "s" .. i } } }.id end
      t.reopen(key_b .. " " .. key_a)
      run("reseal", { count_max = 4 })
      t.reopen(key_b .. " " .. key_a)
      for i, id in ipairs(ids) do assert.equal("key1:s" .. i, told(id)) end
      assert.equal(6, run("reseal", { count_max = 100 }).sealed)
      t.reopen(key_b)
      for i, id in ipairs(ids) do assert.equal("key1:s" .. i, told(id)) end
    end)

    it("seals nothing anew without a key", function()
      put { secrets = { { kind = "key", text = "one" } } }
      local step = run("reseal", { count_max = 10 })
      assert.same({ 0, 0, true }, { step.looked_at, step.sealed, step.is_end })
      assert.same({ [""] = 1 }, run("count_secrets", {}).counts)
    end)

    it("tells of those that do not open, and seals the others anew", function()
      t.reopen(key_a)
      local bad = put { secrets = { { kind = "key", text = "one" } } }
      local good = put { secrets = { { kind = "key", text = "two" } } }
      t.sql("UPDATE secret SET version = 7 WHERE owner = " .. bad.id)
      t.store:add_keys(key_b)
      local step = run("reseal", { count_max = 10 })
      assert.same({ 2, 1, 1 }, { step.looked_at, step.sealed, step.failed })
      assert.equal("key1:two", told(good.id))
    end)
  end)
end
