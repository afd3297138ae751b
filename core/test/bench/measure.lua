-- SPDX-License-Identifier: MIT
-- The measurements. Each takes a bench: { build, anzol, folder (temporary), seconds, core_server,
-- core_load, … } and returns plain numbers of one run.
local process = require "process"
local project = require "project"

local M = {}

local CONNECTIONS = 64

local function prototype(bench, name) return bench.build .. "/bench/" .. name end

-- A fresh folder, for one process that writes.
function M.folder(bench)
  bench.folder_count = (bench.folder_count or 0) + 1
  local path = ("%s/%d"):format(bench.folder, bench.folder_count)
  assert(os.execute("mkdir " .. process.quote(path)))
  return path
end

function M.drop_folder(path) os.execute("rm -rf " .. process.quote(path)) end

local function on_load_core(bench, command) return process.pin(bench.core_load, command) end
local function on_server_core(bench, command) return process.pin(bench.core_server, command) end

-- Posts to url while child serves: what the generator saw, and the CPU that child took an event.
-- meanwhile(): called once the load has begun, before its end is awaited.
function M.post(bench, child, options, meanwhile)
  local command = ("%s bench receive --url %s --secret %s -c %d -d %gs -o json"):format(
    bench.anzol, options.url, project.secret, options.connections or CONNECTIONS,
    options.seconds or bench.seconds)
  if options.rate then command = command .. (" --rate %d"):format(options.rate) end
  if options.token then command = command .. " --token " .. options.token end
  if options.body then command = command .. " --body " .. process.quote(options.body) end
  local cpu_s = child:cpu_s()
  local load = process.json_later(on_load_core(bench, command))
  if meanwhile then meanwhile() end
  local report = load()
  cpu_s = child:cpu_s() - cpu_s
  local posted = report.posted
  if posted.accepted < posted.count or posted.count == 0 then
    error(("%s: only %d of %d webhooks were accepted"):format(options.url, posted.accepted,
      posted.count), 0)
  end
  return {
    rate_per_s = posted.ratePerS,
    cpu_us = cpu_s * 1e6 / posted.count,
    latency_ms = posted.latencyMs,
    load_cpu_us = report.cpuUsPerRequest,
  }
end

-- mode: direct, resume, commit.
function M.bare_receive(bench, mode)
  local folder, port = M.folder(bench), process.free_port()
  local child = process.start {
    command = on_server_core(bench, ("%s %s %d %s/bare.db"):format(
      prototype(bench, "bare_receive"), mode, port, folder)),
    log = folder .. "/log",
  }
  child:wait(function() return process.answers(port) end)
  local result = M.post(bench, child, { url = ("http://127.0.0.1:%d/in/bench"):format(port) })
  child:stop()
  M.drop_folder(folder)
  return result
end

-- Appends to the disk, and how long that takes to be durable.
function M.bare_fsync(bench)
  local folder = M.folder(bench)
  local result = process.json(("%s %s/probe %d"):format(prototype(bench, "bare_fsync"), folder,
    bench.is_quick and 200 or 2000))
  M.drop_folder(folder)
  return result
end

function M.bare_life(bench, batch)
  local folder = M.folder(bench)
  local result = process.json(on_server_core(bench, ("%s %s/bare.db %d %d"):format(
    prototype(bench, "bare_life"), folder, batch, math.floor(bench.seconds * 40000))))
  M.drop_folder(folder)
  return result
end

function M.bare_send(bench)
  local folder, port = M.folder(bench), process.free_port()
  local child = process.start {
    command = on_load_core(bench, ("%s bench deliver --sink 127.0.0.1:%d"):format(bench.anzol,
      port)),
    log = folder .. "/log",
  }
  child:wait(function() return process.answers(port) end)
  local result = process.json(on_server_core(bench, ("%s http://127.0.0.1:%d/hook %d"):format(
    prototype(bench, "bare_send"), port, math.floor(bench.seconds * 40000))))
  child:stop()
  M.drop_folder(folder)
  return result
end

-- A server in a fresh folder, or in that one: server, folder. scripts: more of them, by name.
function M.serve(bench, wrap, scripts, folder)
  folder = folder or M.folder(bench)
  local server = project.serve {
    anzol = bench.anzol, dir = folder, core = bench.core_server, wrap = wrap, scripts = scripts,
  }
  return server, folder
end

-- Lives of events straight through the store, while no server has it (core/test/store_bench.c).
function M.fill(bench, options)
  package.cpath = bench.build .. "/test/?.so;" .. package.cpath
  return require("anzol_test.store").bench(options)
end

-- Durable ingest: nobody subscribes.
function M.ingest(bench, server, options, meanwhile)
  options = options or {}
  options.url = server:url "ingest"
  return M.post(bench, server.child, options, meanwhile)
end

-- An application and a message of it: the body of about 1 KiB that publish posts.
function M.prepare_publish(server, folder)
  server:post("app", '{"name":"bench","uid":"bench"}', 201)
  local body = folder .. "/message.json"
  local text = '{"eventType":"bench.push","payload":{"ref":"refs/heads/main","commits":[%s]}}'
  local commit = '{"id":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","message":"Measure it"}'
  process.write(body, text:format((commit .. ","):rep(12):sub(1, -2)))
  return body
end

-- Messages of an application without endpoints, over the API.
function M.publish(bench, server, body)
  return M.post(bench, server.child, { body = body, token = project.token,
    url = ("http://127.0.0.1:%d/api/v1/app/bench/msg?with_content=false"):format(server.admin) })
end

-- The whole way, to the sink. options{ count | rate, seconds, connections? }.
function M.whole_way(bench, child, options)
  local command = ("%s bench deliver --url %s --sink 127.0.0.1:%d --secret %s -c %d -o json")
    :format(bench.anzol, options.url, options.sink, project.secret,
      options.connections or CONNECTIONS)
  if options.count then command = command .. (" -n %d"):format(options.count) end
  if options.rate then
    command = command .. (" --rate %d -d %gs"):format(options.rate, options.seconds)
  end
  local cpu_s = child:cpu_s()
  local report = process.json(on_load_core(bench, command))
  -- What is committed after the last arrival belongs to it too.
  process.sleep(0.2)
  cpu_s = child:cpu_s() - cpu_s
  local received = report.received
  if received.count < report.posted.accepted or received.count == 0 then
    error(("%d of %d accepted webhooks did not arrive at the sink"):format(
      report.posted.accepted - received.count, report.posted.accepted), 0)
  end
  return {
    rate_per_s = received.ratePerS,
    cpu_us = cpu_s * 1e6 / received.count,
    latency_ms = received.latencyMs,
    ack_ms = report.posted.latencyMs,
  }
end

-- All instructions of a server's life in which count events went the whole way.
local function instructions(bench, count)
  local folder_out = M.folder(bench)
  local out = folder_out .. "/callgrind.out"
  local server, folder = M.serve(bench,
    "valgrind -q --tool=callgrind --callgrind-out-file=" .. process.quote(out))
  M.whole_way(bench, server.child,
    { url = server:url "github", sink = server.sink, count = count, connections = 16 })
  server:stop()
  local text = assert(process.read(out), "callgrind wrote nothing")
  M.drop_folder(folder)
  M.drop_folder(folder_out)
  return tonumber(text:match "\nsummary: (%d+)" or text:match "\ntotals: (%d+)")
end

-- Instructions an event: what twice the events cost more. Start and stop fall out.
function M.instructions_per_event(bench, count)
  local once = instructions(bench, count)
  return (instructions(bench, 2 * count) - once) / count
end

return M
