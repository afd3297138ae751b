-- SPDX-License-Identifier: MIT
-- Receivers of a queue in a process of their own, for specs that kill it: many connections beside each
-- other, each asks, works a little, and mostly acknowledges. What it was given, what it is about to say
-- and what was answered stands in a log before the next thing happens.
--   lua5.4 queue_client.lua PORT PATH SECRET LOG CONNECTIONS SEED
local socket = require "socket"
local json = require "dkjson"
local process = require "anzol_test.process"

local port, path, secret, log_path, connections, seed = table.unpack(arg)
port, connections = tonumber(port), tonumber(connections)
math.randomseed(tonumber(seed))
local log = assert(io.open(log_path, "a"))
log:setvbuf "no"

local RETRY_S, TIMEOUT_S = 0.05, 10
local reading, writing, wake_at = {}, {}, {} -- socket or coroutine -> what waits for it

local function say(...)
  log:write(table.concat({ process.mono_ms() // 1 | 0, ... }, " ") .. "\n") -- one write: a kill tears no line
end

local function sleep(seconds)
  wake_at[coroutine.running()] = socket.gettime() + seconds
  coroutine.yield()
end

-- Until the socket is ready, or too late: then false.
local function await(line, set)
  local co = coroutine.running()
  set[line], wake_at[co] = co, socket.gettime() + TIMEOUT_S
  local is_ready = coroutine.yield()
  set[line], wake_at[co] = nil, nil
  return is_ready
end

local function send(line, bytes)
  local at = 1
  while at <= #bytes do
    local sent, why, partial = line:send(bytes, at)
    at = (sent or partial or 0) + 1
    if not sent and (why ~= "timeout" or not await(line, writing)) then return nil end
  end
  return true
end

-- One answer: status and body, or nothing.
local function receive(line)
  local text = ""
  while true do
    local head = text:find("\r\n\r\n", 1, true)
    if head then
      local status = tonumber(text:match "^HTTP/1.1 (%d+)")
      local length = tonumber(text:lower():match "content%-length: (%d+)") or 0
      if #text >= head + 3 + length then return status, text:sub(head + 4, head + 3 + length) end
    end
    local part, why, partial = line:receive(65536)
    text = text .. (part or partial or "")
    if not part and why == "closed" then return nil end
    if not part and partial == "" and not await(line, reading) then return nil end
  end
end

local function connect()
  while true do
    local line = socket.tcp()
    line:settimeout(0)
    local ok, why = line:connect("127.0.0.1", port)
    if ok or why == "timeout" and await(line, writing) and line:getpeername() then
      line:setoption("tcp-nodelay", true)
      return line
    end
    line:close()
    sleep(RETRY_S)
  end
end

local function request(line, method, target, body)
  local head = ("%s %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"):format(method, target, secret)
  if body then head = head .. ("Content-Length: %d\r\n"):format(#body) end
  if not send(line, head .. "\r\n" .. (body or "")) then return nil end
  return receive(line)
end

-- Says it until it is answered: the server may end in between.
local function tell(line, verb, id, n, body)
  while true do
    say(verb, n, id)
    local status, answer = request(line, "POST", path .. "/" .. verb, json.encode(body))
    if status == 200 then
      say(json.decode(answer).done == 1 and verb .. "-done" or verb .. "-lost", n, id)
      return line
    end
    line:close()
    sleep(RETRY_S)
    line = connect()
  end
end

-- Milliseconds of an instant that the server tells.
local function ms_of(instant)
  local year, month, day, hour, min, sec, ms = instant:match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+).(%d+)Z$"
  return os.time { year = year, month = month, day = day, hour = hour, min = min, sec = sec } * 1000 + ms | 0
end

local function handle(line, message)
  local data = json.decode(message.body)
  say("given", data.n, message.id, ms_of(message.leaseUntil))
  sleep(math.random() * 0.02)
  local luck = math.random(100)
  if luck <= 3 then return line end -- forgotten: its lease ends
  if luck <= 6 then return tell(line, "nack", message.id, data.n, { ids = { message.id }, delay = 0 }) end
  if luck <= 9 then line = tell(line, "extend", message.id, data.n, { ids = { message.id }, lease = 2 }) end
  return tell(line, "ack", message.id, data.n, { ids = { message.id } })
end

local function run()
  local line = connect()
  while true do
    if math.random(50) == 1 then -- leaves while it waits
      send(line, ("GET %s?wait=5s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n"):format(path, secret))
      sleep(math.random() * 0.05)
      line:close()
      line = connect()
    end
    local status, body = request(line, "GET", path .. "?wait=2s&limit=" .. math.random(1, 4))
    if status == 200 then
      for _, message in ipairs(json.decode(body).data) do line = handle(line, message) end
    elseif status ~= 204 then
      line:close()
      sleep(RETRY_S)
      line = connect()
    end
  end
end

local function resume(co, is_ready)
  wake_at[co] = nil
  assert(coroutine.resume(co, is_ready))
end

for _ = 1, connections do resume(coroutine.create(run)) end
while true do
  local to_read, to_write, first = {}, {}, socket.gettime() + 1
  for line in pairs(reading) do to_read[#to_read + 1] = line end
  for line in pairs(writing) do to_write[#to_write + 1] = line end
  for _, at in pairs(wake_at) do first = math.min(first, at) end
  local readable, writable = socket.select(to_read, to_write, math.max(0, first - socket.gettime()))
  for _, line in ipairs(readable) do if reading[line] then resume(reading[line], true) end end
  for _, line in ipairs(writable) do if writing[line] then resume(writing[line], true) end end
  local now, late = socket.gettime(), {}
  for co, at in pairs(wake_at) do if at <= now then late[#late + 1] = co end end
  for _, co in ipairs(late) do if wake_at[co] then resume(co, false) end end
end
