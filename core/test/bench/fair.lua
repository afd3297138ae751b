-- SPDX-License-Identifier: MIT
-- One endpoint that hangs and one that answers 500 among 1,000 (P6): each event goes to one of the
-- others, in turn, and to those two. Beside it the same with both of them well.
local measure = require "measure"
local process = require "process"

local M = {}

local HEALTHY = 998
local RATE = 500 -- events a second, three deliveries each

local SCRIPT = [[
local options = { allow_private = true, sign = false, breaker = %s }
local function endpoint(name, port)
  local given = { url = ("http://127.0.0.1:%%d/hook"):format(port) }
  for key, value in pairs(options) do given[key] = value end
  anzol.endpoint(name, given)
end
for i = 1, %d do endpoint("well" .. i, %d) end
endpoint("first", %d)
endpoint("second", %d)

anzol.source("fair", { provider = anzol.provider.github { secret = anzol.secret "BENCH" } })
local turn = 0
anzol.on("github.push", { source = "fair" }, function(event)
  turn = turn %% %d + 1
  event:send { "well" .. turn, "first", "second" }
end)
]]

local function sink(bench, folder, name, options)
  local port = process.free_port()
  local child = process.start {
    command = process.pin(bench.core_load, ("%s bench deliver --sink 127.0.0.1:%d %s")
      :format(bench.anzol, port, options)),
    log = ("%s/%s.log"):format(folder, name),
  }
  child:wait(function() return process.answers(port) end)
  return child, port
end

-- What the healthy ones get, in ms: { p50, p99 }. sinks: the options of the two.
local function run(bench, sinks, breaker)
  local folder = measure.folder(bench)
  local first, first_port = sink(bench, folder, "first", sinks[1])
  local second, second_port = sink(bench, folder, "second", sinks[2])
  local well_port = process.free_port()
  local server, server_folder = measure.serve(bench, nil, { fair = SCRIPT:format(breaker, HEALTHY,
    well_port, first_port, second_port, HEALTHY) })
  local result = measure.whole_way(bench, server.child, { url = server:url "fair",
    sink = well_port, rate = RATE, seconds = math.max(bench.seconds, 3) })
  server:stop()
  first:stop()
  second:stop()
  measure.drop_folder(server_folder)
  measure.drop_folder(folder)
  return result.latency_ms
end

-- { calm = { p50, p99 }, with = …, without_breaker = … }
function M.measure(bench)
  local well, ill = { "", "" }, { "--delay 60s", "--status 500" }
  return {
    calm = run(bench, well, "nil"),
    ill = run(bench, ill, "nil"),
    without_breaker = run(bench, ill, "false"),
  }
end

return M
