-- SPDX-License-Identifier: MIT
-- What the scripts themselves cost: a handler from start to end, a wait, a generation that idles.
-- In this process, through the test-only module; and a reload of 100 scripts under load (P7).
local measure = require "measure"
local process = require "process"
local project = require "project"

local M = {}

local SCRIPT_COUNT = 100
local PAUSE_S = 0.25 -- between reloads

-- A push as GitHub sends it, cut to 1 KiB.
local BODY = ([[{"ref":"refs/heads/main","deleted":false,"pusher":{"name":"ana"},"repository":{]]
  .. [["full_name":"acme/app"},"commits":[{"id":"0123456789abcdef","message":"%s"}],"n":17}]])
  :format(("x"):rep(840))

local HANDLERS = {
  empty = "",
  plain = 'event:send "out"',
  json = [[
    local push = event.data
    event:send("out", { json = { repository = push.repository.full_name, pusher = push.pusher.name,
      commits = #push.commits } })]],
  sleep = "anzol.sleep(0)",
}

local function load(bench, scripts)
  package.cpath = bench.build .. "/test/?.so;" .. package.cpath
  local module = require "anzol_test.script"
  local dir = measure.folder(bench)
  os.execute("mkdir " .. process.quote(dir .. "/scripts"))
  project.write_scripts(dir, scripts)
  local loaded, _, why = module.load { dir = dir }
  measure.drop_folder(dir)
  return assert(loaded, why)
end

-- CPU microseconds of each kind of handler.
function M.handlers(bench)
  local text = 'anzol.endpoint("out", { url = "https://out.example/in", sign = false })\n'
  for name, body in pairs(HANDLERS) do
    text = text .. ('anzol.on("**", { name = "%s" }, function(event) %s end)\n'):format(name, body)
  end
  local loaded, costs = load(bench, { main = text }), {}
  local count = bench.is_quick and 5000 or 50000
  for name in pairs(HANDLERS) do
    local ns, failed = loaded:bench(name, { body = BODY }, count)
    assert(failed == 0, name .. " failed")
    costs[name] = ns / 1000
  end
  loaded:close()
  return costs
end

-- One integration a file: a source, an endpoint, a handler.
local function integration(number, word)
  return ([[
    anzol.source("s%d", { provider = anzol.provider.github { secret = anzol.secret "BENCH" } })
    anzol.endpoint("e%d", { url = "https://out.example/hook", sign = false })
    anzol.on("s%d.push", { name = "h%d" }, function(event)
      local push = event.data
      if push.deleted then return anzol.skip "%s" end
      event:send("e%d", { json = { repository = push.repository.full_name } })
    end)
  ]]):format(number, number, number, number, word, number)
end

local function integrations(word)
  local scripts = {}
  for i = 1, SCRIPT_COUNT do scripts["i" .. i] = integration(i, word) end
  return scripts
end

-- KiB that a state of 100 scripts holds.
function M.idle_kib(bench)
  local scripts = integrations "one"
  -- The secret stands in the script: this process has no environment of its own for it.
  for name, text in pairs(scripts) do
    scripts[name] = text:gsub('anzol.secret "BENCH"', '"a secret of the bench"')
  end
  local loaded = load(bench, scripts)
  local kib = loaded:bytes() / 1024
  loaded:close()
  return kib
end

-- A server with 100 more scripts under load: the p99 of acknowledgements without and with reloads,
-- and how long a reload takes until the new generation serves.
function M.reload(bench, rate)
  local server, dir = measure.serve(bench, nil, integrations "zero")
  local calm = measure.ingest(bench, server, { rate = rate })
  local times = {}
  local busy = measure.ingest(bench, server, { rate = rate }, function()
    local till = process.now() + bench.seconds - 0.5
    repeat
      project.write_scripts(dir, integrations("turn" .. #times))
      local from = process.now()
      server:reload()
      times[#times + 1] = (process.now() - from) * 1000
      process.sleep(PAUSE_S)
    until process.now() > till
  end)
  server:stop()
  measure.drop_folder(dir)
  return { calm_p99_ms = calm.latency_ms.p99, p99_ms = busy.latency_ms.p99,
    worst_ms = math.max(table.unpack(times)) }
end

return M
