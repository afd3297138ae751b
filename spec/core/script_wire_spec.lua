-- SPDX-License-Identifier: MIT
-- The options of anzol.endpoint that say how messages go over the wire (core/script/bind_wire.c).
local certificates = require "support.certificates"
local rig = require "core.script_rig"

local function finding(options)
  local project, findings = rig.load { script = ([[
    anzol.endpoint("out", { url = "https://out.example/", sign = false, %s })]]):format(options) }
  assert.is_nil(project, "it was loaded")
  return findings[1].message .. " " .. (findings[1].hint or "")
end

describe("anzol.endpoint", function()
  after_each(rig.finish)

  for options, message in pairs {
    ["proxy = 'socks5://proxy.example'"] = "option 'proxy' of anzol.endpoint 'out': only proxies of http and https",
    ["proxy = 'proxy'"] = "not the URL of a proxy: write http://HOST:PORT",
    ["proxy = ''"] = "not the URL of a proxy",
    ["proxy = 'http://proxy.example/path'"] = "the URL of a proxy has no path",
    ["proxy = 5"] = "option 'proxy' of anzol.endpoint 'out' must be a URL or anzol.secret",
    ["ca_file = 'no/such.pem'"] = "/no/such.pem: there is no such file",
    ["ca_file = '/proc/self/mem'"] = "option 'ca_file' of anzol.endpoint 'out': ",
    ["ca_file = '/'"] = "there is no such file",
    ["ca_file = 'scripts/main.lua'"] = "it holds no certificate in PEM",
    ["ca_file = {}"] = "must be the path of a file, or anzol.secret",
    ["client_cert = 'x'"] = "option 'client_cert' of anzol.endpoint 'out' takes a table",
    ["client_cert = { cert = 'x' }"] = "option 'key' of option 'client_cert' of anzol.endpoint 'out' must be the path",
    ["client_cert = { key = 'x' }"] = "option 'cert' of option 'client_cert' of anzol.endpoint 'out' must be the path",
    ["client_cert = { cert = 'x', key = 'y' }"] = "/x: there is no such file",
    ["auth = 5"] = "'auth' of anzol.endpoint 'out' takes a table of options",
    ["auth = {}"] = "'auth' of anzol.endpoint 'out' is { bearer = token } or { basic = { user, password } }",
    ["auth = { bearer = 5 }"] = "'auth.bearer' of anzol.endpoint 'out' must be a string or anzol.secret",
    ["auth = { beerer = 'x' }"] = "did you mean 'bearer'?",
    ["auth = { bearer = 'x' }, headers = { authorization = 'y' }"] =
      "anzol.endpoint 'out' has both 'auth' and a header 'Authorization'",
    ["auth = { oauth2 = 5 }"] = "'auth.oauth2' of anzol.endpoint 'out' takes a table of options",
    ["auth = { oauth2 = { client_id = 'i', client_secret = 's' } }"] =
      "'token_url' of 'auth.oauth2' of anzol.endpoint 'out' must be a string or anzol.secret",
    ["auth = { oauth2 = { token_url = 'ftp://a', client_id = 'i', client_secret = 's' } }"] =
      [[option 'token_url' of 'auth.oauth2' of anzol.endpoint 'out': scheme "ftp" is refused]],
    ["auth = { oauth2 = { token_url = 'https://a.example/', client_secret = 's' } }"] = "'client_id' of 'auth.oauth2'",
    ["auth = { oauth2 = { token_url = 'https://a.example/', client_id = 'i' } }"] = "'client_secret' of 'auth.oauth2'",
    ["auth = { oauth2 = { token_url = 'https://a.b/', client_id = 'i', client_secret = 's', client_auth='x' } }"] =
      [[must be "basic" or "body", got 'x']],
    ["auth = { oauth2 = { token_url = 'https://a.example/', client_id = 'i', client_secret = 's', scope = {} } }"] =
      "option 'scope' of 'auth.oauth2' of anzol.endpoint 'out' must be",
    ["tell_success = 1"] = "option 'tell_success' of anzol.endpoint 'out' must be",
    ["compress = 'br'"] = [[option 'compress' of anzol.endpoint 'out' must be "gzip", got 'br']],
    ["compress = true"] = "option 'compress' of anzol.endpoint 'out' must be",
    ["cloudevents = true"] = "option 'cloudevents' of anzol.endpoint 'out' takes a table of options",
    ["cloudevents = {}"] = "option 'source' of option 'cloudevents' of anzol.endpoint 'out' must be a URI",
    ["cloudevents = { source = '' }"] = "must be a URI or a path",
    ["cloudevents = { source = 'a b' }"] = "must be a URI or a path",
    ["cloudevents = { source = 'é' }"] = "must be a URI or a path",
    ["cloudevents = { source = ('/'):rep(8001) }"] = "must be a URI or a path",
    ["cloudevents = { source = '/', mode = 'batch' }"] = [[must be "binary" or "structured", got 'batch']],
    ["cloudevents = { source = '/', sorce = '/' }"] = "did you mean 'source'?",
  } do
    it("refuses " .. options, function()
      assert.truthy(finding(options):find(message, 1, true), finding(options))
    end)
  end
end)

describe("certificates of an endpoint", function()
  local pems

  lazy_setup(function()
    pems = certificates.new()
    pems:make "ana"
    pems:make "bob"
  end)
  lazy_teardown(function() pems:remove() end)
  after_each(rig.finish)

  -- Loads an endpoint with these files of the project.
  local function load(options, names)
    local contents = { ["scripts/main.lua"] = ([[local anzol = require "anzol"
      anzol.endpoint("out", { url = "https://out.example/", sign = false, %s })]]):format(options) }
    for to, from in pairs(names) do contents[to] = pems:read(from) end
    local project, findings = rig.load { files = contents }
    return project and "loaded" or findings[1].message
  end

  it("are files of the project", function()
    assert.equal("loaded", load("ca_file = 'tls/ca.pem', client_cert = { cert = 'tls/c.pem', key = 'tls/k.pem' }",
      { ["tls/ca.pem"] = "ca.crt", ["tls/c.pem"] = "ana.crt", ["tls/k.pem"] = "ana.key" }))
  end)

  it("are files anywhere", function()
    assert.equal("loaded", load(("ca_file = %q"):format(pems:path "ca.crt"), {}))
  end)

  it("may be missing where secrets may be, and that is told", function()
    local project, findings = rig.load { allow_missing_secrets = true, script = [[
      anzol.endpoint("out", { url = "https://out.example/", sign = false, ca_file = "no.pem",
        client_cert = { cert = anzol.secret "CERT", key = anzol.secret "KEY" } })]] }
    assert.truthy(project)
    local texts = {}
    for i, row in ipairs(findings) do texts[i] = row.level .. " " .. row.message end
    assert.matches("warning .*/no.pem: there is no such file", table.concat(texts, "\n"))
  end)

  it("and their key must fit", function()
    local files = { ["c.pem"] = "ana.crt", ["k.pem"] = "bob.key" }
    assert.matches("option 'key' of option 'client_cert' of anzol.endpoint 'out': it is not the key of the certificate",
      load("client_cert = { cert = 'c.pem', key = 'k.pem' }", files), 1, true)
    files["k.pem"] = "bob.crt"
    assert.matches("it holds no private key in PEM",
      load("client_cert = { cert = 'c.pem', key = 'k.pem' }", files), 1, true)
  end)
end)
