-- SPDX-License-Identifier: MIT
-- Processes of the bench: each is started under a shell that ends it when our end of a pipe closes,
-- so that nothing is left behind however the bench itself ends.
local json = require "dkjson"
local socket = require "socket"

local M = { sleep = socket.sleep, now = socket.gettime }

local GRACE_S = 15 -- from SIGTERM to SIGKILL
local running = {}

function M.quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

function M.read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

-- The output of a command; raises if it fails.
function M.capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  local is_good, how, code = pipe:close()
  if not is_good then error(("%s ended with %s %s:\n%s"):format(command, how, code, text), 0) end
  return text
end

-- Starts a command that prints one JSON object; its exit code does not matter. Returns a function
-- that waits for its end and gives the object.
function M.json_later(command)
  local pipe = assert(io.popen(command))
  return function()
    local text = pipe:read "a"
    pipe:close()
    local value = json.decode(text)
    return value or error(("%s printed no JSON:\n%s"):format(command, text), 0)
  end
end

function M.json(command) return M.json_later(command)() end

-- "taskset -c N command", where the machine has more than one core.
function M.pin(core, command)
  return M.has_cores and ("taskset -c %d %s"):format(core, command) or command
end

local Child = {}
Child.__index = Child

-- options{ command (a shell command, exec'ed), log }
function M.start(options)
  local pid_file = options.log .. ".pid"
  os.remove(pid_file)
  local script = ([[
    sh -c 'echo $$ >%s; exec %s' >%s 2>&1 &
    child=$!
    cat >/dev/null
    kill -TERM $child 2>/dev/null
    wait $child 2>/dev/null]]):format(pid_file, options.command:gsub("'", "'\\''"),
    M.quote(options.log))
  local child = setmetatable({ log = options.log }, Child)
  child.pipe = assert(io.popen(script, "w"))
  running[child] = true
  local deadline = M.now() + 5
  repeat
    M.sleep(0.005)
    child.pid = tonumber(M.read(pid_file) or "")
  until child.pid or M.now() > deadline
  os.remove(pid_file)
  return child.pid and child or error("could not start: " .. options.command, 0)
end

function Child:is_alive()
  local stat = M.read(("/proc/%d/stat"):format(self.pid))
  return stat ~= nil and not stat:find "%) Z "
end

-- What it printed. Ends it first.
function Child:stop()
  if running[self] then
    running[self] = nil
    os.execute(("kill -TERM %d 2>/dev/null"):format(self.pid))
    local deadline = M.now() + GRACE_S
    while self:is_alive() and M.now() < deadline do M.sleep(0.01) end
    os.execute(("kill -KILL %d 2>/dev/null"):format(self.pid))
    self.pipe:close()
  end
  return M.read(self.log) or ""
end

-- Waits until ask() is true; raises with the child's output when it ends before, or after 20 s.
function Child:wait(ask)
  local deadline = M.now() + 20
  while not ask() do
    if not self:is_alive() or M.now() > deadline then
      error("it does not serve; it said:\n" .. self:stop(), 0)
    end
    M.sleep(0.02)
  end
end

-- CPU seconds of all its threads so far.
function Child:cpu_s()
  local stat = assert(M.read(("/proc/%d/stat"):format(self.pid)), "the server is gone")
  local fields = {}
  for field in stat:match("%) (.*)"):gmatch "%S+" do fields[#fields + 1] = field end
  return (tonumber(fields[12]) + tonumber(fields[13])) / M.ticks_per_s
end

function Child:rss_mb()
  local status = assert(M.read(("/proc/%d/status"):format(self.pid)), "the server is gone")
  return tonumber(status:match "VmRSS:%s+(%d+)") / 1024
end

-- The share of all cores that was busy in the next seconds.
function M.busy_share(seconds)
  local function read()
    local total, idle, column = 0, 0, 0
    for ticks in M.read("/proc/stat"):match "cpu ([^\n]*)":gmatch "%d+" do
      column = column + 1
      total = total + tonumber(ticks)
      if column == 4 or column == 5 then idle = idle + tonumber(ticks) end -- idle, iowait
    end
    return total, idle
  end
  local total, idle = read()
  M.sleep(seconds)
  local total_after, idle_after = read()
  return 1 - (idle_after - idle) / (total_after - total)
end

function M.stop_all()
  for child in pairs(running) do child:stop() end
end

function M.free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return tonumber(port)
end

function M.answers(port)
  local client = socket.tcp()
  client:settimeout(0.5)
  local is_connected = client:connect("127.0.0.1", port)
  client:close()
  return is_connected ~= nil
end

M.ticks_per_s = tonumber(M.capture "getconf CLK_TCK")
M.has_cores = tonumber(M.capture "nproc") > 1

return M
