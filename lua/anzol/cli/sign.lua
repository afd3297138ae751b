-- SPDX-License-Identifier: MIT
-- anzol sign: the headers that a sender would put beside a body.
local body = require "anzol.cli.body"
local failure = require "anzol.cli.failure"
local settings = require "anzol.cli.settings"
local genuine = require "anzol.cli.genuine"

local M = {
  name = "sign",
  summary = "Sign a body as a known sender does.",
  description = [[
Print the headers that a sender would put beside a body:

  anzol sign --provider stripe --secret-env STRIPE_SECRET < body.json
  anzol sign --source github --type push --body push.json

With -o json, headers and body as one object: of some senders the body holds the signature.]],
}

function M.configure(parser)
  genuine.configure(parser)
  parser:option("--type", "Type of the event, as the provider calls it: push."):argname "TYPE"
  parser:option("--id", "Id of the message (with --provider).", "msg_1"):argname "ID"
end

local function by_provider(options, bytes)
  local provider = genuine.provider(options)
  if not provider.sign then
    failure.raise(failure.FAILED, "nobody but %s itself can sign for it", options.provider)
  end
  local ok, headers, own = pcall(provider.sign, {
    type = options.type, body = bytes, id = options.id, method = "POST", url = options.public_url,
    timestamp = require "anzol.native".now_ms() // 1000,
  })
  if not ok and not options.public_url and tostring(headers):find("signs the URL", 1, true) then
    failure.raise(failure.USAGE, "%s signs the URL: give --public-url", options.provider)
  end
  if not ok then failure.raise(failure.FAILED, "%s", genuine.message(headers)) end
  local list = {}
  for name, value in pairs(headers) do list[#list + 1] = { name, value } end
  return list, own
end

local function by_source(options, bytes)
  local request, err = require "anzol.native".sign(options.project, options.source, options.type,
    bytes, settings.loading(options.project))
  if not request then failure.raise(failure.CONFIG, "%s", err) end
  return request.headers, request.body ~= bytes and request.body or nil
end

function M.run(options, console)
  genuine.check(options)
  local bytes = body.read(options.body)
  local headers, own = (options.provider and by_provider or by_source)(options, bytes)
  table.sort(headers, function(a, b) return a[1] < b[1] end)
  if console:is_json() then
    local json, named = require "anzol.native".json, {}
    for _, header in ipairs(headers) do named[header[1]] = header[2] end
    console:data(json.encode({ headers = named, body = own or bytes }, { sort = true }) .. "\n")
    return 0
  end
  if own then
    failure.raise(failure.USAGE, "the signature of %s lies in the body: use -o json",
      options.provider or options.source)
  end
  for _, header in ipairs(headers) do console:line(header[1] .. ": " .. header[2]) end
  return 0
end

return M
