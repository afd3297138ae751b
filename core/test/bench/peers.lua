-- SPDX-License-Identifier: MIT
-- What people write by hand instead, measured in the same round, where Node and npm are installed:
-- peer_node.js with better-sqlite3 and undici, which are installed into the build folder once.
-- Without them the bench goes on without this comparison.
local measure = require "measure"
local process = require "process"
local project = require "project"

local M = {}

local PACKAGES = "better-sqlite3@11.10.0 undici@6.29.1"

local function has(command) return os.execute("command -v " .. command .. " >/dev/null 2>&1") end

local function works(folder)
  return os.execute(("cd %s 2>/dev/null && node -e 'require(\"undici\"); " ..
    "new (require(\"better-sqlite3\"))(\":memory:\")' >/dev/null 2>&1"):format(
    process.quote(folder)))
end

-- Finds or installs the packages; bench.peer is their folder, or nil.
function M.prepare(bench)
  local folder = process.capture("realpath " .. process.quote(bench.build)):match "[^\n]+" ..
    "/peer"
  if not has "node" or not has "npm" then
    bench.say "no node and npm: the hand-made peer is left out"
    return
  end
  if not works(folder) then
    bench.say("installing " .. PACKAGES .. " for the hand-made peer (once, a minute or two)")
    os.execute(("npm install --prefix %s --no-audit --no-fund --silent %s >/dev/null 2>&1")
      :format(process.quote(folder), PACKAGES))
  end
  if works(folder) then
    bench.peer = folder
  else
    bench.say(PACKAGES .. " can't be installed here: the hand-made peer is left out")
  end
end

local function start(bench, sink)
  local folder, port = measure.folder(bench), process.free_port()
  local command = ("node %s/peer_node.js %d %s/peer.db"):format(bench.scripts, port, folder)
  if sink then command = ("%s http://127.0.0.1:%d/hook"):format(command, sink) end
  local child = process.start {
    command = ("env SECRET=%s NODE_MODULES=%s %s"):format(
      project.secret, bench.peer, process.pin(bench.core_server, command)),
    log = folder .. "/log",
  }
  child:wait(function() return process.answers(port) end)
  return child, ("http://127.0.0.1:%d/in/github"):format(port), folder
end

-- nil without the peer.
function M.ingest(bench)
  if not bench.peer then return nil end
  local child, url, folder = start(bench)
  local result = measure.post(bench, child, { url = url })
  child:stop()
  measure.drop_folder(folder)
  return result
end

function M.whole_way(bench, count)
  if not bench.peer then return nil end
  local sink = process.free_port()
  local child, url, folder = start(bench, sink)
  local result = measure.whole_way(bench, child, { url = url, sink = sink, count = count })
  child:stop()
  measure.drop_folder(folder)
  return result
end

return M
