-- SPDX-License-Identifier: MIT
-- Receivers that wait at a queue: what they cost while nothing comes, and how fast one is woken.
local measure = require "measure"
local process = require "process"
local project = require "project"

local M = {}

local RATE_PER_S = 1000
local IDLE_S = 6      -- all wait, nothing comes
local SETTLE_S = 1    -- until the last of them is put aside
local WATCH_S = 4     -- how long their CPU is counted

local SCRIPT = [[
anzol.source("queued", { provider = anzol.provider.github { secret = anzol.secret "BENCH" } })
anzol.endpoint("jobs", { kind = "long_poll", path = "/queue/jobs", auth = anzol.verify.none() })
anzol.on("github.push", { name = "queued", source = "queued" }, function(event)
  event:send "jobs"
end)
]]

local function receivers(server)
  local text = process.capture(("curl -s -H 'Authorization: Bearer %s' http://127.0.0.1:%d/metrics")
    :format(project.token, server.admin))
  return tonumber(text:match 'anzol_queue_receivers{endpoint="jobs"} (%d+)') or 0
end

-- { bytes_each, cpu_share (while nothing comes), latency_ms = { p50, p99 } }
function M.measure(bench, count)
  local server, folder = measure.serve(bench, nil, { queue = SCRIPT })
  local base_mb = server.child:rss_mb()
  local load = process.json_later(process.pin(bench.core_load,
    ("%s bench queue --queue http://127.0.0.1:%d/queue/jobs --receivers %d --url %s --secret %s "
      .. "--rate %d -d %gs --idle %ds -c 16"):format(bench.anzol, server.port, count,
      server:url "queued", project.secret, RATE_PER_S, bench.seconds, IDLE_S)))
  server.child:wait(function() return receivers(server) == count end)
  process.sleep(SETTLE_S)
  local waiting_mb, cpu_s = server.child:rss_mb(), server.child:cpu_s()
  process.sleep(WATCH_S)
  cpu_s = server.child:cpu_s() - cpu_s
  local report = load()
  server:stop()
  measure.drop_folder(folder)
  if report.acknowledged < report.accepted then
    error(("%d of %d messages were not acknowledged"):format(report.accepted - report.acknowledged,
      report.accepted), 0)
  end
  return { bytes_each = (waiting_mb - base_mb) * 1048576 / count, cpu_share = cpu_s / WATCH_S,
    p50_ms = report.latencyMs.p50, p99_ms = report.latencyMs.p99 }
end

return M
