-- SPDX-License-Identifier: MIT
-- anzol tasks: what is done to many at once: how far it is, and its end. Other commands begin them
-- here and follow them with a bar.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local listing = require "anzol.cli.listing"

local M = {
  name = "tasks",
  summary = "List, follow or cancel what is done to many at once.",
  description = [[
Replays, recoveries, and dead letters that are retried or dropped many at a time are tasks of the
server: they go on when the command ends and when the server starts again.

  anzol tasks                        newest first
  anzol tasks show tsk_0EJPp3QZQQ1
  anzol tasks follow tsk_0EJPp3QZQQ1 until it ends, with a bar
  anzol tasks cancel tsk_0EJPp3QZQQ1 what is done stays done]],
}

local POLL_MS = 200
local BAR_CELLS = 30

local columns = {
  { "ID", "id" },
  { "CREATED", "createdAt" },
  { "VERB", "verb" },
  { "OF", "kind" },
  { "STATE", "state", is_state = true },
  { "DONE", "done", right = true },
  { "SKIPPED", "skipped", right = true },
  { "PART", function(row) return ("%d %%"):format(row.permille // 10) end, right = true },
}

local function show(console, task)
  local plain = client.plain
  console:fields {
    { "id", task.id }, { "verb", task.verb }, { "of", task.kind },
    { "state", task.state, is_state = true }, { "ids", plain(task.ids) },
    { "source", plain(task.source) }, { "type", plain(task.type) },
    { "endpoint", plain(task.endpoint) }, { "in state", plain(task.wantedState) },
    { "contains", plain(task.contains) }, { "subscription", plain(task.subscription) },
    { "since", plain(task.since) }, { "until", plain(task["until"]) },
    { "done", task.done }, { "skipped", task.skipped },
    { "part", ("%d %%"):format(task.permille // 10) },
    { "created", task.createdAt }, { "ended", plain(task.endedAt) },
  }
end

local function draw(task)
  local cells = task.permille * BAR_CELLS // 1000
  return ("\r[%s%s] %3d %%  %d done, %d skipped"):format(("#"):rep(cells),
    (" "):rep(BAR_CELLS - cells), task.permille // 10, task.done, task.skipped)
end

-- JSON that ends a command, or is one of several things that it tells: then it goes to results.
local function tell_json(console, value, results)
  if results then
    results[#results + 1] = value
  else
    console:data(require "anzol.native".json.encode(value, { sort = true }) .. "\n")
  end
end

-- Until the task of this id is over; gives the exit code, and the task. results: as of begin.
function M.follow(options, console, id, results)
  local native = require "anzol.native"
  local has_bar = not options.quiet and native.isatty(2)
  local task
  repeat
    task = client.decode(listing.get(options, console, "/api/v1/task", id))
    if has_bar then console:bar(draw(task)) end
    if task.state == "running" then native.sleep_ms(POLL_MS) end
  until task.state ~= "running"
  if has_bar then console:bar "\n" end
  if console:is_json() then
    tell_json(console, task, results)
  else
    console:say("%s: %s, %d done, %d skipped", id, task.state, task.done, task.skipped)
  end
  return task.state == "done" and 0 or failure.FAILED, task
end

function M.add_following(parser)
  parser:flag("--dry-run", "Count what it would be done to and show some of it; do nothing.")
  parser:flag("--detach", "Do not wait for its end: `anzol tasks follow` does later.")
  parser:option("--rate", "At most so many: 20/s, 600/m, 1000/h."):argname "RATE"
end

local DRY = { replay = "replayed", retry = "retried", recover = "retried", drop = "dropped" }

-- What the task would be done to: the server counts for a while, then says where to go on.
local function dry_run(options, console, path, query, results)
  local json = require "anzol.native".json
  local count, sample, at = 0, nil, #query + 1
  query[at] = { "dryRun", "true" }
  local answer
  repeat
    answer = client.decode(client.request(options, console, { method = "POST", path = path,
      query = query, body = "{}" }))
    count, sample = count + answer.matched, sample or answer.matched > 0 and answer.sample
    query[at + 1] = { "iterator", client.plain(answer.iterator) }
  until answer.done
  sample = sample or {}
  if console:is_json() then
    tell_json(console, { matched = count, sample = json.array(sample) }, results)
    return 0
  end
  console:line(("%d would be %s"):format(count, DRY[path:match "%a+$"]))
  for _, row in ipairs(sample) do
    console:line(("  %s %s %s"):format(row.id, row.type, row.state))
  end
  if count > #sample then console:say("  and %d more", count - #sample) end
  return 0
end

-- Begins a task and follows it, unless --detach; with --dry-run only tells what it would be done
-- to. query as client.request's. Gives what follow does, with --detach no task. results: with
-- -o json what would be printed is put there, for commands that begin several.
function M.begin(options, console, path, query, results)
  query[#query + 1] = { "rate", options.rate }
  if options.dry_run then return dry_run(options, console, path, query, results) end
  local answer = client.request(options, console, { method = "POST", path = path, query = query,
    body = "{}" })
  local task = client.decode(answer)
  if options.detach then
    if console:is_json() then tell_json(console, task, results) else console:line(task.id) end
    return 0
  end
  console:explain("task %s", task.id)
  return M.follow(options, console, task.id, results)
end

function M.configure(parser, add_help)
  listing.configure(parser, add_help, "task")
  parser:option("--state", "Only in this state."):choices { "running", "done", "cancelled" }
  for _, row in ipairs { { "follow", "Wait for its end, with a bar." },
    { "cancel", "Do no more of it; what is done stays done." } } do
    local sub = parser:command(row[1]):summary(row[2]):add_help(false)
    add_help(sub)
    sub:argument("id", "Its id."):argname "ID"
  end
end

local function cancel(options, console)
  local answer = client.request(options, console, { method = "DELETE", body = "",
    path = "/api/v1/task/" .. client.escape_part(options.id),
    accept = { [404] = true, [409] = true } })
  if answer.status ~= 200 then
    failure.raise(failure.FAILED, "%s: %s", options.id, client.detail(answer))
  end
  if console:is_json() then client.print_json(console, answer) end
  return 0
end

function M.run(options, console)
  if options.action == "follow" then return M.follow(options, console, options.id) end
  if options.action == "cancel" then return cancel(options, console) end
  return listing.run(options, console, { path = "/api/v1/task", columns = columns, show = show,
    noun = "tasks", query = { { "state", options.state } } })
end

return M
