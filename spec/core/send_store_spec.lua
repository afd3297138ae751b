-- SPDX-License-Identifier: MIT
-- Sending over the real store (core/send, core/store): what hangs on the order of commits and reads.
local deliver = require "anzol_test.deliver"
local folders = require "store.rig"
local rigs = require "core.send_rig"
local store = require "anzol_test.store"

local WAIT_MS = 5000

describe("sending over the real store", function()
  local folder, rig, bodies, ids

  before_each(function()
    folder, bodies, ids = folders.folder(), {}, {}
  end)
  after_each(function()
    rig:close()
    folders.remove(folder)
  end)

  -- An endpoint "e" whose requests are answered by behaviour(body, how many came before).
  local function begin(options, behaviour, hooks)
    rig = deliver.rig(folder .. "/anzol.db", hooks or {})
    options.name = "e"
    options.url = "http://127.0.0.1:" .. rig:server(function(request)
      bodies[#bodies + 1] = request.body
      return behaviour(request.body, #bodies - 1)
    end) .. "/"
    rig:open()
    rig:endpoints { options }
  end

  local function commit(body, key)
    rig:commit("e", { body = body, key = key }, function(id) ids[body] = id end)
  end

  it("leaves out what is cancelled while the one before it in its key lets it go", function()
    local status
    begin({}, function(body) return body == "one" and { rigs.ok(), after_ms = 50 } or rigs.ok() end, {
      settled = function(_, body)
        if body == "one" then rig:cancel("e", ids.two, function(said) status = said end) end
      end,
    })
    for _, body in ipairs { "one", "two", "three" } do commit(body, "k") end
    assert.is_true(rig:run(WAIT_MS, function() return bodies[2] == "three" or #bodies > 2 end))
    assert.equal("ok", status)
    assert.same({ "one", "three" }, bodies)
  end)

  describe("takes a delivery that was cancelled at the start, and then retried", function()
    local function change(verb, ...)
      local status
      local args = { ... }
      args[#args + 1] = function(said) status = said end
      rig[verb](rig, table.unpack(args))
      assert.is_true(rig:run(WAIT_MS, function() return status end))
      return status
    end

    -- Handed over by the one before it, it has no time when it is due; the store cancels it before
    -- it is looked for what is open.
    before_each(function()
      local options = { timeout_ms = 60000 }
      begin(options, function(_, before) return before ~= 1 and { rigs.ok(), after_ms = 50 } or nil end)
      commit("zero", "k")
      commit("one", "k")
      rig:run(WAIT_MS, function() return #bodies == 2 end)
      rig:kill()
      rig:open()
      rig:endpoints({ options }, function() assert.equal("ok", change("cancel", "e", ids.one)) end)
    end)

    it("from the store", function()
      change("change", "retry", ids.one)
      assert.is_true(rig:run(WAIT_MS, function() return #bodies == 3 end))
    end)

    it("from the one that goes before it in its key since", function()
      commit("two", "k")
      rig:run(WAIT_MS, function() return #bodies == 3 end)
      change("change", "retry", ids.one)
      assert.is_true(rig:run(WAIT_MS, function() return #bodies == 4 end))
      assert.same({ "zero", "one", "two", "one" }, bodies)
    end)

    it("back again", function()
      rig:set_state("e", "paused")
      change("change", "retry", ids.one)
      assert.equal("ok", change("cancel", "e", ids.one))
    end)
  end)

  describe("keeps an endpoint disabled that answered 410", function()
    local options, is_settled

    local function settle() rig:run(WAIT_MS, function() return is_settled end) end

    before_each(function()
      options, is_settled = {}, false
      begin(options, function(body) return body == "gone" and { rigs.answer(410), after_ms = 30 } or rigs.ok() end,
        { settled = function() is_settled = true end })
      commit "gone"
      rig:run(WAIT_MS, function() return #bodies == 1 end)
    end)

    it("unless its url is another one now: then it goes there", function()
      local there, moved = {}, {}
      for name, value in pairs(options) do moved[name] = value end
      moved.url = "http://127.0.0.1:" .. rig:server(function(request)
        there[#there + 1] = request.body
        return rigs.ok()
      end) .. "/"
      rig:endpoints { moved }
      assert.is_true(rig:run(WAIT_MS, function() return there[1] == "gone" end))
      assert.same({ { 0 } }, store.sql(folder .. "/anzol.db", "select state from endpoint"))
    end)

    local function assert_disabled()
      assert.same({ { 1 } }, store.sql(folder .. "/anzol.db", "select state from endpoint"))
      commit "more"
      rig:run(50)
      assert.same({ "gone" }, bodies)
      assert.equal("disabled", rig:resume "e")
      rig:set_state("e", "enabled")
      assert.is_true(rig:run(WAIT_MS, function() return bodies[2] == "more" end))
    end

    it("though it was paused", function()
      rig:set_state("e", "paused")
      settle()
      assert_disabled()
    end)

    it("though it was enabled just before", function()
      rig:set_state("e", "enabled", settle)
      assert_disabled()
    end)

    it("though it was restored just before", function()
      rig:endpoints {}
      rig:endpoints({ options }, settle)
      assert_disabled()
    end)

    it("though it was removed", function()
      rig:endpoints {}
      settle()
      rig:endpoints { options }
      assert_disabled()
    end)
  end)

  it("finds what a breaker gave back, however late that is stored", function()
    begin({ concurrency = 1, failures = 1, cooldown_ms = 1, attempts = 1 }, function(_, before)
      return before > 0 and rigs.ok() or { rigs.answer(500), after_ms = 50 }
    end)
    for i = 1, 5 do commit("m" .. i) end
    rig:run(WAIT_MS, function() return ids.m5 and #bodies == 1 end)
    rig:fault "delay:group:1:0:30"
    assert.is_true(rig:run(WAIT_MS, function() return #bodies == 5 end))
  end)

  it("answers who cancels what is being given back, though that is not stored", function()
    local status
    begin({ concurrency = 1 }, function() return { rigs.ok(), after_ms = 200 } end)
    for i = 1, 3 do commit("m" .. i) end
    rig:run(WAIT_MS, function() return ids.m3 and #bodies == 1 end)
    rig:set_state("e", "paused")
    rig:cancel("e", ids.m3, function(said) status = said end)
    rig:kill "io"
    assert.equal("io", status)
  end)
end)
