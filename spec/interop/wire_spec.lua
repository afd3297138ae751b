-- SPDX-License-Identifier: MIT
-- The official npm clients as referees of what goes out: signatures while a key rotates (also by
-- Ed25519, also of compressed bodies), CloudEvents in both modes.
local Receiver = require "support.receiver"
local Server = require "support.server"
local clients = require "support.clients"
local files = require "support.files"
local json = require "dkjson"
local mime = require "mime"
local scripts = require "support.scripts"
local sign = require "support.sign"

local LIMIT_MS = 120000

-- A pair of Ed25519 from RFC 8032, test 1, as Standard Webhooks write it.
local SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
local PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

local function bytes(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local keys = {
  new = "whsec_" .. mime.b64 "the new key, 24 bytes or more",
  old = "whsec_" .. mime.b64 "the old key, 24 bytes or more",
  other = "whsec_" .. mime.b64 "nobody's key, 24 bytes or more",
}
local secrets = { GITHUB = scripts.github_secret, NEW = keys.new, OLD = keys.old,
  PRIVATE = "whsk_" .. mime.b64(bytes(SEED .. PUBLIC)) }

local script = [[
anzol.source("github", { provider = anzol.provider.github { secret = anzol.secret "GITHUB" } })
local new, old, private = anzol.secret "NEW", anzol.secret "OLD", anzol.secret "PRIVATE"
local function endpoint(name, options)
  options.url, options.allow_private = "$URL/" .. name, true
  if options.sign == nil then options.sign = false end
  anzol.endpoint(name, options)
end
endpoint("one", { sign = anzol.sign.standard { secret = new } })
endpoint("rotating", { sign = anzol.sign.standard { secret = { new, old } } })
endpoint("asymmetric", { sign = anzol.sign.standard { secret = { private, old } } })
endpoint("zipped", { sign = anzol.sign.standard { secret = { new, private } }, compress = "gzip" })
for _, mode in ipairs { "binary", "structured" } do
  for _, kind in ipairs { "json", "bytes" } do
    endpoint("event-" .. mode .. "-" .. kind, { cloudevents = { source = "/shop/orders", mode = mode } })
  end
end
anzol.on("github.push", function(event)
  event:send { "one", "rotating", "asymmetric" }
  event:send("zipped", { json = { text = ("a"):rep(5000) } })
  event:send({ "event-binary-json", "event-structured-json" },
    { json = { text = "olá €", list = { 1, 2.5 } }, type = "order.paid", headers = { ["ce-subject"] = "7" } })
  event:send({ "event-binary-bytes", "event-structured-bytes" },
    { body = "\0\255\1", headers = { ["Content-Type"] = "application/octet-stream" } })
end)
]]

describe("the official clients", function()
  local server, receiver, dir, answer, records

  lazy_setup(function()
    dir = files.temp_dir()
    clients.install("cloudevents", dir)
    receiver = Receiver.start()
    server = Server.start { scripts = scripts.with(receiver, script), secrets = secrets }
    local body = "{}"
    assert.equal(200, server:post("/in/github", body,
      sign.github_headers(secrets.GITHUB, body, "push", "one")).status)
    receiver:await(8, LIMIT_MS)
    records = {}
    local requests = {}
    for i, record in ipairs(receiver:take()) do
      records[record.path] = record
      requests[i] = { path = record.path, headers = record.headers, body = (mime.b64(record.body)) }
    end
    files.write(dir .. "/received", json.encode { keys = keys, requests = requests,
      public = "whpk_" .. mime.b64(bytes(PUBLIC)) })
    answer = json.decode(clients.run({ "node", "verify_wire.mjs", dir .. "/received" }, dir))
  end)
  lazy_teardown(function()
    if server then server:close() end
    receiver:stop()
    files.remove(dir)
  end)

  it("take what one key signed, with that key only", function()
    assert.same({ genuine = { "standardwebhooks new", "svix new" }, signatures = "v1",
      asymmetric = false, isGzip = false, isShorter = false }, answer["/one"])
  end)

  it("take what two keys signed while one replaces the other, with either", function()
    assert.same({ "standardwebhooks new", "standardwebhooks old", "svix new", "svix old" },
      answer["/rotating"].genuine)
    assert.equal("v1 v1", answer["/rotating"].signatures)
  end)

  it("take v1 beside v1a, and Node takes the v1a with the public key", function()
    assert.same({ "standardwebhooks old", "svix old" }, answer["/asymmetric"].genuine)
    assert.equal("v1a v1", answer["/asymmetric"].signatures)
    assert.is_true(answer["/asymmetric"].asymmetric)
  end)

  it("take a compressed body once it is inflated", function()
    assert.same({ genuine = { "standardwebhooks new", "svix new" }, signatures = "v1 v1a",
      asymmetric = true, isGzip = true, isShorter = true }, answer["/zipped"])
  end)

  for _, mode in ipairs { "binary", "structured" } do
    it("read a CloudEvent in " .. mode .. " mode", function()
      local made = answer["/event-" .. mode .. "-json"]
      assert.matches("^msg_", made.id)
      made.id = nil
      assert.same({ source = "/shop/orders", type = "order.paid", specversion = "1.0", subject = "7",
        datacontenttype = "application/json", data = { text = "olá €", list = { 1, 2.5 } },
        hasTime = true }, made)
    end)

    it("read bytes of a CloudEvent in " .. mode .. " mode", function()
      local made = answer["/event-" .. mode .. "-bytes"]
      assert.equal("application/octet-stream", made.datacontenttype)
      assert.equal("github.push", made.type)
      assert.same({ base64 = (mime.b64 "\0\255\1") }, made.data)
    end)
  end

  it("read the same id in both modes", function()
    assert.equal(records["/event-binary-json"].headers["ce-id"],
      json.decode(records["/event-structured-json"].body).id)
  end)
end)
