-- SPDX-License-Identifier: MIT
-- The judge: compares what was acknowledged (the ledger), what is stored (the API) and what arrived
-- (the receiver). Pure but for the files and the server it is given. It complains in words.

local Judge = {}
Judge.__index = Judge

-- expected(number) -> the paths at which a webhook of that number must arrive. forwarded: those of
-- them that must carry the very bytes that were acknowledged.
function Judge.new(options)
  return setmetatable({
    expected = options.expected, forwarded = options.forwarded or {},
    acknowledged = {}, -- key -> { id, hash, number }
    acknowledged_count = 0,
    open = {},         -- key -> true: not everything arrived yet
    unjudged = {},     -- event ids that the store must still show
    arrived = {},      -- key -> { path -> { id, hash } }
    repeats = 0,
    complaints = {},
  }, Judge)
end

function Judge:complain(text, ...)
  if #self.complaints < 20 then self.complaints[#self.complaints + 1] = text:format(...) end
end

local function note_line(self, line)
  local id, key, hash = line:match "^(%S+) (%S+) (%S+)$"
  local before = self.acknowledged[key]
  if before then
    if before.id ~= id then
      self:complain("key %s has two events: %s and %s", key, before.id, id)
    end
    return
  end
  self.acknowledged[key] = { id = id, hash = hash, number = tonumber(key:match "(%d+)$") }
  self.acknowledged_count = self.acknowledged_count + 1
  self.open[key] = true
  self.unjudged[id] = key
end

-- Reads what the ledger has more by now.
function Judge:read_ledger(path)
  local file = assert(io.open(path, "rb"))
  file:seek("set", self.ledger_offset or 0)
  for line in file:lines "L" do
    if line:sub(-1) ~= "\n" then break end
    self.ledger_offset = (self.ledger_offset or 0) + #line
    note_line(self, line:sub(1, -2))
  end
  file:close()
end

local function check_same(self, key, record)
  local arrived = self.arrived[key]
  if not arrived then
    arrived = {}
    self.arrived[key] = arrived
  end
  local before = arrived[record.path]
  if not before then
    arrived[record.path] = { id = record.id, hash = record.hash }
    return
  end
  self.repeats = self.repeats + 1
  if before.id ~= record.id then
    self:complain("%s at %s has two messages: %s and %s", key, record.path, before.id, record.id)
  end
  if before.hash ~= record.hash then
    self:complain("%s at %s: the bytes changed between attempts", key, record.path)
  end
end

-- Takes records of the receiver.
function Judge:read_records(records)
  for _, record in ipairs(records) do
    local key = record.body:match '"key":%s*"([^"]*)"'
    if key then
      check_same(self, key, record)
    else
      self:complain("a body without a key arrived at %s: %s", record.path, record.body:sub(1, 80))
    end
  end
end

-- acknowledged ⊆ stored: asks the server for its events, newest first, as far back as needed.
function Judge:check_stored(server)
  local left = 0
  for _ in pairs(self.unjudged) do left = left + 1 end
  if left == 0 then return end
  server:list("/api/v1/event", function(event)
    if self.unjudged[event.id] then
      self.unjudged[event.id] = nil
      left = left - 1
    end
    return left == 0
  end)
  for id, key in pairs(self.unjudged) do
    self:complain("acknowledged but not stored: %s (key %s)", id, key)
    self.unjudged[id] = nil
  end
end

local function is_complete(self, key)
  local arrived = self.arrived[key]
  if not arrived then return false end
  for _, path in ipairs(self.expected(self.acknowledged[key].number)) do
    if not arrived[path] then return false end
  end
  return true
end

-- How many acknowledged webhooks have not arrived everywhere; the others are checked and closed.
function Judge:open_count()
  local count = 0
  for key in pairs(self.open) do
    if is_complete(self, key) then
      self:check_bytes(key)
      self.open[key] = nil
    else
      count = count + 1
    end
  end
  return count
end

function Judge:check_bytes(key)
  local wanted = self.acknowledged[key]
  for _, path in ipairs(self.forwarded) do
    local arrived = self.arrived[key][path]
    if arrived and arrived.hash ~= wanted.hash then
      self:complain("%s arrived with other bytes at %s", key, path)
    end
  end
end

-- acknowledged ⊆ delivered ∪ pending ∪ dead: what has not arrived must be visible as work to do.
function Judge:check_open(server)
  for key in pairs(self.open) do
    local id = self.acknowledged[key].id
    local event, status = server:get("/api/v1/event/" .. id)
    if status ~= 200 then
      self:complain("acknowledged, not arrived, not stored: %s (key %s)", id, key)
    elseif event.state == "handled" then
      local deliveries = server:list("/api/v1/delivery?event=" .. id)
      if #deliveries == 0 then
        self:complain("handled without a delivery: %s (key %s)", id, key)
      end
    end
  end
end

-- Drops what is settled, so that a long campaign stays small; ids of messages are kept a while.
function Judge:forget()
  for key in pairs(self.arrived) do
    if not self.open[key] and self.acknowledged[key] then
      self.arrived[key] = nil
      self.acknowledged[key] = nil
    end
  end
end

-- Everything wrong so far, as one text; "" if nothing.
function Judge:verdict()
  return table.concat(self.complaints, "\n")
end

return Judge
