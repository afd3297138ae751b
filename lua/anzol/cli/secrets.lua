-- SPDX-License-Identifier: MIT
-- anzol secrets: how the secrets in the store are sealed, and another key for them.
local body = require "anzol.cli.body"
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "secrets",
  summary = "Show how secrets are sealed in the store, and change the key.",
  description = [[
Secrets that have to be kept (keys and headers of registered endpoints, what WebSub keeps, values of
anzol.kv and bodies that scripts want sealed) are sealed in the store with AES-256-GCM. The key
comes from ANZOL_SECRETS_KEY, from the file that ANZOL_SECRETS_KEY_FILE or secrets_key.file in
anzol.lua names, or from the credential anzol-secrets-key of systemd. Without a key they are stored
as they are; the first start with one seals them.

  openssl rand -hex 32 > /etc/anzol/key        a key, for any of these places
  anzol secrets status                         which keys seal how many

To change the key while the server runs, put the new one before the old one into the file, and:

  anzol secrets rotate                         reads the file anew, seals everything anew
  anzol secrets rotate --key-file new          brings the new key instead

The server seals anew in steps; a kill at any point loses nothing, as long as the next start has
both keys. When the command says so, the older one may go.

Exit code 0: done, 1: some secrets could not be sealed anew, 2: it is no key, 69: no server.]],
}

local POLL_MS = 100

function M.configure(parser, add_help)
  parser:require_command(true):command_target "action"
  local function command(name, summary)
    local sub = parser:command(name):summary(summary):add_help(false)
    add_help(sub)
    return sub
  end
  local rotate = command("rotate", "Seal everything anew with another key.")
  rotate:option("--key-file", "A file with the new key; - is standard input."):argname "FILE"
  command("status", "Show which keys seal how many secrets.")
end

local function fetch(options, console)
  local answer = client.request(options, console, { path = "/api/v1/secrets" })
  return client.decode(answer), answer
end

local columns = { { "KEY", "id" }, { "SECRETS", "secrets" }, { "ROLE", "role" } }

local function status(options, console)
  local secrets, answer = fetch(options, console)
  if console:is_json() then
    client.print_json(console, answer)
    return 0
  end
  local rows = {}
  for i, key in ipairs(secrets.keys) do
    rows[i] = { id = key.id, secrets = key.secrets, role = key.isCurrent and "seals" or "opens" }
  end
  if secrets.plain > 0 or not secrets.isSealed then
    rows[#rows + 1] = { id = "none", secrets = secrets.plain, role = "stored as they are" }
  end
  console:table(columns, rows)
  local source = client.plain(secrets.source)
  if source then console:say("the keys come from %s", source) end
  return 0
end

-- Until the walk is over; tells how far it is once a second.
local function follow(options, console)
  local native = require "anzol.native"
  local told_ms = native.now_ms()
  while true do
    local secrets, answer = fetch(options, console)
    local rotation = secrets.rotation
    if not rotation.isRunning then return secrets, answer end
    if native.now_ms() - told_ms >= 1000 then
      told_ms = native.now_ms()
      console:say("%d of %d", rotation.lookedAt, rotation.total)
    end
    native.sleep_ms(POLL_MS)
  end
end

local function tell_older(console, options, secrets)
  local key = secrets.keys[1].id
  if options.key_file then
    console:say("before the next start, give it key %s: without it the server will not open its "
      .. "store", key)
  elseif #secrets.keys > 1 then
    console:say("the other keys may go: leave the first one in %s", secrets.source)
  end
end

local function rotate(options, console)
  local native = require "anzol.native"
  local key = options.key_file and body.read(options.key_file, "--key-file")
  follow(options, console) -- one that the start of the server began
  client.request(options, console, { method = "POST", path = "/api/v1/secrets/rotate",
    body = key and native.json.encode { key = key } or "{}", accept = { [202] = true } })
  local secrets, answer = follow(options, console)
  local rotation = secrets.rotation
  if console:is_json() then client.print_json(console, answer) end
  console:say("%d secrets sealed anew with key %s", rotation.sealed, secrets.keys[1].id)
  if rotation.failed > 0 or rotation.lookedAt < rotation.total then
    failure.raise(failure.FAILED, "%d could not be sealed anew: keep the older keys, see the "
      .. "server's log", math.max(rotation.failed, rotation.total - rotation.lookedAt))
  end
  tell_older(console, options, secrets)
  return 0
end

local actions = { rotate = rotate, status = status }

function M.run(options, console)
  return actions[options.action](options, console)
end

return M
