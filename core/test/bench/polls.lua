-- SPDX-License-Identifier: MIT
-- Ten thousand polls of one source, each every ten seconds: what they cost, and whether they are
-- spread. The source is another Anzol on the load's core, which answers 304 to each.
local http = require "socket.http"
local json = require "dkjson"
local ltn12 = require "ltn12"
local measure = require "measure"
local process = require "process"
local project = require "project"

local M = {}

local COUNT, QUICK_COUNT = 10000, 1000
local INTERVAL_S = 10

local SOURCE = [[
anzol.source("items", { methods = { "GET" }, verify = anzol.verify.none(),
  challenge = function() return { status = 304 } end })]]

local POLLS = [[
for i = 1, %d do
  anzol.poll("poll-" .. i, { interval = "%ds" }, function(poll)
    local res, err = poll:get("http://127.0.0.1:%d/in/items", { allow_private = true })
    if not res then return nil, err end
    return 0
  end)
end]]

-- All polls as `anzol polls -o json` has them.
local function polls(server)
  local chunks = {}
  local ok, status = http.request {
    url = ("http://127.0.0.1:%d/api/v1/poll"):format(server.admin),
    headers = { authorization = "Bearer " .. project.token }, sink = ltn12.sink.table(chunks),
  }
  if not ok or status ~= 200 then error(("polls cannot be listed: %s"):format(status), 0) end
  return json.decode(table.concat(chunks)).data
end

local function runs_of(rows)
  local runs, failed, least = 0, 0, math.huge
  for _, row in ipairs(rows) do
    runs, least = runs + row.runs, math.min(least, row.runs)
    if row.failures > 0 then failed = failed + 1 end
  end
  return runs, failed, least
end

-- Of the polls the share that is due in the busiest second of the interval, of an even share.
local function busiest(rows)
  local counts, most = {}, 0
  for _, row in ipairs(rows) do
    local second = tonumber(row.nextRun:match ":(%d%d)%.%d+Z$") % INTERVAL_S
    counts[second] = (counts[second] or 0) + 1
    most = math.max(most, counts[second])
  end
  return most * INTERVAL_S / #rows
end

-- { count, kib (each, of memory), cpu_us (a run), rate_per_s, busiest }
function M.measure(bench)
  local count = bench.is_quick and QUICK_COUNT or COUNT
  local source_folder = measure.folder(bench)
  local source = project.serve { anzol = bench.anzol, dir = source_folder, core = bench.core_load,
    scripts = { source = SOURCE } }
  local server, folder = measure.serve(bench)
  process.sleep(1)
  local idle_mb = server.child:rss_mb()
  server:stop()
  measure.drop_folder(folder)
  server, folder = measure.serve(bench, nil,
    { polls = POLLS:format(count, INTERVAL_S, source.port) })
  process.sleep(2 * INTERVAL_S)
  local before = polls(server)
  local cpu_s, from = server.child:cpu_s(), process.now()
  process.sleep(2 * INTERVAL_S)
  cpu_s = server.child:cpu_s() - cpu_s
  local seconds = process.now() - from
  local after = polls(server)
  local runs = runs_of(after) - runs_of(before)
  local _, failed, least = runs_of(after)
  local mb = server.child:rss_mb()
  server:stop()
  source:stop()
  measure.drop_folder(folder)
  measure.drop_folder(source_folder)
  if failed > 0 or least < 2 then
    error(("%d polls failed, one ran %d times"):format(failed, least), 0)
  end
  return { count = #after, kib = (mb - idle_mb) * 1024 / count, cpu_us = cpu_s * 1e6 / runs,
    rate_per_s = runs / seconds, busiest = busiest(after) }
end

return M
