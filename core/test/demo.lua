-- SPDX-License-Identifier: MIT
-- What `./dev run` shows: the default project serves, a signed GitHub webhook comes in, the server
-- is killed before it can send, starts again, and the webhook arrives signed at a local receiver.
-- usage: demo.lua ANZOL FOLDER [--once]
-- FOLDER is the caller's, as is what runs when this ends: the process in FOLDER/server.pid.
local socket = require "socket"

io.stdout:setvbuf "line"
local anzol, folder = arg[1], arg[2]
local once = arg[3] == "--once"
local SECRET = "demo-github-secret"
local RECEIVER_SECRET = "whsec_ZGVtby1yZWNlaXZlci1zZWNyZXQtMzItYnl0ZXM="
local is_terminal = os.execute("test -t 1") and not os.getenv "NO_COLOR"

local function paint(code, text)
  return is_terminal and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function shell(command)
  local pipe = assert(io.popen(command))
  local out = pipe:read "a"
  return (out:gsub("%s+$", "")), pipe:close()
end

local started = socket.gettime()
local function step(what, detail)
  print(("%s  %s %s"):format(paint("2", ("%7.3f s"):format(socket.gettime() - started)),
    paint("1;36", ("%-10s"):format(what)), detail))
end

local server = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

function server.start(receiver_port, listen, admin)
  server.log = ("%s/server-%d.log"):format(folder, (server.runs or 0) + 1)
  server.runs = (server.runs or 0) + 1
  server.pid = shell(("ANZOL_SECRET_GITHUB_WEBHOOK_SECRET=%s ANZOL_SECRET_RECEIVER_SECRET=%s " ..
    "RECEIVER_URL=http://127.0.0.1:%d/hook %s serve . --state-dir %s --listen %s " ..
    "--admin-listen %s >/dev/null 2>%s & echo $! | tee %s"):format(quote(SECRET),
    quote(RECEIVER_SECRET), receiver_port, quote(anzol), quote(folder), listen, admin,
    quote(server.log), quote(folder .. "/server.pid")))
  local deadline = socket.gettime() + 20
  while socket.gettime() < deadline do
    local file = io.open(server.log)
    local text = file and file:read "a" or ""
    if file then file:close() end
    local at, api = text:match "serving%s+listen=(%S+) admin=(%S+)"
    if at then
      server.listen, server.admin = at, api
      return
    end
    if not os.execute(("kill -0 %s 2>/dev/null"):format(server.pid)) then
      error("the server did not start:\n" .. text, 0)
    end
    socket.sleep(0.02)
  end
  error("the server did not say that it serves; its log is " .. server.log, 0)
end

function server.kill(signal)
  if server.pid then os.execute(("kill -%s %s 2>/dev/null"):format(signal, server.pid)) end
end

local function api(path)
  return shell(("curl -s --unix-socket %s http://localhost%s"):format(
    quote(folder .. "/anzol.sock"), quote(path)))
end

-- One request of the receiver's socket: headers (lower case) and body; nil if nobody came in time.
local function receive(listener, seconds)
  listener:settimeout(seconds)
  local client = listener:accept()
  if not client then return nil end
  client:settimeout(5)
  local request, headers = client:receive "*l", {}
  if not request then
    client:close()
    return {}
  end
  for line in function() return client:receive "*l" end do
    if line == "" then break end
    local name, value = line:match "^([^:]+):%s*(.*)$"
    if name then headers[name:lower()] = value end
  end
  local body = client:receive(tonumber(headers["content-length"] or 0)) or ""
  return { client = client, headers = headers, body = body }
end

-- 200 to what came, if it is whole and its sender is still there.
local function answer(request)
  local sent = request and request.client and request.headers["webhook-id"] and request.client:send(
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
  if request and request.client then request.client:close() end
  return sent
end

local function signature_is_right(request)
  local path = folder .. "/signed"
  local file = assert(io.open(path, "wb"))
  file:write(request.headers["webhook-id"], ".", request.headers["webhook-timestamp"], ".",
    request.body)
  file:close()
  local digest = shell(("openssl dgst -sha256 -mac HMAC -macopt " ..
    "hexkey:$(printf %%s %s | base64 -d | od -An -tx1 | tr -d ' \\n') -binary %s | base64")
    :format(quote(RECEIVER_SECRET:sub(7)), quote(path)))
  return request.headers["webhook-signature"] == "v1," .. digest
end

local function demonstrate()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  server.start(port, once and "127.0.0.1:0" or "127.0.0.1:8080",
    once and "127.0.0.1:0" or "127.0.0.1:8081")
  step("serving", ("the default project, scripts/ on http://%s"):format(server.listen))

  local out, ok = shell(("ANZOL_SECRET_GITHUB_WEBHOOK_SECRET=%s ANZOL_SECRET_RECEIVER_SECRET=%s " ..
    "RECEIVER_URL=http://127.0.0.1:%d/hook %s --socket %s trigger github --type push " ..
    "--fixture fixtures/github/push.json --listen %s -o json 2>&1"):format(quote(SECRET),
    quote(RECEIVER_SECRET), port, quote(anzol), quote(folder .. "/anzol.sock"), server.listen))
  local id = out:match '"id"%s*:%s*"(evt_%w+)"'
  if not ok or not id then error("the sample webhook was refused: " .. out, 0) end
  step("received", "POST /in/github, X-Hub-Signature-256 verified")
  step("stored", id .. " was synced to disk before the 200")

  server.kill "KILL"
  step("killed", "kill -9: the receiver has not answered yet")
  server.start(port, server.listen, server.admin)
  step("restarted", "the store is taken up where it stands")

  local request, delivery
  local deadline = socket.gettime() + 20
  repeat
    request = receive(listener, 1)
    -- The attempt of the killed server may lie in the socket: its answer would go nowhere.
    delivery = answer(request) and shell "sleep 0.3" and api("/api/v1/delivery?event=" .. id)
    local done = delivery and delivery:match '"state"%s*:%s*"succeeded"'
  until done or socket.gettime() > deadline
  if not delivery then error("nothing arrived at the receiver", 0) end
  step("handled", "scripts/ decided and made a new body: " .. request.body:sub(1, 90))
  step("signed", ("%s, %s"):format(request.headers["webhook-id"],
    signature_is_right(request) and "signature verified by openssl" or "SIGNATURE IS WRONG"))
  step("delivered", delivery:match '"state"%s*:%s*"succeeded"' and "200 from the receiver, recorded"
    or "the outcome is not recorded yet")
  if not signature_is_right(request) then error("the signature does not verify", 0) end
  return listener
end

local function go_on(listener)
  print(([[

%s
  export ANZOL_SOCKET=%s/anzol.sock \
    ANZOL_SECRET_GITHUB_WEBHOOK_SECRET=%s ANZOL_SECRET_RECEIVER_SECRET=%s
  build/anzol trigger github --type push --fixture fixtures/github/push.json   # send another
  build/anzol events list                                                      # what came in
  build/anzol deliveries list                                                  # what went out
  build/anzol reload                                        # after you changed scripts/*.lua
Ctrl-C stops the server.]]):format(paint("1", "The server goes on. Try in another terminal, here:"),
    folder, SECRET, RECEIVER_SECRET))
  while os.execute(("kill -0 %s 2>/dev/null"):format(server.pid)) do
    local request = receive(listener, 1)
    if answer(request) then
      step("delivered", ("%s: %s"):format(request.headers["webhook-id"], request.body:sub(1, 90)))
    end
  end
  error("the server ended; its last words:\n" .. shell("tail -3 " .. quote(server.log)), 0)
end

local ok, problem = pcall(function()
  local listener = demonstrate()
  if not once then go_on(listener) end
end)
if not ok then io.stderr:write(paint("1;31", "failed: "), tostring(problem), "\n") end
os.exit(ok and 0 or 1)
