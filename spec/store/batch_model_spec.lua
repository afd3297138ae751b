-- SPDX-License-Identifier: MIT
-- Batches against a plain model of them: events of some keys, a clock that leaps, batches that end
-- well, badly, later or only in part, a store that is opened again. After each step the store's due
-- runs and the members of what is taken up are the model's; at the end every event has ended once.
local S = require "anzol_test.store"
local context = require "store.context"
local rig = require "store.rig"

local is_long = os.getenv "ANZOL_LONG" == "1"
local ROUNDS = is_long and 2000 or 60
local STEPS = 60
local KEYS = { "", "k", "l" }
local START = 1900000000000
local WAIT = 10000
local HANDLED, SKIPPED, DEAD = 2, 3, 4

local seed = rig.seed "batch model"

-- ---- The model: by key a line of batches; the first is the one that may go ----

local Model = {}
Model.__index = Model

local function new_model(spec)
  local model = setmetatable({ spec = spec, lines = {}, ends = {}, now = START }, Model)
  for _, key in ipairs(KEYS) do model.lines[key] = {} end
  return model
end

function Model:finish(id, state)
  assert(not self.ends[id], "an event ended twice")
  self.ends[id] = state
end

function Model:post(key, id)
  local spec, line = self.spec, self.lines[key]
  local batch = line[#line]
  if not batch or batch.close <= self.now then
    batch = { ids = {}, count = 0, opened = self.now }
    table.insert(line, batch)
  end
  if spec.keeps_last and batch.ids[1] then self:finish(table.remove(batch.ids), SKIPPED) end
  table.insert(batch.ids, id)
  batch.count = batch.count + 1
  batch.close = batch.opened + spec.wait_ms
  if spec.quiet_ms > 0 then batch.close = math.min(batch.close, self.now + spec.quiet_ms) end
  if batch.count >= spec.max then batch.close = 0 end
end

-- The batches whose turn and time has come, by their first event.
function Model:due()
  local due, ids = {}, {}
  for _, key in ipairs(KEYS) do
    local batch = self.lines[key][1]
    if batch and math.max(batch.close, batch.again or 0) <= self.now then
      due[batch.ids[1]], ids[#ids + 1] = batch, batch.ids[1]
    end
  end
  table.sort(ids)
  return ids, due
end

-- It ended with the first count of its events, or dies as a whole.
function Model:take(batch, count, state)
  for _ = 1, count do self:finish(table.remove(batch.ids, 1), state) end
  batch.close, batch.again = 0, nil
  for _, line in pairs(self.lines) do
    if line[1] == batch and #batch.ids == 0 then table.remove(line, 1) end
  end
end

describe("batches", function()
  local t = context()
  before_each(t.start)
  after_each(t.finish)

  local function leap(model, ms)
    model.now = model.now + ms
    S.clock_fake(model.now)
  end

  local function post(model)
    local key = KEYS[math.random(#KEYS)]
    local spec = model.spec
    local op = t.run("ingest", { source = "s", type = "t", body = "{}", plan = { { "a", nil,
      batch = { key = key, max = spec.max, wait_ms = spec.wait_ms, quiet_ms = spec.quiet_ms,
        keeps_last = spec.keeps_last } } } })
    assert(op.status == "ok", op.status)
    model:post(key, op.id)
  end

  -- The store's due runs are the model's; one of them is taken up and ends somehow.
  local function work(model, is_end)
    local ids, due = model:due()
    local rows = t.run("claim_events", { now_ms = model.now }).rows
    assert.same(ids, t.ids(rows))
    if #ids == 0 then return end
    local row = rows[math.random(#rows)]
    local batch, id = due[row.id], row.runs[1].batch
    local claim = t.run("claim_batch", { batch = id, event = row.id, subscription = "a" })
    assert.same(batch.ids, t.ids(claim.members))
    local members = t.ids(claim.members)
    local run = { event = row.id, subscriptions = { "a" }, batch = id, members = members }
    local chance = is_end and 10 or math.random(10)
    if chance == 1 then
      run.number, run.due_ms, run.error = 1, model.now + math.random(WAIT), "again"
      batch.again = run.due_ms
      assert.equal("ok", t.run("run", run).status)
    elseif chance == 2 then
      run.number, run.due_ms, run.error = 1, 0, "dead"
      assert.equal("ok", t.run("run", run).status)
      model:take(batch, #batch.ids, DEAD)
    else
      local count = chance == 3 and math.random(#members) or #members
      for i = #members, count + 1, -1 do members[i] = nil end
      run.skip = chance == 4 and "not now" or nil
      assert.equal("ok", t.run("handled", run).status)
      model:take(batch, count, run.skip and SKIPPED or HANDLED)
    end
  end

  local function round()
    local model = new_model { max = math.random(5), wait_ms = WAIT, keeps_last = math.random(4) == 1,
      quiet_ms = math.random(2) == 1 and math.random(WAIT) or 0 }
    t.sql "DELETE FROM run"
    leap(model, 0)
    for _ = 1, STEPS do
      local chance = math.random(10)
      if chance <= 5 then
        post(model)
      elseif chance <= 7 then
        leap(model, math.random(0, WAIT // 2))
      else
        work(model)
      end
    end
    if math.random(8) == 1 then t.reopen() end
    leap(model, 3 * WAIT)
    while #model:due() > 0 do work(model, true) end
    for _, row in ipairs(t.sql "SELECT event, state FROM run") do
      assert.equal(model.ends[row[1]], row[2])
      model.ends[row[1]] = nil
    end
    assert.is_nil(next(model.ends))
    for _, name in ipairs { "event_due", "batch" } do assert.equal(0, t.row_count(name)) end
  end

  it(("are those of the model, %d times"):format(ROUNDS), function()
    math.randomseed(seed)
    for _ = 1, ROUNDS do round() end
  end)
end)
