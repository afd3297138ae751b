-- SPDX-License-Identifier: MIT
-- Batches in a test: runs of a key that are handled together, as core/store/sqlite_batch.c has it.
-- The first run of a batch stands for all of it; the batches of a key go one after another.
local Batches = {}
Batches.__index = Batches

local M = {}

local BYTES_MAX = 1024 * 1024 -- as LIMIT_BATCH_BYTES of the core
local COLLAPSED = "a newer event of its batch came"

-- start(run): its batch has closed, and its turn has come.
function M.new(timeline, start)
  return setmetatable({ timeline = timeline, start = start, lines = {} }, Batches)
end

-- Calls fn with each run that this one stands for.
function M.each(run, fn)
  for _, one in ipairs(run.batch and run.batch.runs or { run }) do fn(one) end
end

-- What the core is told of them; nil: it is no batch.
function M.members(run)
  if not run.batch then return nil end
  local members = {}
  for i, one in ipairs(run.batch.runs) do
    members[i] = { event = one.event.hidden.handle, first_ordinal = one.first_ordinal,
      ordinal_count = one.ordinal_count }
  end
  return members
end

local function start_when_due(self, batch)
  if batch.line[1] ~= batch or batch.is_started or batch.close_ms > self.timeline.now_ms then
    return
  end
  batch.is_started = true
  self.start(batch.runs[1])
end

-- Looks again when it closes.
local function watch(self, batch)
  self.timeline:after(batch.close_ms - self.timeline.now_ms, function()
    start_when_due(self, batch)
  end)
end

local function add(self, batch, run, spec)
  local now_ms = self.timeline.now_ms
  if spec.keeps_last and batch.runs[1] then
    local before = table.remove(batch.runs)
    before.state, before.skipped, before.batch = "skipped", COLLAPSED, nil
  end
  table.insert(batch.runs, run)
  run.batch = batch
  batch.count, batch.bytes = batch.count + 1, batch.bytes + #run.event.body
  batch.close_ms = batch.opened_ms + spec.wait_ms
  if spec.quiet_ms > 0 then batch.close_ms = math.min(batch.close_ms, now_ms + spec.quiet_ms) end
  if batch.count >= spec.max or batch.bytes >= BYTES_MAX then batch.close_ms = 0 end
  watch(self, batch)
end

-- spec: { key, max, wait_ms, quiet_ms, keeps_last }.
function Batches:join(run, spec)
  local name = run.subscription .. "\0" .. spec.key
  local line = self.lines[name] or {}
  self.lines[name] = line
  local batch = line[#line]
  if not batch or batch.close_ms <= self.timeline.now_ms then
    batch = { line = line, runs = {}, count = 0, bytes = 0, opened_ms = self.timeline.now_ms }
    table.insert(line, batch)
  end
  add(self, batch, run, spec)
end

-- The run ended; the next batch of its key may go.
function Batches:leave(run)
  local batch = run.batch
  if not batch then return end
  M.each(run, function(one) one.batch = nil end)
  table.remove(batch.line, 1)
  if batch.line[1] then watch(self, batch.line[1]) end
end

return M
