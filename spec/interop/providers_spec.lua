-- SPDX-License-Identifier: MIT
-- The providers' own npm clients as referees: what they sign (or take for genuine) is let in, what
-- Anzol signs they take for genuine; neither with a changed byte. One server for both directions.
-- Not here: square's client, which with what it needs is larger than all others together.
local Receiver = require "support.receiver"
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"
local mime = require "mime"
local scripts = require "support.scripts"

local SECRET = "a secret that both sides know"

local script = [[
local secret, provider = anzol.secret "SECRET", anzol.provider
local function source(name, options)
  options.public_url = "https://hooks.example/in/" .. name
  anzol.source(name, options)
end
source("stripe", { provider = provider.stripe { secret = secret } })
source("svix", { provider = provider.svix { secret = anzol.secret "WHSEC" } })
source("twilio", { provider = provider.twilio { secret = secret }, type = "twilio" })
source("discord", { provider = provider.discord { public_key = anzol.secret "ED25519_PUBLIC" } })
source("sendgrid", { provider = provider.sendgrid { public_key = anzol.secret "EC_PUBLIC" } })

local covered = { "@method", "@target-uri", "content-digest" }
local function http(name, algorithm, key)
  local options = { algorithm = algorithm, components = covered, key_id = "key-1" }
  options[key and "public_key" or "secret"] = key and anzol.secret(key .. "_PUBLIC") or secret
  source(name, { verify = anzol.verify.http_signature(options), type = "http" })
  options.public_key, options.secret = nil, key and anzol.secret(key .. "_PRIVATE") or secret
  return anzol.sign.http_signature(options)
end

local names = {}
local function endpoint(name, sign, headers)
  anzol.endpoint(name, { url = "$URL/" .. name, sign = sign, headers = headers,
    allow_private = true })
  names[#names + 1] = name
end
endpoint("http-hmac", http("http-hmac", "hmac-sha256"))
endpoint("http-ed25519", http("http-ed25519", "ed25519", "ED25519"))
endpoint("http-ecdsa", http("http-ecdsa", "ecdsa-p256-sha256", "EC"))
endpoint("http-rsa", http("http-rsa", "rsa-v1_5-sha256", "RSA"))
endpoint("http-pss", http("http-pss", "rsa-pss-sha512", "RSA"))
for _, name in ipairs { "github", "stripe", "slack", "paddle", "shopify", "twilio" } do
  endpoint(name, anzol.sign[name] { secret = secret }, { ["X-Shopify-Topic"] = "orders/create",
    ["X-Shopify-Shop-Domain"] = "a.myshopify.com", ["X-Shopify-API-Version"] = "2025-07",
    ["X-Shopify-Webhook-Id"] = "w-1", ["X-Shopify-Event-Id"] = "e-1" })
end
endpoint("svix", anzol.sign.standard { secret = anzol.secret "WHSEC" })
endpoint("discord", anzol.sign.ed25519 { secret = anzol.secret "ED25519_PRIVATE",
  header = "X-Signature-Ed25519", timestamp_header = "X-Signature-Timestamp",
  content = { "timestamp", "body" } })

anzol.source("go", { verify = anzol.verify.none(), type = "go" })
anzol.on("go", function(event)
  for _, name in ipairs(names) do
    local message = { json = { id = "evt_1", text = "olá €" } }
    if name == "twilio" then message = { form = { Body = "a & b", MessageSid = "SM1" } } end
    event:send(name, message)
  end
end)
]]

describe("the providers' official clients", function()
  local server, receiver, dir, keys_path

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("standardwebhooks", dir)
    keys_path = dir .. "/keys"
    files.write(keys_path, clients.run({ "node", "make_keys.mjs" }, dir))
    local keys = json.decode(files.read(keys_path))
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = {
      SECRET = SECRET, WHSEC = "whsec_" .. mime.b64(SECRET),
      ED25519_PUBLIC = keys.ed25519.public, ED25519_PRIVATE = keys.ed25519.private,
      EC_PUBLIC = keys.ec.public, EC_PRIVATE = keys.ec.private,
      RSA_PUBLIC = keys.rsa.public, RSA_PRIVATE = keys.rsa.private,
    } }
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
    files.remove(dir)
  end)

  it("sign what is let in, and not with a changed byte", function()
    local port = tostring(server.port)
    local rows = clients.lines_of(clients.run({ "node", "post_providers.mjs", port, SECRET, keys_path }, dir))
    assert.equal(11, #rows)
    for _, row in ipairs(rows) do
      assert.same({ row.name, 200, 401 }, { row.name, row.status, row.changed })
    end
  end)

  it("take what is signed here for genuine, and not with a changed byte", function()
    assert.equal(200, server:post("/in/go", "{}").status)
    local count = 13
    receiver:await(count, 60000)
    local records, rows = receiver:take(), {}
    for i, record in ipairs(records) do
      rows[i] = json.encode { path = record.path, headers = record.headers,
        body = (mime.b64(record.body)) }
    end
    files.write(dir .. "/received", table.concat(rows, "\n"))
    local verified = clients.lines_of(clients.run({ "node", "verify_providers.mjs", SECRET, keys_path,
      dir .. "/received", receiver:url "" }, dir))
    assert.equal(count, #verified)
    for _, row in ipairs(verified) do
      assert.same({ row.name, true, false }, { row.name, row.genuine, row.changed })
    end
  end)
end)
