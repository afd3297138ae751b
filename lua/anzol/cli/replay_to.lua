-- SPDX-License-Identifier: MIT
-- anzol replay --to URL: what deliveries sent, once more, to another URL. The server makes and
-- signs each request and sends nothing; it goes out from here, and nothing of it is recorded.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local listing = require "anzol.cli.listing"

local M = {}

local PAGE = "250"
local BAR_CELLS = 30
local TIMEOUT_MS = 30000
local MS_PER_S = 1000
local seconds_of = { [""] = 1, s = 1, m = 60, h = 3600 }

-- "20/s" -> 50, the milliseconds from one to the next; nil: as fast as it goes.
local function interval_ms(rate)
  if not rate then return nil end
  local number, unit = rate:match "^(%d+%.?%d*)/?([smh]?)$"
  if not number or tonumber(number) <= 0 then
    failure.raise(failure.USAGE, "--rate %s: a rate is wanted: 20/s, 600/m or 1000/h", rate)
  end
  return seconds_of[unit] * MS_PER_S / tonumber(number)
end

function M.check(options)
  if not options.to:find "^https?://[^/]" then
    failure.raise(failure.USAGE, "--to %s: a URL is wanted, such as http://localhost:3000/hooks",
      options.to)
  end
  for _, row in ipairs { { "detach", "--detach: it goes out from here" },
    { "new_ids", "--new-ids: they are the same messages" },
    { "subscription", "--subscription: no handler runs" } } do
    if options[row[1]] then failure.raise(failure.USAGE, "--to goes without %s", row[2]) end
  end
  if options.kind == "event" then
    failure.raise(failure.USAGE, "--to sends deliveries: --kind delivery, or none")
  end
  interval_ms(options.rate)
end

-- All deliveries that the query lets through, oldest first.
local function list(options, console, filters)
  local rows, iterator = {}, nil
  repeat
    local query = { { "limit", PAGE }, { "iterator", iterator }, table.unpack(filters) }
    local page = client.decode(client.request(options, console,
      { path = "/api/v1/delivery", query = query }))
    table.move(page.data, 1, #page.data, #rows + 1, rows)
    iterator = client.plain(page.iterator)
  until page.done or not iterator
  for i = 1, #rows // 2 do rows[i], rows[#rows + 1 - i] = rows[#rows + 1 - i], rows[i] end
  return rows
end

-- What an id stands for: a delivery, or all that its message or event has.
local function of_id(options, console, id)
  local kind = id:sub(1, 3)
  if kind == "dlv" then
    return { client.decode(listing.get(options, console, "/api/v1/delivery", id)) }
  end
  local rows = list(options, console, { { kind == "evt" and "event" or "message", id } })
  if #rows == 0 then failure.raise(failure.FAILED, "%s: nothing was sent of it", id) end
  return rows
end

local function choose(options, console, filters)
  if #options.ids == 0 then return list(options, console, filters) end
  local rows = {}
  for _, id in ipairs(options.ids) do
    for _, row in ipairs(of_id(options, console, id)) do rows[#rows + 1] = row end
  end
  return rows
end

local function header_list(headers)
  local rows = {}
  for i, header in ipairs(headers) do rows[i] = { header.name, header.value } end
  return rows
end

-- { id, messageId, endpoint, type, status?, error?, durationMs? }, and names of headers that the
-- server keeps to itself.
local function send(options, console, row)
  local native = require "anzol.native"
  local result = { id = row.id, messageId = row.messageId, endpoint = row.endpoint,
    type = row.type }
  local answer = client.request(options, console, { query = { { "to", options.to } },
    path = ("/api/v1/delivery/%s/request"):format(client.escape_part(row.id)),
    accept = { [404] = true, [409] = true } })
  if answer.status ~= 200 then
    result.error = client.detail(answer):match "[^\n]*"
    return result, {}
  end
  local request = client.decode(answer)
  local body = client.bytes(request.body, request.bodyEncoding)
  local started_ms = native.mono_ms()
  local got, err = native.fetch { method = request.method, url = request.url,
    headers = header_list(request.headers), body = body, timeout_ms = TIMEOUT_MS }
  result.durationMs = native.mono_ms() - started_ms
  if got then result.status = got.status else result.error = err end
  return result, request.leftOut
end

local function is_success(result)
  return result.status and result.status >= 200 and result.status < 300
end

local function draw(done, count, failed)
  local cells = BAR_CELLS * done // count
  return ("\r[%s%s] %3d %%  %d sent, %d failed"):format(("#"):rep(cells),
    (" "):rep(BAR_CELLS - cells), 100 * done // count, done - failed, failed)
end

-- Each at its time, one after another.
local function send_all(options, console, rows)
  local native = require "anzol.native"
  local has_bar = not options.quiet and native.isatty(2) and #rows > 0
  local step_ms, begun_ms = interval_ms(options.rate), native.mono_ms()
  local results, left_out, failed = {}, {}, 0
  for i, row in ipairs(rows) do
    local wait_ms = step_ms and begun_ms + (i - 1) * step_ms - native.mono_ms() or 0
    if wait_ms >= 1 then native.sleep_ms(math.floor(wait_ms)) end
    local names
    results[i], names = send(options, console, row)
    for _, name in ipairs(names) do left_out[name] = true end
    if not is_success(results[i]) then failed = failed + 1 end
    if has_bar then console:bar(draw(i, #rows, failed)) end
  end
  if has_bar then console:bar "\n" end
  return results, left_out, failed
end

local columns = {
  { "ID", "id" },
  { "ENDPOINT", "endpoint" },
  { "TYPE", "type" },
  { "MS", "durationMs", right = true },
  { "ANSWER", function(result) return result.status or result.error end },
}

local function tell(console, results, left_out, failed)
  if console:is_json() then
    local json = require "anzol.native".json
    console:data(json.encode({ data = json.array(results) }, { sort = true }) .. "\n")
  elseif #results > 0 then
    console:table(columns, results)
  end
  local names = {}
  for name in pairs(left_out) do names[#names + 1] = name end
  table.sort(names)
  if #names > 0 then
    console:say("left out, since they may hold secrets: %s", table.concat(names, ", "))
  end
  console:say("%d sent, %d failed", #results - failed, failed)
end

-- filters: those of the list of deliveries, for when there are no ids. Gives the exit code.
function M.run(options, console, filters)
  local rows = choose(options, console, filters)
  local results, left_out, failed = send_all(options, console, rows)
  tell(console, results, left_out, failed)
  return failed == 0 and 0 or failure.FAILED
end

return M
