-- SPDX-License-Identifier: MIT
-- A fresh store for each case of the contract, and short ways to write a life. t.store is the open
-- store; every call waits until the store has answered.
local S = require "anzol_test.store"
local rig = require "store.rig"

local function merge(fields, more)
  local all = {}
  for key, value in pairs(fields) do all[key] = value end
  for key, value in pairs(more or {}) do all[key] = value end
  return all
end

-- Opening and closing.
local function add_life(t, fault)
  local folder

  local function open()
    t.store = assert(S.open { path = t.path, secrets_key = t.secrets_key })
    t.store:fault(fault)
  end

  function t.start()
    folder = rig.folder()
    t.path = folder .. "/anzol.db"
    open()
  end

  function t.finish()
    t.secrets_key = nil
    S.clock_fake()
    t.store:close()
    rig.remove(folder)
  end

  -- With the same keys, or others.
  function t.reopen(secrets_key)
    t.store:close()
    t.secrets_key = secrets_key or t.secrets_key
    open()
  end
end

-- Looks from outside.
local function add_looks(t)
  function t.sql(text)
    return S.sql(t.path, text)
  end

  function t.row_count(table_name)
    return t.sql("SELECT count(*) FROM " .. table_name)[1][1]
  end

  function t.ids(rows)
    local list = {}
    for i, row in ipairs(rows) do list[i] = row.id end
    return list
  end

  function t.due_events()
    return t.ids(t.run("claim_events", {}).rows)
  end
end

-- Operations.
local function add_operations(t)
  -- Submits one operation or read and waits for its end.
  function t.run(kind, fields)
    local op = assert(t.store[kind](t.store, fields))
    t.store:wait()
    return op
  end

  -- Until nothing that was replaced or deleted is in the files.
  function t.scrub()
    repeat
      local step = t.run("scrub", {})
      assert(step.status == "ok", step.status)
    until step.is_end
  end

  -- Whether the text lies in the database or its log.
  function t.file_holds(text)
    for _, suffix in ipairs { "", "-wal" } do
      local file = io.open(t.path .. suffix, "rb")
      local bytes = file and file:read "a" or ""
      if file then file:close() end
      if bytes:find(text, 1, true) then return true end
    end
    return false
  end

  -- Stores an event; its id.
  function t.event(fields)
    local usual = { source = "github", type = "github.push", body = "{}" }
    local op = t.run("ingest", merge(usual, fields))
    assert(op.status == "ok", op.status)
    return op.id
  end

  function t.endpoint(name)
    return t.run("endpoint", { name = name, url = "http://x/", keep_state = true }).id
  end

  -- An event, handled, with one message for one endpoint: the delivery's id and the event's.
  -- due_ms nil: held in memory.
  function t.delivery(fields)
    fields = fields or {}
    local id = t.event(fields.event)
    local deliveries = { { endpoint = fields.endpoint or 1, due_ms = fields.due_ms,
      priority = fields.priority, order_key = fields.order_key, is_ordered = fields.order_key == "" } }
    local op = t.run("handled", {
      event = id,
      subscriptions = { "hook" },
      messages = { { type = "out", body = fields.body or "out", deliveries = deliveries,
                     is_forwarded = fields.is_forwarded, expires_ms = fields.expires_ms } },
    })
    assert(op.status == "ok", op.status)
    return op.deliveries[1].id, id
  end

  function t.settle(id, state, fields)
    return t.run("settle", merge({ delivery = id, state = state }, fields))
  end
end

return function(fault)
  local t = {}
  add_life(t, fault)
  add_looks(t)
  add_operations(t)
  return t
end
