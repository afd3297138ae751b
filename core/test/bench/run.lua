-- SPDX-License-Identifier: MIT
-- `./dev bench`: the figures of performance, beside bare prototypes in the same run.
-- usage: run.lua BUILD [--quick] [--callgrind] [--full] [-o FILE]
-- Medians of three rounds; in a round a prototype and what it is compared with follow each other,
-- and a ratio is the median of the rounds' ratios. On a machine with two cores or more the server
-- has core 0 to itself, the load and the sink share core 1.
local here = arg[0]:match "^(.*)/" or "."
package.path = here .. "/?.lua;" .. package.path

local json = require "dkjson"
local figures = require "figures"
local fair = require "fair"
local full = require "full"
local lists = require "lists"
local measure = require "measure"
local peers = require "peers"
local polls = require "polls"
local process = require "process"
local queues = require "queues"
local scripts = require "scripts"

local USAGE = "usage: run.lua BUILD [--quick] [--callgrind] [--full] [-o FILE]"

local function parse(argv)
  local options = { build = argv[1] }
  local i = 2
  while i <= #argv do
    if argv[i] == "--quick" then options.is_quick = true
    elseif argv[i] == "--callgrind" then options.has_callgrind = true
    elseif argv[i] == "--full" then options.is_full = true
    elseif argv[i] == "-o" and argv[i + 1] then
      options.output = argv[i + 1]
      i = i + 1
    else
      io.stderr:write(USAGE, "\n")
      os.exit(2)
    end
    i = i + 1
  end
  if not options.build then
    io.stderr:write(USAGE, "\n")
    os.exit(2)
  end
  return options
end

local function machine()
  local cpu = (process.read "/proc/cpuinfo"):match "model name%s*:%s*([^\n]+)" or "unknown CPU"
  local memory_kb = tonumber((process.read "/proc/meminfo"):match "MemTotal:%s+(%d+)")
  return ("%s, %s cores, %.1f GiB, Linux %s"):format(cpu, process.capture("nproc"):match "%d+",
    memory_kb / 1048576, process.capture("uname -r"):match "%S+")
end

local function commit()
  local id = process.capture("git rev-parse --short HEAD 2>/dev/null || echo none"):match "%S+"
  local changes = process.capture "git status --porcelain --untracked-files=no 2>/dev/null || true"
  return changes == "" and id or id .. " and changes"
end

-- Others that work on the machine make every rate smaller; CPU an event suffers less.
local BUSY_SHARE_MAX = 0.1

local function rounds(bench, what, run)
  local results = {}
  for i = 1, bench.round_count do
    bench.say(("%s, round %d of %d"):format(what, i, bench.round_count))
    results[i] = run()
  end
  return results
end

local function pick(results, field)
  local runs = {}
  for i, result in ipairs(results) do runs[i] = result[field] end
  return runs
end

local function ratios(results, other, field)
  local runs = {}
  for i, result in ipairs(results) do runs[i] = result[field] / other[i][field] end
  return runs
end

local function ratios_of(results, field, other)
  local runs = {}
  for i, result in ipairs(results) do runs[i] = result[field] / result[other] end
  return runs
end

local function latencies(results, field, quantile)
  local runs = {}
  for i, result in ipairs(results) do runs[i] = result[field][quantile] end
  return runs
end

local function run_prototypes(bench)
  local all = bench.figures
  all:heading "Bare prototypes: what the libraries alone can do"
  local fsync = rounds(bench, "append and fsync", function() return measure.bare_fsync(bench) end)
  bench.fsync_p50_ms = all:add { id = "fsync.p50", name = "append 4 KiB and fsync, p50",
    unit = "ms", runs = pick(fsync, "p50Ms") }
  for _, mode in ipairs { "direct", "resume" } do
    local results = rounds(bench, "libmicrohttpd, " .. mode,
      function() return measure.bare_receive(bench, mode) end)
    local name = mode == "direct" and "receive" or "receive, suspend and resume"
    all:add { id = "bare.receive." .. mode, name = name, unit = "/s",
      runs = pick(results, "rate_per_s") }
    all:add { id = "bare.receive." .. mode .. ".cpu", name = "  CPU a request", unit = "us",
      runs = pick(results, "cpu_us") }
  end
  for _, batch in ipairs { 64, 512 } do
    local results = rounds(bench, ("SQLite, whole life, %d a commit"):format(batch),
      function() return measure.bare_life(bench, batch) end)
    all:add { id = "bare.life." .. batch, name = ("store a whole life, %d a commit"):format(batch),
      unit = "/s", runs = pick(results, "ratePerS") }
    all:add { id = "bare.life." .. batch .. ".cpu", name = "  CPU an event", unit = "us",
      runs = pick(results, "cpuUsPerEvent") }
  end
  local sent = rounds(bench, "curl multi", function() return measure.bare_send(bench) end)
  all:add { id = "bare.send", name = "send, 64 in flight", unit = "/s",
    runs = pick(sent, "ratePerS") }
  all:add { id = "bare.send.cpu", name = "  CPU a send", unit = "us",
    runs = pick(sent, "cpuUsPerSend") }
end

-- The same over the API, as a message of an application.
local function run_publish(bench, server, folder, ingested)
  local all = bench.figures
  local body = measure.prepare_publish(server, folder)
  local results = rounds(bench, "publish",
    function() return measure.publish(bench, server, body) end)
  all:add { id = "publish.rate", name = "published over the API", unit = "/s",
    runs = pick(results, "rate_per_s") }
  all:add { id = "publish.cpu", name = "  CPU a message", unit = "us",
    runs = pick(results, "cpu_us") }
  all:add { id = "publish.ratio", name = "  rate, of ingest", unit = "",
    runs = ratios(results, ingested, "rate_per_s"), at_least = 0.6 }
end

-- P1: prototype and server in turns.
local function run_ingest(bench)
  local all, bare, peer = bench.figures, {}, {}
  local server, folder = measure.serve(bench)
  process.sleep(1)
  bench.idle_mb = server.child:rss_mb()
  local results = rounds(bench, "durable ingest, its prototype and peer", function()
    bare[#bare + 1] = measure.bare_receive(bench, "commit")
    peer[#peer + 1] = peers.ingest(bench)
    return measure.ingest(bench, server)
  end)
  all:heading "P1  Durable ingest: verified, on disk, then 200; one worker, 64 connections"
  all:add { id = "p1.rate", name = "rate", unit = "/s", runs = pick(results, "rate_per_s"),
    at_least = 40000 }
  all:add { id = "p1.cpu", name = "CPU an event, all threads", unit = "us",
    runs = pick(results, "cpu_us"), at_most = 24 }
  all:add { id = "p1.bare", name = "prototype: receive and group commit", unit = "/s",
    runs = pick(bare, "rate_per_s") }
  all:add { id = "p1.bare.cpu", name = "prototype: CPU an event", unit = "us",
    runs = pick(bare, "cpu_us") }
  all:add { id = "p1.ratio", name = "rate, of the prototype", unit = "",
    runs = ratios(results, bare, "rate_per_s"), at_least = 0.8 }
  all:add { id = "p1.cpu.ratio", name = "prototype's CPU, of ours", unit = "",
    runs = ratios(bare, results, "cpu_us") }
  if #peer > 0 then
    all:add { id = "p1.peer", name = "hand-made Node group commit", unit = "/s",
      runs = pick(peer, "rate_per_s") }
    all:add { id = "p1.peer.ratio", name = "rate, of that", unit = "",
      runs = ratios(results, peer, "rate_per_s"), at_least = 1.4 }
  end
  all:add { id = "p1.load.cpu", name = "(the generator: CPU a request)", unit = "us",
    runs = pick(results, "load_cpu_us") }
  run_publish(bench, server, folder, results)
  bench.peak_per_s = figures.median(pick(results, "rate_per_s"))
  bench.ingest_mb = server.child:rss_mb()
  server:stop()
  measure.drop_folder(folder)
end

-- P2.
local function run_whole_way(bench)
  local all, peer = bench.figures, {}
  local server, folder = measure.serve(bench)
  local count = math.floor(bench.seconds * 15000)
  local results = rounds(bench, "end to end, and its peer", function()
    peer[#peer + 1] = peers.whole_way(bench, count)
    return measure.whole_way(bench, server.child,
      { url = server:url "github", sink = server.sink, count = count })
  end)
  all:heading "P2  End to end: a Lua handler reads JSON, makes a new body; signed; attempt recorded"
  all:add { id = "p2.rate", name = "rate, one core", unit = "/s",
    runs = pick(results, "rate_per_s"), at_least = 15000 }
  all:add { id = "p2.cpu", name = "CPU an event, all threads", unit = "us",
    runs = pick(results, "cpu_us"), at_most = 60 }
  if #peer > 0 then
    all:add { id = "p2.peer", name = "hand-written Node outbox", unit = "/s",
      runs = pick(peer, "rate_per_s") }
    all:add { id = "p2.peer.ratio", name = "rate, of that", unit = "",
      runs = ratios(results, peer, "rate_per_s"), at_least = 1.4 }
  end
  bench.whole_way_mb = server.child:rss_mb()
  server:stop()
  measure.drop_folder(folder)
end

-- P3.
local function run_latency(bench)
  local all = bench.figures
  local server, folder = measure.serve(bench)
  local alone = rounds(bench, "acknowledgement at one connection",
    function() return measure.ingest(bench, server, { connections = 1 }) end)
  local half = rounds(bench, "acknowledgement at half of the peak",
    function() return measure.ingest(bench, server, { rate = bench.peak_per_s // 2 }) end)
  local way = rounds(bench, "received to delivered at 1,000 events/s", function()
    return measure.whole_way(bench, server.child, { url = server:url "github",
      sink = server.sink, rate = 1000, seconds = bench.seconds })
  end)
  all:heading "P3  Latency"
  all:add { id = "p3.alone.p50", name = "acknowledged, one connection, p50", unit = "ms",
    runs = latencies(alone, "latency_ms", "p50"), at_most = bench.fsync_p50_ms + 0.3 }
  all:add { id = "p3.half.p50", name = "acknowledged, half of the peak load, p50", unit = "ms",
    runs = latencies(half, "latency_ms", "p50") }
  all:add { id = "p3.half.p99", name = "acknowledged, half of the peak load, p99", unit = "ms",
    runs = latencies(half, "latency_ms", "p99"), at_most = 10 }
  all:add { id = "p3.way.p50", name = "received to delivered, 1,000/s, p50", unit = "ms",
    runs = latencies(way, "latency_ms", "p50"), at_most = 5 }
  all:add { id = "p3.way.p99", name = "received to delivered, 1,000/s, p99", unit = "ms",
    runs = latencies(way, "latency_ms", "p99"), at_most = 25 }
  server:stop()
  measure.drop_folder(folder)
end

local function run_scripts(bench)
  local all = bench.figures
  local costs = rounds(bench, "handlers", function() return scripts.handlers(bench) end)
  all:heading "Scripts: CPU of a handler from start to end, outbox made, store and sending apart"
  all:add { id = "handler.empty", name = "empty", unit = "us", runs = pick(costs, "empty") }
  all:add { id = "handler.plain", name = "forwards the received bytes", unit = "us",
    runs = pick(costs, "plain") }
  all:add { id = "handler.json", name = "reads JSON of 1 KiB, sends a new body", unit = "us",
    runs = pick(costs, "json") }
  all:add { id = "handler.wait", name = "a wait (anzol.sleep(0), against empty)", unit = "us",
    runs = { figures.median(pick(costs, "sleep")) - figures.median(pick(costs, "empty")) } }
  all:add { id = "generation.idle", name = "a state of 100 scripts, idle", unit = "KiB",
    runs = { scripts.idle_kib(bench) } }
end

-- P7.
local function run_reload(bench)
  local all = bench.figures
  local results = rounds(bench, "reloads of 100 scripts at half of the peak",
    function() return scripts.reload(bench, bench.peak_per_s // 2) end)
  all:heading "P7  Reload of 100 scripts under load, every 250 ms"
  all:add { id = "p7.reload", name = "until the new generation serves, the slowest", unit = "ms",
    runs = pick(results, "worst_ms"), at_most = 200 }
  all:add { id = "p7.calm", name = "acknowledged without reloads, p99", unit = "ms",
    runs = pick(results, "calm_p99_ms") }
  all:add { id = "p7.busy", name = "acknowledged meanwhile, p99", unit = "ms",
    runs = pick(results, "p99_ms") }
  all:add { id = "p7.ratio", name = "  of that without", unit = "",
    runs = ratios_of(results, "p99_ms", "calm_p99_ms"), at_most = 2 }
end

-- P6.
local function run_fair(bench)
  local all, calm, ill, ratio, bare = bench.figures, {}, {}, {}, {}
  rounds(bench, "one endpoint that hangs and one that fails among 1,000", function()
    local result = fair.measure(bench)
    calm[#calm + 1], ill[#ill + 1] = result.calm.p99, result.ill.p99
    ratio[#ratio + 1] = result.ill.p99 / result.calm.p99
    bare[#bare + 1] = result.without_breaker.p99 / result.calm.p99
  end)
  all:heading "P6  One endpoint that hangs and one that answers 500 among 1,000"
  all:add { id = "p6.calm", name = "received to delivered, all well, p99", unit = "ms",
    runs = calm }
  all:add { id = "p6.ill", name = "  with those two, the others' p99", unit = "ms", runs = ill }
  all:add { id = "p6.ratio", name = "  of that without", unit = "", runs = ratio, at_most = 1.2 }
  all:add { id = "p6.bare", name = "  the same with breaker = false", unit = "", runs = bare }
end

local RECEIVERS = 10000

local function run_queues(bench)
  local all = bench.figures
  local results = rounds(bench, RECEIVERS .. " receivers that wait at a queue",
    function() return queues.measure(bench, RECEIVERS) end)
  all:heading(("Queues  %d receivers that wait"):format(RECEIVERS))
  all:add { id = "queue.bytes", name = "memory for each", unit = "B",
    runs = pick(results, "bytes_each"), at_most = 20480 }
  all:add { id = "queue.cpu", name = "CPU while nothing comes, of a core", unit = "",
    runs = pick(results, "cpu_share"), at_most = 0.01 }
  all:add { id = "queue.p50", name = "received to receiver at 1,000/s, p50", unit = "ms",
    runs = pick(results, "p50_ms") }
  all:add { id = "queue.p99", name = "received to receiver at 1,000/s, p99", unit = "ms",
    runs = pick(results, "p99_ms"), at_most = 10 }
end

local function run_lists(bench)
  local all = bench.figures
  local count = bench.is_full and 5000000 or bench.is_quick and 20000 or 200000
  bench.say(("lists of %d messages"):format(count))
  local result = lists.measure(bench, count)
  bench.say("the worst p95: " .. result.worst)
  all:heading(("Lists  Pages of 250 with any filter, %d messages of one endpoint"):format(count))
  all:add { id = "lists.p50", name = "a page, p50", unit = "ms", runs = { result.p50_ms } }
  all:add { id = "lists.slowest", name = "a page of the slowest list, p50", unit = "ms",
    runs = { result.slowest_ms }, at_most = 5 }
  all:add { id = "lists.p95", name = "a page of the list with the worst p95, p95", unit = "ms",
    runs = { result.p95_ms }, at_most = 5 }
  all:add { id = "lists.stats", name = "statistics of the endpoint, p50", unit = "ms",
    runs = { result.stats_ms }, at_most = 5 }
end

local function report_memory(bench)
  local all = bench.figures
  all:heading "Memory (RSS)"
  all:add { id = "rss.idle", name = "idle", unit = "MiB", runs = { bench.idle_mb }, at_most = 20 }
  all:add { id = "rss.ingest", name = "after P1", unit = "MiB", runs = { bench.ingest_mb } }
  all:add { id = "rss.whole_way", name = "after P2", unit = "MiB", runs = { bench.whole_way_mb } }
end

local function run_callgrind(bench)
  bench.say "instructions an event, under callgrind (slow)"
  bench.figures:heading "Instructions"
  bench.figures:add { id = "instructions", name = "an event, end to end", unit = "instructions",
    runs = { measure.instructions_per_event(bench, bench.is_quick and 500 or 2000) } }
end

local function run_polls(bench)
  local all = bench.figures
  bench.say "polls, each every ten seconds"
  local result = polls.measure(bench)
  all:heading(("%d polls, each every ten seconds, of a source without news"):format(result.count))
  all:add { id = "polls.rate", name = "runs", unit = "/s", runs = { result.rate_per_s } }
  all:add { id = "polls.cpu", name = "CPU a run: Lua, exchange, commit", unit = "us",
    runs = { result.cpu_us } }
  all:add { id = "polls.memory", name = "memory each", unit = "KiB", runs = { result.kib } }
  all:add { id = "polls.busiest", name = "in the busiest second, of an even share", unit = "",
    runs = { result.busiest } }
end

-- P4 and P5.
local function run_full(bench)
  local all = bench.figures
  local store = full.prepare(bench)
  local rate, cpu, ingest, start = {}, {}, {}, {}
  rounds(bench, "the whole way in a full and an empty store", function()
    local filled, empty = full.measure(bench, store), full.measure(bench)
    rate[#rate + 1] = filled.rate_per_s / empty.rate_per_s
    cpu[#cpu + 1] = empty.cpu_us / filled.cpu_us
    ingest[#ingest + 1] = filled.ingest_per_s / empty.ingest_per_s
    start[#start + 1] = filled.start_s
  end)
  local what = ("%d retained, %d pending"):format(store.retained, store.pending)
  all:heading("P5  A full store (" .. what .. ") against an empty one")
  all:add { id = "p5.rate", name = "rate of the whole way, of the empty one's", unit = "",
    runs = rate, at_least = 0.85 }
  all:add { id = "p5.cpu", name = "  the empty one's CPU an event, of ours", unit = "", runs = cpu }
  all:add { id = "p5.ingest", name = "rate of durable ingest, of the empty one's", unit = "",
    runs = ingest, at_least = 0.85 }
  all:add { id = "p5.start", name = "start", unit = "s", runs = start, at_most = 1 }
  local memory = full.memory(bench, store)
  all:heading(("P4  Memory (RSS), %d endpoints, %s"):format(store.endpoints, what))
  all:add { id = "p4.empty", name = "an empty store, one endpoint", unit = "MiB",
    runs = { memory.empty_mb } }
  all:add { id = "p4.endpoints", name = "more: the endpoints, nothing pending", unit = "MiB",
    runs = { memory.endpoints_mb }, at_most = 64 }
  all:add { id = "p4.down", name = "more: all pending, all receivers down", unit = "MiB",
    runs = { memory.down_mb }, at_most = 64 }
  all:add { id = "p4.hang", name = "more: all pending, all receivers hang", unit = "MiB",
    runs = { memory.hang_mb } }
  measure.drop_folder(store.folder)
end

local function report(bench, options)
  local about = { machine = machine(), commit = commit(), date = os.date "!%Y-%m-%dT%H:%M:%SZ" }
  io.write(("\n%s\ncommit %s, %s%s\n"):format(about.machine, about.commit, about.date,
    process.has_cores and "; server on core 0, load and sink on core 1" or ""))
  if bench.busy_share > BUSY_SHARE_MAX then
    io.write(("Not alone: %.0f %% of the machine was busy before the bench began; don't quote " ..
      "these rates.\n"):format(bench.busy_share * 100))
  end
  if options.is_quick then io.write "A quick run: one round of a second, rough figures.\n" end
  bench.figures:print(function(text) io.write(text) end)
  if not options.output then return end
  about.isQuick = options.is_quick or false
  about.busyShare = bench.busy_share
  about.figures = bench.figures:list()
  process.write(options.output, json.encode(about, { indent = true }) .. "\n")
end

local function main()
  local options = parse(arg)
  local started = process.now()
  local bench = {
    build = options.build,
    anzol = options.build .. "/anzol",
    scripts = here,
    folder = process.capture("mktemp -d"):match "%S+",
    seconds = options.is_quick and 1 or 5,
    round_count = options.is_quick and 1 or 3,
    is_quick = options.is_quick,
    is_full = options.is_full,
    core_server = 0,
    core_load = 1,
    figures = figures.new(),
    say = function(text)
      io.stderr:write(("[%5.1f s] %s\n"):format(process.now() - started, text))
    end,
  }
  local is_good, why = pcall(function()
    bench.say "looking whether the machine is idle"
    bench.busy_share = process.busy_share(2)
    peers.prepare(bench)
    run_prototypes(bench)
    run_ingest(bench)
    run_whole_way(bench)
    run_latency(bench)
    run_scripts(bench)
    run_reload(bench)
    run_fair(bench)
    run_queues(bench)
    run_polls(bench)
    run_lists(bench)
    report_memory(bench)
    if options.is_full then run_full(bench) end
    if options.has_callgrind then run_callgrind(bench) end
    report(bench, options)
  end)
  process.stop_all()
  os.execute("rm -rf " .. process.quote(bench.folder))
  if not is_good then
    io.stderr:write("bench: ", tostring(why), "\n")
    os.exit(1)
  end
end

main()
