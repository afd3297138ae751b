-- SPDX-License-Identifier: MIT
-- A stranger's project: scripts and specs in a folder anywhere, run by `anzol test` and by plain
-- busted against an installed Anzol.
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"
local process = require "anzol_test.process"
local wait = require "support.wait"

if os.getenv "ANZOL_SANITIZER" then
  return -- a plain busted cannot load a sanitized core.so
end

local SCRIPT = [[
local anzol = require "anzol"
anzol.source("in", { verify = anzol.verify.none(), type = "ping" })
anzol.endpoint("out", { url = "https://out.example/", sign = false })
anzol.on("ping", function(event) event:send("out", { json = { n = %s } }) end)
]]
local SPEC = [[
local testing = require "anzol.testing"
describe("the project", function()
  it("sends a ping on", function()
    local t = testing.new { }
    t:receive("in", { body = "x" })
    assert.equal(1, t:delivery("out").request.json.n)
    t:close()
  end)
end)
]]

describe("specs of a project", function()
  local dir

  before_each(function()
    dir = files.temp_dir()
    files.write(dir .. "/anzol.lua", "return {}")
    files.write(dir .. "/scripts/ping.lua", SCRIPT:format "1")
    files.write(dir .. "/spec/ping_spec.lua", SPEC)
  end)
  after_each(function() files.remove(dir) end)

  it("are run by `anzol test` without anything set", function()
    local result = cli.run({ "test" }, { cwd = dir })
    assert.equal(0, result.code, result.output .. result.errors)
    assert.matches("1 success", result.output, 1, true)
    result = cli.run({ "--project", dir, "test", "spec/ping_spec.lua", "--", "--list",
      "--filter", "sends a ping" }, { cwd = "/" })
    assert.equal(0, result.code, result.output .. result.errors)
    assert.matches("ping_spec.lua:3: the project sends a ping on", result.output, 1, true)
  end)

  it("are there and pass in every project that `anzol init` begins", function()
    for _, template in ipairs { "empty", "github-slack" } do
      local begun = dir .. "/" .. template
      local result = cli.run({ "init", begun, "--template", template }, { cwd = dir })
      assert.equal(0, result.code, result.errors)
      result = cli.run({ "test" }, { cwd = begun })
      assert.equal(0, result.code, result.output .. result.errors)
      assert.matches("[1-9]%d* success", result.output)
    end
  end)

  it("fail with exit code 1", function()
    files.write(dir .. "/scripts/ping.lua", SCRIPT:format "2")
    local result = cli.run({ "test" }, { cwd = dir })
    assert.equal(1, result.code, result.output .. result.errors)
    assert.matches("ping_spec.lua:6", result.output, 1, true)
  end)

  it("tell with --coverage which lines of the scripts and of lua/ ran", function()
    files.write(dir .. "/scripts/ping.lua", SCRIPT:format "1" .. [[
anzol.on("never", function(...)
  local t = {
    ...,
  }
  if t then
    return t
  end
end)
]])
    files.write(dir .. "/lua/tool.lua", "local M = {}\nfunction M.two() return 2 end\n\nreturn M\n")
    files.write(dir .. "/lua/unused.lua", "#!/bin/sh\nreturn 1\n")
    files.write(dir .. "/spec/tool_spec.lua", [[
package.path = "lua/?.lua;" .. package.path
it("counts", function() assert.equal(2, require "tool".two()) end)
]])
    local plain = cli.run({ "test" }, { cwd = dir })
    local result = cli.run({ "test", "--coverage" }, { cwd = dir })
    assert.equal(0, result.code, result.output .. result.errors)
    assert.matches("2 successes", result.output, 1, true)
    assert.matches("FILE +LINES +HIT +%% +MISSED\n"
      .. "scripts/ping.lua +8 +5 +62 +6, 9%-10 *\n"
      .. "lua/tool.lua +3 +3 +100 *\n"
      .. "lua/unused.lua +1 +0 +0 +2\n"
      .. "all +12 +8 +66", result.output)
    assert.not_matches("MISSED", plain.output, 1, true)
    result = cli.run({ "--project", dir, "test", "--coverage", "-o", "json", dir .. "/spec/ping_spec.lua" },
      { cwd = "/" })
    assert.equal(0, result.code, result.errors)
    local told = dkjson.decode(result.output)
    assert.same({ file = "lua/unused.lua", lines = 1, hit = 0, percent = 0, missed = { 2 } }, told.files[3])
    assert.equal(0, told.files[2].hit)
    assert.equal(12, told.lines)
    assert.matches("1 success", result.errors, 1, true)
    files.write(dir .. "/scripts/ping.lua", SCRIPT:format "2")
    result = cli.run({ "test", "--coverage" }, { cwd = dir })
    assert.equal(1, result.code)
    assert.matches("scripts/ping.lua", result.output, 1, true)
  end)

  it("run again with --watch when a script, a spec or a fixture changes", function()
    local child = process.spawn { argv = { files.program(), "test", "--watch" }, cwd = dir,
      env = { LD_PRELOAD = false }, output = dir .. "/out", errors = dir .. "/err" }
    finally(function() child:kill(9) end)
    local function await(count, words)
      wait.until_true(count .. " times: " .. words, 20000, function()
        local _, found = (files.exists(dir .. "/out") and files.read(dir .. "/out") or ""):gsub(words, "")
        return found == count
      end)
    end
    await(1, "1 success ")
    files.write(dir .. "/scripts/ping.lua", SCRIPT:format "2")
    await(1, "1 failure ")
    files.write(dir .. "/scripts/ping.lua", SCRIPT:format "1")
    await(2, "1 success ")
    files.write(dir .. "/fixtures/new.json", "{}")
    await(3, "1 success ")
    assert.is_nil((child:wait(0)))
  end)

  it("need busted, and `anzol test` says where it comes from", function()
    local result = cli.run({ "test" }, { cwd = dir, env = { PATH = dir } })
    assert.equal(69, result.code)
    assert.matches("apt install lua-busted", result.errors, 1, true)
  end)

  local function run(argv, options)
    options.argv, options.output, options.errors = argv, dir .. "/out", dir .. "/err"
    local child = process.spawn(options)
    local kind, code = child:wait(60000 * wait.patience)
    assert.equal("exit", kind)
    return code, files.read(dir .. "/out") .. files.read(dir .. "/err")
  end

  -- What plain busted says in a folder, without anything set.
  local function busted(cwd, env)
    env = env or {}
    env.LUA_PATH_5_4, env.LUA_CPATH_5_4, env.LD_PRELOAD = false, false, false
    return run({ "busted" }, { cwd = cwd, env = env })
  end

  it("are run by plain busted in every project that `anzol init` begins, and in the examples", function()
    local begun = dir .. "/begun"
    assert.equal(0, cli.run({ "init", begun, "--template", "github-slack" }, { cwd = dir }).code)
    local code, text = busted(begun)
    assert.equal(0, code, text)
    assert.matches("4 successes", text, 1, true)
    local here = require "lfs".currentdir()
    for _, name in ipairs { "github-to-slack", "quiet-hours" } do
      code, text = busted(here .. "/examples/" .. name, { ANZOL_BUILD = os.getenv "ANZOL_BUILD" })
      assert.equal(0, code, text)
      assert.matches("[45] successes", text)
    end
  end)

  it("are run by plain busted where Anzol is installed", function()
    local prefix = dir .. "/prefix"
    local code, text = run({ "cmake", "--install", files.build_dir(), "--prefix", prefix },
      { env = { LD_PRELOAD = false } })
    assert.equal(0, code, text)
    assert.is_true(files.exists(prefix .. "/bin/anzol"))
    code, text = run({ "busted", "--lua=lua5.4" }, { cwd = dir, env = {
      LUA_PATH_5_4 = prefix .. "/share/lua/5.4/?.lua;;",
      LUA_CPATH_5_4 = prefix .. "/lib/lua/5.4/?.so;;" } })
    assert.equal(0, code, text)
    assert.matches("1 success", text, 1, true)
    local begun = dir .. "/begun"
    code, text = run({ prefix .. "/bin/anzol", "init", begun }, { env = { LD_PRELOAD = false } })
    assert.equal(0, code, text)
    assert.matches(prefix .. "/share/lua/5.4/?.lua", files.read(begun .. "/.busted"), 1, true)
    code, text = busted(begun)
    assert.equal(0, code, text)
  end)
end)
