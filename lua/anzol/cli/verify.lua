-- SPDX-License-Identifier: MIT
-- anzol verify: whether a request is genuine, and which step says that it is not.
local body = require "anzol.cli.body"
local failure = require "anzol.cli.failure"
local settings = require "anzol.cli.settings"
local genuine = require "anzol.cli.genuine"

local M = {
  name = "verify",
  summary = "Say whether a request is genuine, or which step failed.",
  description = [[
Verify a request that was kept: headers in a file ("Name: value" lines, perhaps behind the line
"POST /path?query HTTP/1.1"), the body byte for byte. Exit code 0: genuine; 1: not.

  anzol verify --provider github --secret-env S --headers headers.txt < body.json
  anzol sign --provider stripe --secret-env S --body b.json |
    anzol verify --provider stripe --secret-env S --body b.json --headers -
  anzol verify --source stripe --headers headers.txt --body body.json]],
}

function M.configure(parser)
  genuine.configure(parser)
  parser:option("--headers", "File with the headers; - is standard input."):argname "FILE":count(1)
end

-- One line of the file into the request; false: it is none.
local function read_line(request, line, number)
  local method, target = line:match "^(%u+) (%S+) HTTP/"
  if method and number == 1 then
    request.method = method
    request.path, request.query = target:match "^([^?]*)%??(.*)$"
    return true
  end
  local name, value = line:match "^([%w_-]+):%s*(.-)%s*$"
  if name then request.headers[#request.headers + 1] = { name, value } end
  return name ~= nil or line == ""
end

local function read_headers(path)
  local file, err = io.stdin, nil
  if path ~= "-" then file, err = io.open(path, "rb") end
  if not file then failure.raise(failure.USAGE, "--headers: %s", err) end
  local request = { method = "POST", path = "/", query = "", headers = {} }
  local number, broken = 0, nil
  for line in file:lines() do
    number = number + 1
    if not read_line(request, (line:gsub("\r$", "")), number) then broken = broken or number end
  end
  file:close()
  if broken then
    failure.raise(failure.USAGE, '--headers: line %d of %s is no "Name: value"', broken, path)
  end
  return request
end

local function by_provider(options, request)
  local provider = genuine.provider(options)
  local ok, is_genuine, reason = pcall(function()
    return provider.verify(require "anzol.native".request(request))
  end)
  if ok then return is_genuine, reason end
  return false, genuine.message(is_genuine)
end

local function by_source(options, request)
  local is_genuine, reason = require "anzol.native".verify(options.project, options.source, request,
    settings.loading(options.project))
  if is_genuine == nil then failure.raise(failure.CONFIG, "%s", reason) end
  return is_genuine, reason
end

function M.run(options, console)
  genuine.check(options)
  if options.headers == "-" and options.body == "-" then
    failure.raise(failure.USAGE,
      "--headers and --body cannot both be standard input; give a file for one")
  end
  local request = read_headers(options.headers)
  request.body = body.read(options.body)
  if options.public_url then
    local query
    request.url, query = options.public_url:match "^([^?]*)%??(.*)$"
    if query ~= "" then request.query = query end
  end
  local is_genuine, reason = (options.provider and by_provider or by_source)(options, request)
  if console:is_json() then
    console:data(require "anzol.native".json.encode({ genuine = is_genuine,
      reason = not is_genuine and reason or nil }, { sort = true }) .. "\n")
  else
    console:line(is_genuine and "genuine" or "not genuine: " .. (reason or "refused"))
  end
  return is_genuine and 0 or failure.FAILED
end

return M
