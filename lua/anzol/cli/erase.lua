-- SPDX-License-Identifier: MIT
-- anzol erase: what is known of an event goes, out of the files too.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "erase",
  summary = "Erase what is known of an event, and of those that it led to.",
  description = [[
Erase an event: its headers and body, its messages, what was sent and answered, errors, results of
steps, its idempotency key, and the same of all events that its handlers emitted. What of it is
still to be done is cancelled. That it was there, its type and times stay, in state "erased". When
the command returns, nothing of it lies in the files of the store any more.

  anzol erase evt_0EJPp3QZQQ1 msg_0EJPp3QZQQ2
  anzol erase --source shop --key order-17         the last one with this idempotency key
  anzol erase --app acme --event-id order-17       what was published with this eventId

It asks before, unless --yes is given. It does not know what handlers kept in anzol.kv or told
others, what a batch made of several events (that is of its first), and backups.

Exit code 0: erased, 1: some were not found, 2: nothing was named, or not confirmed, 75: deliveries
are being sent still, or it led to more events than are erased at once (try again).]],
}

function M.configure(parser)
  parser:argument("ids", "Ids of events (evt_...) or messages (msg_...)."):argname "ID":args "*"
  parser:option("--source", "With --key: the source."):argname "NAME"
  parser:option("--key", "An idempotency key."):argname "KEY"
  parser:option("--app", "With --event-id: the application's id or uid."):argname "ID"
  parser:option("--event-id", "The eventId that it was published with."):argname "ID"
  parser:flag("-y --yes", "Do not ask.")
end

-- What is meant: a list of bodies, each with how it is called.
local function chosen(options)
  local list = {}
  for i, id in ipairs(options.ids) do list[i] = { name = id, body = { id = id } } end
  if options.source or options.key then
    list[#list + 1] = { name = ("%s of %s"):format(options.key or "?", options.source or "?"),
      body = { source = options.source, idempotencyKey = options.key } }
  end
  if options.app or options.event_id then
    list[#list + 1] = { name = ("%s of %s"):format(options.event_id or "?", options.app or "?"),
      body = { application = options.app, eventId = options.event_id } }
  end
  if #list == 0 then
    failure.raise(failure.USAGE, "name ids, --source and --key, or --app and --event-id")
  end
  return list
end

local function confirm(options, console, list)
  local native = require "anzol.native"
  if options.yes then return end
  if not native.isatty(0) then
    failure.raise(failure.USAGE, "nobody is there to confirm: give --yes")
  end
  local names = {}
  for i, one in ipairs(list) do names[i] = one.name end
  console:talk(("erase %s for good? type yes: "):format(table.concat(names, ", ")))
  if io.read "l" ~= "yes" then failure.raise(failure.USAGE, "not confirmed: nothing was erased") end
end

function M.run(options, console)
  local native = require "anzol.native"
  local list = chosen(options)
  confirm(options, console, list)
  local rows, code = {}, 0
  for i, one in ipairs(list) do
    local answer = client.request(options, console, { method = "POST", path = "/api/v1/erase",
      body = native.json.encode(one.body), accept = { [404] = true } })
    if answer.status == 200 then
      rows[i] = client.decode(answer)
      if not console:is_json() then
        console:line(("%s erased (%d events)"):format(rows[i].eventId, rows[i].events))
      end
    else
      rows[i] = { error = client.detail(answer) }
      console:talk(("%s: %s"):format(one.name, rows[i].error))
      code = failure.FAILED
    end
  end
  if console:is_json() then
    console:data(native.json.encode({ data = native.json.array(rows) }, { sort = true }) .. "\n")
  end
  return code
end

return M
