-- SPDX-License-Identifier: MIT
-- A store that is full (P4, P5): millions of events retained and a million deliveries pending, made
-- straight through the store. A part of that with --quick. Takes 15 GB below the bench's folder.
local measure = require "measure"
local process = require "process"
local socket = require "socket"

local M = {}

local RETAINED, PENDING = 5000000, 1000000
local ENDPOINTS = 10000
local QUICK = 100 -- times less
local SETTLE_S = 20 -- until every endpoint that hangs has what it may hold

local ENDPOINTS_SCRIPT = [[
for i = 1, %d do
  anzol.endpoint("e" .. i, { url = "http://127.0.0.1:%d/hook", sign = false, allow_private = true,
    timeout = "60s" })
end
]]

-- The port of a listener that takes connections (the kernel does) and never answers.
local function hang(port)
  return assert(socket.bind("127.0.0.1", port, 4096))
end

-- { folder, retained, pending }: a store that was served once, so that its endpoints have numbers.
function M.prepare(bench)
  local part = bench.is_quick and QUICK or 1
  local store = { retained = RETAINED // part, pending = PENDING // part,
    endpoints = ENDPOINTS // part }
  store.port = process.free_port()
  store.script = ENDPOINTS_SCRIPT:format(store.endpoints, store.port)
  local server, folder = measure.serve(bench, nil, { a_endpoints = store.script })
  server:stop()
  store.folder = folder
  bench.say(("filling a store: %d events, then %d that are pending"):format(store.retained,
    store.pending))
  local path = folder .. "/anzol.db"
  measure.fill(bench, { path = path, events = store.retained, in_flight = 512, keys = true,
    stages = 3 })
  measure.fill(bench, { path = path, events = store.pending, in_flight = 512, keys = true,
    stages = 2, endpoints = store.endpoints })
  return store
end

-- The whole way and durable ingest over a store whose pending deliveries belong to endpoints that
-- are not registered any more (so they wait); without a store: over a fresh one.
function M.measure(bench, store)
  if store then os.remove(store.folder .. "/scripts/a_endpoints.lua") end
  local from = process.now()
  local server, folder = measure.serve(bench, nil, nil, store and store.folder)
  local result = { start_s = process.now() - from }
  local way = measure.whole_way(bench, server.child, { url = server:url "github",
    sink = server.sink, count = math.floor(bench.seconds * 15000) })
  result.rate_per_s, result.cpu_us = way.rate_per_s, way.cpu_us
  result.ingest_per_s = measure.ingest(bench, server).rate_per_s
  server:stop()
  if not store then measure.drop_folder(folder) end
  return result
end

-- MiB that a server takes which has all that is pending to send: to receivers that are down, and to
-- such that hang.
function M.memory(bench, store)
  local function resident(scripts, folder, seconds)
    local server, where = measure.serve(bench, nil, scripts, folder)
    process.sleep(seconds)
    local mb = server.child:rss_mb()
    server:stop()
    if not folder then measure.drop_folder(where) end
    return mb
  end
  local all, seconds = { a_endpoints = store.script }, bench.is_quick and 3 or SETTLE_S
  local empty_mb = resident(nil, nil, 1)
  local result = { empty_mb = empty_mb, endpoints_mb = resident(all, nil, 1) - empty_mb }
  result.down_mb = resident(all, store.folder, seconds) - empty_mb
  local listener = hang(store.port)
  result.hang_mb = resident(all, store.folder, seconds) - empty_mb
  listener:close()
  return result
end

return M
