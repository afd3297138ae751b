-- SPDX-License-Identifier: MIT
-- Pages of lists over very many messages of one application, all sent to one endpoint: of ten types
-- and one that few have, one of a hundred failed. At the beginning and in the middle of each list,
-- with the filters that the protocol has; the largest page that there is.
local http = require "socket.http"
local json = require "dkjson"
local ltn12 = require "ltn12"
local measure = require "measure"
local process = require "process"
local project = require "project"

local M = {}

local PAGE_ROWS, REQUESTS = 250, 40
local DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local EPOCH_S = 1735689600 -- of ids: core/base/id.h

local function number_of(id)
  local number = 0
  for digit in id:match "_(%w+)$":gmatch "." do
    number = number * #DIGITS + DIGITS:find(digit, 1, true) - 1
  end
  return number
end

local function text_of(prefix, number)
  local digits = {}
  for i = 11, 1, -1 do
    digits[i] = DIGITS:sub(number % #DIGITS + 1, number % #DIGITS + 1)
    number = number // #DIGITS
  end
  return prefix .. table.concat(digits)
end

-- The answer, and ms until it was there.
local function get(server, path)
  local chunks, from = {}, process.now()
  local ok, status = http.request {
    url = ("http://127.0.0.1:%d/api/v1/%s"):format(server.admin, path),
    headers = { authorization = "Bearer " .. project.token }, sink = ltn12.sink.table(chunks),
  }
  if not ok or status ~= 200 then error(("GET %s failed: %s"):format(path, status), 0) end
  return table.concat(chunks), (process.now() - from) * 1000
end

local function make(server)
  server:post("app", '{"name":"lists","uid":"lists"}', 201)
  server:post("app/lists/endpoint", '{"url":"https://example.com/","uid":"e"}', 201)
  return number_of(json.decode((get(server, "app/lists"))).id),
    number_of(json.decode((get(server, "app/lists/endpoint/e"))).id)
end

-- from_s, until_s: when the store was filled.
local function lists(from_s, until_s)
  local middle = math.floor(((from_s + until_s) / 2 - EPOCH_S) * 1000) << 22
  local all = {}
  local function add(path, prefix, filters)
    for _, filter in ipairs(filters) do
      for _, place in ipairs { "", "&iterator=" .. text_of(prefix, middle | 255) } do
        all[#all + 1] = ("%s?limit=%d%s%s"):format(path, PAGE_ROWS, filter, place)
      end
    end
  end
  add("app/lists/msg", "msg_", { "", "&with_content=false", "&event_types=type3",
    "&event_types=type3,type4", "&event_types=rare", "&channel=none" })
  add("app/lists/endpoint/e/msg", "msg_", { "", "&status=0", "&status=1", "&status=2", "&status=3",
    "&event_types=rare", "&channel=none" })
  add("app/lists/attempt/endpoint/e", "atmpt_", { "", "&status=0", "&status=2", "&status=3",
    "&status_code_class=200", "&status_code_class=500", "&event_types=rare", "&channel=none" })
  add("event", "evt_", { "", "&type=api.rare", "&state=dead" })
  add("delivery", "dlv_", { "", "&state=dead", "&type=rare" })
  add("attempt", "atmpt_", { "", "&status=5xx", "&error=tls" })
  all[#all + 1] = ("app?limit=%d"):format(PAGE_ROWS)
  all[#all + 1] = ("app/lists/endpoint?limit=%d"):format(PAGE_ROWS)
  all[#all + 1] = ("endpoint?limit=%d"):format(PAGE_ROWS)
  all[#all + 1] = ("dead-letter?limit=%d"):format(PAGE_ROWS)
  return all
end

local function quantiles(server, path)
  local times = {}
  for i = 1, REQUESTS do times[i] = select(2, get(server, path)) end
  table.sort(times)
  return times[REQUESTS // 2], times[REQUESTS * 95 // 100]
end

-- { p50_ms (of all lists together), slowest_ms (p50 of the slowest), p95_ms (of the one with the
-- worst), worst, stats_ms }
function M.measure(bench, count)
  local server, folder = measure.serve(bench)
  process.sleep(1)
  local application, endpoint = make(server)
  server:stop()
  local from_s = os.time()
  measure.fill(bench, { path = folder .. "/anzol.db", events = count, in_flight = 512,
    application = application, endpoint = endpoint })
  local until_s = os.time()
  server = measure.serve(bench, nil, nil, folder)
  local result, middles = { p95_ms = 0, slowest_ms = 0 }, {}
  for _, path in ipairs(lists(from_s, until_s)) do
    local p50, p95 = quantiles(server, path)
    middles[#middles + 1] = p50
    result.slowest_ms = math.max(result.slowest_ms, p50)
    if p95 > result.p95_ms then result.p95_ms, result.worst = p95, path end
  end
  table.sort(middles)
  result.p50_ms = middles[(#middles + 1) // 2]
  result.stats_ms = quantiles(server, "app/lists/endpoint/e/stats")
  server:stop()
  measure.drop_folder(folder)
  return result
end

return M
