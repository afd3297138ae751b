-- SPDX-License-Identifier: MIT
-- anzol token: tokens of the API for one application, minted, listed and revoked.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"
local listing = require "anzol.cli.listing"
local span = require "anzol.cli.span"

local M = {
  name = "token",
  summary = "Mint, list and revoke tokens for one application.",
  description = [[
Mint a token with which somebody may use the API for one application and no other, list those that
have not ended, or revoke some. The token is printed once: the server keeps its hash.

  anzol token create --app acme --ttl 30d --label billing
  anzol token create --app acme --ttl 1h --scope portal
  anzol token list --app acme
  anzol token revoke tok_0EJPp3QZQQ1

Scope application (for a service) is all that lies below the application, and publishing; scope
portal (for a page that its customers see) is its endpoints and what was sent to them. A token that
was revoked is refused from then on.]],
}

local MS_PER_S = 1000

local columns = {
  { "ID", "id" },
  { "APPLICATION", "application" },
  { "SCOPE", "scope" },
  { "CREATED", "createdAt" },
  { "EXPIRES", "expiresAt" },
  { "LABEL", function(row) return client.plain(row.label) or "-" end },
}

local function ttl(text)
  local ms = span.parse(text)
  if ms and ms >= MS_PER_S then return ms // MS_PER_S end
  return nil, ("--ttl: '%s' is no span of a second or more: 90s, 10m, 1h, 30d"):format(text)
end

function M.configure(parser, add_help)
  parser:command_target "action"
  local function command(name, summary)
    local sub = parser:command(name):summary(summary):add_help(false)
    add_help(sub)
    return sub
  end
  local create = command("create", "Mint one and print it.")
  create:option("--app", "The application: its id or uid."):argname "ID":count "1"
  create:option("--ttl", "How long it is good: 90s, 10m, 1h, 30d; at most 366d."):argname "TIME"
    :count "1":convert(ttl)
  create:option("--scope", "What it may do.", "application"):choices { "application", "portal" }
  create:option("--label", "What it is for, for the list."):argname "TEXT"
  local list = command("list", "List those that have not ended, newest first.")
  list:option("--app", "Of this application alone: its id or uid."):argname "ID"
  listing.add_page(list)
  list:option("--iterator", "Where to go on: what the page before gave."):argname "ID"
  command("revoke", "Refuse tokens from now on."):argument("ids", "Their ids."):argname "ID"
    :args "+"
end

local function create(options, console)
  local json = require "anzol.native".json
  local answer = client.request(options, console, { method = "POST", path = "/api/v1/token",
    accept = { [201] = true }, body = json.encode { application = options.app,
      ttlSeconds = options.ttl, scope = options.scope, label = options.label } })
  if console:is_json() then
    client.print_json(console, answer)
    return 0
  end
  local token = client.decode(answer)
  console:say("%s, for %s, until %s; it is not shown again:", token.id, token.application,
    token.expiresAt)
  console:line(token.token)
  return 0
end

local function revoke(options, console)
  local code = 0
  for _, id in ipairs(options.ids) do
    local answer = client.request(options, console, { method = "DELETE", body = "",
      path = "/api/v1/token/" .. client.escape_part(id), accept = { [204] = true, [404] = true } })
    if answer.status == 404 then
      console:talk(("%s: %s"):format(id, client.detail(answer)))
      code = failure.FAILED
    else
      console:say("%s: revoked", id)
    end
  end
  return code
end

function M.run(options, console)
  if options.action == "create" then return create(options, console) end
  if options.action == "revoke" then return revoke(options, console) end
  return listing.run(options, console, { path = "/api/v1/token", columns = columns,
    noun = "tokens", command = "token list", query = { { "application", options.app } } })
end

return M
