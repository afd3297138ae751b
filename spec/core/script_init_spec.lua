-- SPDX-License-Identifier: MIT
-- anzol.init: once in each state, before it serves (core/script/init.c).
local rig = require "core.script_rig"
local script = rig.script

local function init(text)
  local project = rig.project(text)
  local result = project:init()
  project:wait()
  assert(result.is_done)
  return result.problem, project
end

describe("anzol.init", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("runs in order, each after the one before, and may wait", function()
    local problem, project = init [[
      local order = {}
      anzol.init(function() anzol.sleep "5ms" order[#order + 1] = "a" end)
      anzol.init(function() order[#order + 1] = "b" return "ignored", 5 end)
      anzol.on("**", { name = "look" }, function() error(table.concat(order), 0) end)
    ]]
    assert.is_nil(problem)
    assert.matches("^ab", project:run("look", {}).text)
    assert.equal(0, project:job_count())
  end)

  it("is nothing without functions", function()
    assert.is_nil(init "")
  end)

  it("asks other services", function()
    local project = rig.project [[
      local keys
      anzol.init(function()
        local res, err = anzol.http.get "https://login.example/keys"
        if not res then return nil, err end
        keys = assert(res:json())
      end)
      anzol.on("**", { name = "look" }, function() error(keys[1], 0) end)
    ]]
    local result = project:init()
    assert.is_nil(result.is_done)
    project:answer(project:exchanges()[1].number, { body = '["key"]' })
    assert.is_true(result.is_done)
    assert.is_nil(result.problem)
    assert.matches("^key", project:run("look", {}).text)
  end)

  local failures = {
    ["error 'no'"] = "^scripts/main.lua:2: no\n",
    ["error(nil)"] = "^scripts/main.lua:1: %(error object is a nil value%)",
    ["local x = nil + 1"] = "^scripts/main.lua:2: attempt to perform arithmetic",
    ["return nil, 'words'"] = "^scripts/main.lua:1: words",
    ["return anzol.json.decode '{'"] = "^scripts/main.lua:1: json: no JSON: ",
    ["while true do end"] = "^scripts/main.lua:2: 'init' went over its CPU limit of %d+ ms",
    ["local t = {} for i = 1, 1e9 do t[i] = { i } end"] =
      "^scripts/main.lua:%d: 'init' went over its memory limit of 64 MiB",
    ["anzol.source('s', { verify = anzol.verify.none() })"] =
      "^scripts/main.lua:2: anzol.source registers while the scripts are loaded, not in 'init'",
    ["coroutine.yield()"] = "^scripts/main.lua:2: coroutine.yield outside",
  }
  for body, why in pairs(failures) do
    it("fails with " .. body:sub(1, 40) .. ", and the next does not run", function()
      local problem, project = init(([[anzol.init(function()
        %s
      end)
      local is_next
      anzol.init(function() is_next = true end)
      anzol.on("**", { name = "look" }, function() assert(not is_next) end)
      ]]):format(body))
      assert.matches(why, problem)
      assert.matches("in 'init' of script \"scripts/main.lua:1\"", problem, 1, true)
      assert.equal("", project:run("look", {}).text)
    end)
  end

  if os.getenv "ANZOL_LONG" then
    it("fails when it waits for longer than its limit", function()
      local problem = init 'anzol.init(function() anzol.sleep "1h" end)'
      assert.matches("^scripts/main.lua:1: 'init' went over its time limit of %d+ ms", problem)
    end)
  end

  it("is cancelled when the generation is given up", function()
    local project = rig.project [[anzol.init(function() anzol.sleep "1h" end)]]
    local result = project:init()
    project:cancel_all()
    assert.equal("cancelled", result.problem)
  end)

  it("is registered while the scripts are loaded, as a function", function()
    assert.matches("bad argument #1 to 'init' %(function expected, got string%)",
      (rig.refusal "anzol.init 'x'"))
    assert.matches("a registration failed inside pcall", (rig.refusal "pcall(anzol.init)"))
    local project = rig.handler "anzol.init(print)"
    assert.matches("anzol.init registers while the scripts are loaded, not in 'handler'",
      project:run("main", {}).text)
  end)

  it("does not run when the scripts are only loaded", function()
    assert.is_truthy(rig.project "anzol.init(function() error 'it ran' end)")
  end)
end)
