-- SPDX-License-Identifier: MIT
-- What the store says after a run, held against the model: each message has its one end, its
-- attempts are what the receiver saw, and those of a key follow one another.
local store = require "anzol_test.store"

local M = {}

local STATES = { [0] = "pending", "retrying", "in_flight", "succeeded", "dead", "cancelled" }
local HELD_MS = 1 << 62

-- Deliveries that have no end and wait for no other.
function M.open_count(path)
  local text = "select count(*) from delivery where state < 3 and ifnull(due_ms, 0) < %d"
  return store.sql(path, text:format(HELD_MS))[1][1]
end

local DELIVERIES = [[
  select d.id, e.name, cast(c.body as text), d.state, d.attempts, d.due_ms, d.reason, d.is_blocking
  from delivery d join endpoint e on e.id = d.endpoint join message m on m.id = d.message
  join content c on c.id = m.content order by d.id]]
local ATTEMPTS = "select id, delivery, number, status, error from attempt order by id"

local function read(path)
  local rows, by_id = {}, {}
  for i, columns in ipairs(store.sql(path, DELIVERIES)) do
    local id, endpoint, body, state, count, due_ms, reason, is_blocking = table.unpack(columns, 1, 8)
    rows[i] = { id = id, endpoint = endpoint, body = body, state = STATES[state], attempt_count = count,
      due_ms = due_ms, reason = reason, is_blocking = is_blocking == 1, attempts = {} }
    by_id[id] = rows[i]
  end
  for _, columns in ipairs(store.sql(path, ATTEMPTS)) do
    local attempts = by_id[columns[2]].attempts
    attempts[#attempts + 1] = { id = columns[1], number = columns[3], status = columns[4], error = columns[5] }
  end
  return rows
end

local function is_success(attempt) return attempt.error == 0 and attempt.status // 100 == 2 end

-- The answers in the attempts are answers that the receiver gave, in that order.
local function judge_answers(model, row, message)
  local given = 0
  for _, attempt in ipairs(row.attempts) do
    if attempt.status > 0 then
      local wanted = attempt.status == 200 and "ok" or tostring(attempt.status)
      repeat given = given + 1 until given > #message.given or message.given[given] == wanted
    end
  end
  if given > #message.given then model:wrong("%s: its attempts are not what the receiver answered", row.body) end
end

local function judge_attempts(model, row, message, endpoint)
  local last = row.attempts[#row.attempts]
  if row.attempt_count ~= #row.attempts then
    model:wrong("%s: %d attempts, of which %d are recorded", row.body, row.attempt_count, #row.attempts)
  end
  for i, attempt in ipairs(row.attempts) do
    if attempt.number ~= i then model:wrong("%s: attempt %d has number %d", row.body, i, attempt.number) end
    if i < #row.attempts and is_success(attempt) then model:wrong("%s: sent again after a success", row.body) end
    if i < #row.attempts and attempt.status == 410 and message.revivals == 0 then
      model:wrong("%s: sent again after a 410", row.body)
    end
  end
  if #row.attempts > endpoint.attempts * (1 + message.revivals) then
    model:wrong("%s: %d attempts, its policy has %d", row.body, #row.attempts, endpoint.attempts)
  end
  if message.starts < #row.attempts or message.starts > #row.attempts + message.lost then
    model:wrong("%s: %d attempts started, %d recorded, %d under way when the process died", row.body,
      message.starts, #row.attempts, message.lost)
  end
  if (row.state == "succeeded") ~= (last ~= nil and is_success(last)) then
    model:wrong("%s: %s, but its last attempt says otherwise", row.body, row.state)
  end
end

local ends = {}

function ends.succeeded() end

function ends.dead(model, row, message, endpoint)
  local last = row.attempts[#row.attempts]
  local is_spent = message.revivals > 0 or #row.attempts == endpoint.attempts
  if not is_spent and not (last and last.status == 410) and not message.may_expire then
    model:wrong("%s: dead after %d attempts, its policy has %d", row.body, #row.attempts, endpoint.attempts)
  end
end

function ends.cancelled(model, row, message)
  if not message.is_taken_back then model:wrong("%s: cancelled, and nobody asked: %s", row.body, row.reason) end
end

-- blocker: the first dead one that holds its key.
local function judge_end(model, row, message, blocker)
  local judge = ends[row.state]
  if judge then
    judge(model, row, message, model.endpoints[row.endpoint])
  elseif (row.due_ms or 0) < HELD_MS then
    model:wrong("%s: still %s, though nothing holds it", row.body, row.state)
  elseif not blocker or (blocker.id > row.id and message.revivals == 0) then
    model:wrong("%s: held, and no dead one stands before it", row.body)
  end
end

local function key_of(row, message) return message.key and row.endpoint .. "/" .. message.key end

-- Rows come by their ids: so one key's in their order. What was revived comes later than it was.
local function judge_order(model, row, message, ahead)
  local before, first, last = ahead[key_of(row, message)], row.attempts[1], row.attempts[#row.attempts]
  if before and first and first.id < before.attempts[#before.attempts].id and message.revivals == 0 then
    model:wrong("%s: its first attempt came before the last one of %s", row.body, before.body)
  end
  if last and message.key and message.revivals == 0 then ahead[key_of(row, message)] = row end
end

-- Dead ones that hold their keys, and since which row.
local function find_blockers(model, rows)
  local blockers = {}
  for _, row in ipairs(rows) do
    local key = key_of(row, model.messages[row.body])
    if row.is_blocking and (row.state ~= "dead" or not model.endpoints[row.endpoint].may_block or not key) then
      model:wrong("%s: holds a key, but it is %s", row.body, row.state)
    elseif row.is_blocking then
      blockers[key] = blockers[key] or row
    end
  end
  return blockers
end

function M.judge(model, path)
  local rows, ahead, seen = read(path), {}, {}
  local blockers = find_blockers(model, rows)
  for _, row in ipairs(rows) do
    local message = model.messages[row.body]
    if seen[row.body] then model:wrong("%s: stored twice", row.body) end
    seen[row.body] = true
    judge_answers(model, row, message)
    judge_attempts(model, row, message, model.endpoints[row.endpoint])
    judge_order(model, row, message, ahead)
    judge_end(model, row, message, blockers[key_of(row, message) or ""])
  end
  for body, message in pairs(model.messages) do
    if message.is_committed and not seen[body] then model:wrong("%s: lost", body) end
    if not seen[body] and message.starts > 0 then model:wrong("%s: sent, but not in the store", body) end
  end
end

return M
