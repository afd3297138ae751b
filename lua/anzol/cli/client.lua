-- SPDX-License-Identifier: MIT
-- One request to the admin listener. Whatever goes wrong ends the command with the exit code that
-- scripts can act on.
local failure = require "anzol.cli.failure"
local settings = require "anzol.cli.settings"

local M = {}

local TIMEOUT_MS = 30000

-- Statuses that end a command, unless it asked to see them.
local codes = {
  [400] = failure.USAGE, [422] = failure.USAGE,
  [409] = failure.TRY_AGAIN, [503] = failure.TRY_AGAIN,
  [502] = failure.TRY_AGAIN, [504] = failure.TRY_AGAIN, -- of a proxy before a server that is away
}

-- For accept: whatever the status is.
M.ANY = setmetatable({}, { __index = function() return true end })

-- The exit code that says what an answer's status means.
function M.code_of(status) return codes[status] or failure.FAILED end

-- A part of a path, dots and all.
function M.escape_part(text)
  return (text:gsub("[^%w_]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- A part of a path that is a name: names have dots and dashes, and never begin with one.
function M.escape_name(text)
  return (text:gsub("[^%w%-_.]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- A blank is a plus: many ids are to fit into a request's line.
local function escape(text)
  text = text:gsub("[^%w%-._~ ]", function(c) return ("%%%02X"):format(c:byte()) end)
  return (text:gsub(" ", "+"))
end

-- query: a list of { name, value }; nil values are left out.
local function with_query(path, query)
  local parts = {}
  for _, row in ipairs(query or {}) do
    if row[2] ~= nil then parts[#parts + 1] = row[1] .. "=" .. escape(tostring(row[2])) end
  end
  return #parts > 0 and path .. "?" .. table.concat(parts, "&") or path
end

-- Ends the command for a native.fetch that failed with these words, of this kind; help says where
-- else a server may be.
function M.explain(err, kind, help)
  if kind == "busy" then failure.raise(failure.TRY_AGAIN, "%s", err) end
  failure.raise(failure.UNREACHABLE, "%s%s", err, help)
end

local function explain(console, admin, err, kind)
  if not admin.socket then M.explain(err, kind, "") end
  if kind == "notfound" then
    console:explain("%s", err) -- curl's own words name a host that is not meant
    err = "no server answers on " .. admin.socket
  end
  M.explain(err, kind, "; is `anzol serve` running for this project? (--project DIR, --socket "
    .. "FILE or --url URL find another)")
end

-- What an error's body says: detail is a sentence, or a list of { loc, msg }.
function M.detail(answer)
  local native = require "anzol.native"
  local value = native.json.decode(answer.body)
  local detail = type(value) == "table" and value.detail
  if type(detail) == "string" then return detail end
  if type(detail) ~= "table" then return "HTTP status " .. answer.status end
  local lines = {}
  for _, row in ipairs(detail) do
    lines[#lines + 1] = ("%s: %s"):format(row.loc and row.loc[#row.loc] or "?", row.msg)
  end
  return table.concat(lines, "; ")
end

-- request: { method?, path, query?, body?, idempotency_key?, accept = { [status] = true }?,
-- heeds_keys? }. Returns the answer { status, headers, body }: 200, or a status in accept. nil:
-- broken off by a key or an interrupt that is heeded.
function M.request(options, console, request)
  local native = require "anzol.native"
  local admin = settings.admin(options)
  local headers = { Accept = "application/json" }
  if admin.token then headers.Authorization = "Bearer " .. admin.token end
  if request.body then headers["Content-Type"] = "application/json" end
  headers["Idempotency-Key"] = request.idempotency_key
  local url = admin.url .. with_query(request.path, request.query)
  console:explain("%s %s%s", request.method or "GET", url,
    admin.socket and " (" .. admin.socket .. ")" or "")
  local answer, err, kind = native.fetch {
    method = request.method or "GET", url = url, unix = admin.socket, headers = headers,
    body = request.body, timeout_ms = TIMEOUT_MS, heeds_keys = request.heeds_keys,
  }
  if kind == "cancelled" then return nil end
  if not answer then explain(console, admin, err, kind) end
  if answer.status == 200 or (request.accept and request.accept[answer.status]) then
    return answer
  end
  failure.raise(M.code_of(answer.status), "%s", M.detail(answer))
end

-- Whether anybody answers where the server is to be found.
function M.is_there(options)
  local native = require "anzol.native"
  local admin = settings.admin(options)
  local answer = native.fetch { url = admin.url .. "/healthz", unix = admin.socket,
    timeout_ms = TIMEOUT_MS }
  return answer ~= nil
end

-- The decoded body of an answer.
function M.decode(answer)
  local native = require "anzol.native"
  local value, err = native.json.decode(answer.body)
  if value == nil then
    failure.raise(failure.FAILED, "the answer is not JSON (%s): is this an admin listener of "
      .. "anzol?", tostring(err))
  end
  return value
end

-- As the API gave it, on one line.
function M.print_json(console, answer)
  console:data(answer.body .. (answer.body:sub(-1) == "\n" and "" or "\n"))
end

-- Does one thing (the last part of a path) to each of ids, tells how it went and gives the exit
-- code: those that could not be done are told, the others are done. path_of(id): the path before
-- the verb.
function M.change(options, console, verb, ids, path_of)
  local native = require "anzol.native"
  local rows, code = {}, 0
  for i, id in ipairs(ids) do
    local answer = M.request(options, console, {
      method = "POST", path = path_of(id) .. "/" .. verb, query = { { "reason", options.reason } },
      body = "{}", accept = { [404] = true, [409] = true },
    })
    if answer.status == 200 then
      rows[i] = { id = id, state = M.decode(answer).state }
      if not console:is_json() then console:line(id .. " " .. rows[i].state) end
    else
      rows[i] = { id = id, error = M.detail(answer) }
      console:talk(("%s: %s"):format(id, rows[i].error))
      code = failure.FAILED
    end
  end
  if console:is_json() then
    console:data(native.json.encode({ data = rows }, { sort = true }) .. "\n")
  end
  return code
end

local PIECE_BYTES = 1 << 20 -- of base64 at a time, whole groups of four

-- What a member of an answer and its Encoding hold.
function M.bytes(text, encoding)
  if encoding == "utf-8" then return text end
  local anzol, parts = require "anzol", {}
  for at = 1, #text, PIECE_BYTES do
    parts[#parts + 1] = assert(anzol.base64.decode(text:sub(at, at + PIECE_BYTES - 1)))
  end
  return table.concat(parts)
end

-- nil for JSON null.
function M.plain(value)
  local native = require "anzol.native"
  if value == native.json.null then return nil end
  return value
end

return M
