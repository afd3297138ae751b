-- SPDX-License-Identifier: MIT
-- anzol trigger --local: the request goes through the project in this process; what its runs would
-- have committed is told, and not done.
local failure = require "anzol.cli.failure"
local session = require "anzol.cli.session"
local settings = require "anzol.cli.settings"

local M = {}

local LOCAL_IP = "127.0.0.1"

local function is_good(status) return status >= 200 and status < 300 end

local function is_failed(result)
  if not is_good(result.status) or result.outcome == "untyped" then return true end
  for _, run in ipairs(result.runs) do
    if run.outcome == "failed" then return true end
  end
  return false
end

local function first_line(text) return text and text:match "^[^\n]*" end

-- ---- For programs ----

local function text_or_nil(bytes) return bytes and utf8.len(bytes) and bytes or nil end

local function effect_row(effect)
  return { kind = effect.kind, endpoint = effect.endpoint, type = effect.type,
    body = text_or_nil(effect.body), bodyBytes = effect.body and #effect.body,
    delayMs = effect.delay_ms, ns = effect.ns, key = effect.key, delta = effect.delta,
    verb = effect.verb, id = effect.id, reason = effect.reason, of = effect.of,
    source = effect.source, state = effect.state, contains = effect.contains }
end

local function run_row(run)
  local effects = require "anzol.native".json.array {}
  for i, effect in ipairs(run.effects) do effects[i] = effect_row(effect) end
  return { subscription = run.subscription, event = run.event, type = run.type,
    outcome = run.outcome, detail = run.text ~= "" and run.text or nil,
    delayMs = run.outcome == "retry_later" and run.delay_ms or nil, effects = effects }
end

local function print_json(console, result)
  local json = require "anzol.native".json
  local runs = json.array {}
  for i, run in ipairs(result.runs) do runs[i] = run_row(run) end
  console:data(json.encode({ status = result.status, outcome = result.outcome, id = result.id,
    type = result.type, detail = result.reason, body = text_or_nil(result.body), runs = runs,
    leftOut = result.left_out },
    { sort = true }) .. "\n")
end

-- ---- For people ----

local function describe(run)
  if run.outcome == "retry_later" then return ("in %g s"):format(run.delay_ms / 1000) end
  return first_line(run.text)
end

local function print_run(console, run, event)
  local of = run.event ~= event and (" of %s"):format(run.type) or ""
  local detail = describe(run)
  console:line(("%s%s: %s%s"):format(run.subscription, of, console:paint_state(run.outcome),
    detail and detail ~= "" and (" (%s)"):format(detail) or ""))
  if run.outcome == "failed" then console:explain("%s", run.text) end
  for _, effect in ipairs(run.effects) do console:line("  " .. session.describe(effect)) end
end

local function print_text(console, result)
  local what = result.id and ("%s %s"):format(result.id, result.type) or result.outcome
  console:line(("%d %s%s"):format(result.status, what,
    result.reason and (": %s"):format(first_line(result.reason)) or ""))
  if result.body then console:line("answer: " .. result.body) end
  for _, run in ipairs(result.runs) do print_run(console, run, result.id) end
  if result.left_out > 0 then
    console:say("%d more events were emitted; a thousand at most are run here", result.left_out)
  end
  if result.outcome == "stored" and #result.runs == 0 then
    console:say("no subscription matches %s", result.type)
  end
end

-- request: { method, path, headers = { [name] = value }, body }. Returns the exit code.
function M.run(options, console, request)
  local native = require "anzol.native"
  local project, err = native.console(options.project, settings.loading(options.project))
  if not project then failure.raise(failure.CONFIG, "%s", err) end
  local headers = {}
  for name, value in pairs(request.headers) do headers[#headers + 1] = { name, value } end
  table.sort(headers, function(a, b) return a[1] < b[1] end)
  local result = project:receive { source = options.source, method = request.method,
    path = request.path, remote_ip = LOCAL_IP, headers = headers, body = request.body }
  project:close()
  if console:is_json() then print_json(console, result) else print_text(console, result) end
  return is_failed(result) and failure.FAILED or 0
end

return M
