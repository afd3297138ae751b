-- A listener with a scripted handler and raw clients on one loop, turned by hand: what a spec of
-- HTTP in stands on.
local http = require "anzol_test.http"

local M = { http = http }

local TURNS_MAX = 400 -- of at most 5 ms each

local Rig = {}
Rig.__index = Rig

-- Turns the loop until done() is true. False: it never was.
function Rig:wait(done)
  for _ = 1, TURNS_MAX do
    if done() then return true end
    self.server:turn(5)
  end
  return done()
end

-- Lets everything that is under way happen.
function Rig:settle()
  for _ = 1, 4 do self.server:turn(1) end
end

function Rig:connect()
  local client = http.connect(self.address)
  self.clients[#self.clients + 1] = client
  return client
end

-- Sends all of it, however small the socket's buffer. Gives up when the server hangs up.
function Rig:send(client, bytes)
  while #bytes > 0 do
    local sent, reason = client:send(bytes)
    if not sent then return nil, reason end
    bytes = bytes:sub(sent + 1)
    if sent == 0 then self.server:turn(1) end
  end
  return true
end

-- Splits what came back into answers. Interim ones (100) are counted apart.
function M.parse(text)
  local answers = { interim = 0 }
  while true do
    local head_end = text:find("\r\n\r\n", 1, true)
    if not head_end then break end
    local answer = { status = tonumber(text:match "^HTTP/1%.1 (%d%d%d)"), headers = {} }
    for name, value in text:sub(1, head_end + 1):gmatch "\r\n([^:\r]+): ?([^\r]*)" do
      answer.headers[name:lower()] = value
    end
    local length = tonumber(answer.headers["content-length"] or 0)
    if answer.status == 100 then
      answers.interim = answers.interim + 1
      length = 0
    elseif #text < head_end + 3 + length then
      break
    else
      answer.body = text:sub(head_end + 4, head_end + 3 + length)
      answers[#answers + 1] = answer
    end
    text = text:sub(head_end + 4 + length)
  end
  answers.rest = text
  return answers
end

-- Reads until `count` answers came or the connection ended.
-- Returns the answers; their field `state` is "again", "closed" or "reset".
function Rig:read(client, count)
  local text, state = "", "again"
  self:wait(function()
    local piece
    repeat
      piece, state = client:receive()
      text = text .. (piece or "")
    until not piece
    return state ~= "again" or #M.parse(text) >= count
  end)
  local answers = M.parse(text)
  answers.state = state
  return answers
end

-- Sends the pieces with a turn of the loop after each, and reads the answers.
function Rig:exchange(pieces, count)
  local client = self:connect()
  for _, piece in ipairs(type(pieces) == "string" and { pieces } or pieces) do
    if not self:send(client, piece) then break end
    self.server:turn()
  end
  return self:read(client, count or 1), client
end

-- Is the connection closed (soon)?
function Rig:is_closed(client)
  return self:wait(function()
    local piece, state = client:receive()
    return not piece and state ~= "again"
  end)
end

-- Lets so much of the fake time pass, and the timer of the deadlines run.
function Rig:pass(ms)
  http.clock_advance(ms)
  self.server:check_deadlines()
  self:settle()
end

-- Callbacks that answer everything at once and keep what they saw in `log`.
function M.echo(log)
  return {
    request = function(request)
      log[#log + 1] = request:method() .. " " .. request:path()
      request:respond(200, ('{"bytes":%d}'):format(#request:body()))
    end,
  }
end

-- Runs test(rig) with a server of these callbacks; closes everything whatever happens.
function M.run(callbacks, options, test)
  local server = http.open(callbacks, options)
  local address = options and options.unix or server:name()
  local rig = setmetatable({ server = server, address = address, clients = {} }, Rig)
  local results = table.pack(pcall(test, rig))
  for _, client in ipairs(rig.clients) do client:close() end
  server:close()
  http.clock_real()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- A POST with a stated length.
function M.post(path, body, headers)
  return ("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s"):format(
    path, #body, headers or "", body)
end

-- A POST in chunks.
function M.chunked(path, chunks, headers)
  local parts = {
    ("POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n"):format(
      path, headers or "") }
  for _, chunk in ipairs(chunks) do
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#chunk, chunk)
  end
  parts[#parts + 1] = "0\r\n\r\n"
  return table.concat(parts)
end

return M
