-- SPDX-License-Identifier: MIT
-- HTTP message signatures: the test cases of RFC 9421 (appendix B.2), and what is near them.
local json = require "dkjson"
local rig = require "core.script_rig"
local script = rig.script

local CREATED_MS = 1618884473000
local BODY = '{"hello": "world"}'
local DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwE"
  .. "mTHWXvJwew==:"

-- B.1.2, B.1.4, B.1.5
local RSA_PSS = [[
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----]]
local ED25519 = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
local ED25519_PRIVATE = "n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU="
local SHARED = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

local cases = {
  { name = "B.2.2 (selective, rsa-pss-sha512)", algorithm = "rsa-pss-sha512", key = RSA_PSS,
    covers = '"@authority", "content-digest", \'@query-param;name="Pet"\'',
    input = 'sig-b22=("@authority" "content-digest" "@query-param";name="Pet")'
      .. ';created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    signature = "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq"
      .. "6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQz"
      .. "Rw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lank"
      .. "enQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHS"
      .. "w==:" },
  { name = "B.2.3 (full coverage, rsa-pss-sha512)", algorithm = "rsa-pss-sha512", key = RSA_PSS,
    covers = '"@method", "@path", "@query", "content-digest"',
    input = 'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" '
      .. '"content-length");created=1618884473;keyid="test-key-rsa-pss"',
    signature = "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRAS"
      .. "VxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPVi"
      .. "V7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9Bmzh"
      .. "uzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cU"
      .. "A==:" },
  { name = "B.2.5 (hmac-sha256)", algorithm = "hmac-sha256", key = SHARED, is_base64 = true,
    covers = '"date", "@authority", "content-type"',
    input = 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    signature = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:" },
  { name = "B.2.6 (ed25519)", algorithm = "ed25519", key = ED25519,
    covers = '"date", "@method", "@path", "@authority", "content-type", "content-length"',
    input = 'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
      .. ';created=1618884473;keyid="test-key-ed25519"',
    signature = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lI"
      .. "p5WPpBKRCw==:" },
}

local function load(case, more, url)
  script.setenv("ANZOL_SECRET_K", case.is_base64 and require "mime".unb64(case.key) or case.key)
  return rig.project(([[anzol.source("in", { public_url = %q, verify = anzol.verify.http_signature {
    %s = anzol.secret "K", algorithm = %q, components = { %s }, %s } })]])
    :format(url or "https://example.com/foo",
      case.algorithm == "hmac-sha256" and "secret" or "public_key", case.algorithm,
      case.covers, more or ""))
end

-- The RFC's request with the signature of a case; changes: { name = value | false }.
local function request(case, changes)
  local values = {
    { ":method", "POST" }, { ":path", "/foo" }, { ":query", "param=Value&Pet=dog" },
    { "Host", "example.com" }, { "Date", "Tue, 20 Apr 2021 02:07:55 GMT" },
    { "Content-Type", "application/json" }, { "Content-Digest", DIGEST },
    { "Content-Length", "18" }, { "Signature-Input", case.input },
    { "Signature", case.signature },
  }
  local headers = {}
  for _, header in ipairs(values) do
    local value = changes and changes[header[1]]
    if value == nil then headers[#headers + 1] = header
    elseif value then headers[#headers + 1] = { header[1], value } end
  end
  return { headers = headers, body = changes and changes.body or BODY }
end

describe("an HTTP message signature", function()
  setup(function()
    script.quiet(true)
    script.clock(CREATED_MS)
  end)
  teardown(function()
    script.setenv("ANZOL_SECRET_K", nil)
    script.clock()
  end)
  after_each(function()
    script.clock(CREATED_MS)
    rig.finish()
  end)

  local function reason(project, case, changes)
    local result = project:admit("in", request(case, changes))
    return result.outcome == "unverified" and result.reason or result.outcome
  end

  for _, case in ipairs(cases) do
    it("of the RFC's " .. case.name .. " is genuine, and nothing near it", function()
      local project = load(case)
      assert.equal("ok", reason(project, case))
      local at = #case.signature - 20
      local forged = case.signature:sub(1, at - 1)
        .. (case.signature:sub(at, at) == "A" and "B" or "A") .. case.signature:sub(at + 1)
      assert.equal("no signature in Signature matches", reason(project, case, { Signature = forged }))
      local later = case.input:gsub("1618884473", "1618884474")
      assert.equal("no signature in Signature matches",
        reason(project, case, { ["Signature-Input"] = later }))
      if case.input:find("content-type", 1, true) then
        assert.equal("no signature in Signature matches",
          reason(project, case, { ["Content-Type"] = "application/json; charset=utf-8" }))
        assert.matches('component "content%-type" is not in the request',
          reason(project, case, { ["Content-Type"] = false }))
      end
      if case.input:find("content-digest", 1, true) then
        assert.equal("Content-Digest is not the digest of the body",
          reason(project, case, { body = BODY .. " " }))
      end
    end)
  end

  local hmac = cases[3]

  it("without public_url is judged by Host and what was asked for", function()
    script.setenv("ANZOL_SECRET_K", require "mime".unb64(SHARED))
    local project = rig.project [[anzol.source("in", { verify = anzol.verify.http_signature {
      secret = anzol.secret "K", components = { "@authority" } } })]]
    assert.equal("ok", reason(project, hmac))
    assert.matches("no signature", reason(project, hmac, { Host = "example.org" }))
  end)

  it("must cover what the source asks for; by default the body", function()
    script.setenv("ANZOL_SECRET_K", require "mime".unb64(SHARED))
    local project = rig.project [[anzol.source("in", { verify =
      anzol.verify.http_signature { secret = anzol.secret "K" } })]]
    assert.equal("the signature does not cover @method", reason(project, hmac))
  end)

  it("names algorithm, key and tag as the source asks for", function()
    assert.equal("ok", reason(load(hmac, "key_id = 'test-shared-secret'"), hmac))
    assert.matches("another keyid", reason(load(hmac, "key_id = 'other'"), hmac))
    assert.matches("another tag", reason(load(hmac, "tag = 'x'"), hmac))
    assert.equal('Signature-Input has no label "sig9"', reason(load(hmac, "label = 'sig9'"), hmac))
    assert.matches("another algorithm", reason(load(hmac), hmac,
      { ["Signature-Input"] = hmac.input .. ';alg="ed25519"' }))
  end)

  it("is held to the clock, both ways, and to its own expiry", function()
    local project = load(hmac)
    for _, distance_s in ipairs { -300, 300 } do
      script.clock(CREATED_MS + distance_s * 1000)
      assert.equal("ok", reason(project, hmac))
    end
    for _, distance_s in ipairs { -301, 301 } do
      script.clock(CREATED_MS + distance_s * 1000)
      assert.matches("the clock differs by 301 s", reason(project, hmac))
    end
    script.clock(CREATED_MS)
    local undated = hmac.input:gsub("created=%d+;", "")
    assert.matches("when it was created", reason(project, hmac, { ["Signature-Input"] = undated }))
  end)

  it("is refused where it is malformed", function()
    local project = load(hmac)
    for _, input in ipairs { "", "sig-b25", "sig-b25=", "sig-b25=()", "sig-b25=1", 'sig-b25=("date"',
      'sig-b25=("date" "date");created=1618884473', 'sig-b25=("date"  "@authority")',
      hmac.input .. ",", hmac.input .. ";created=1", hmac.input .. ", " .. "sig-b25=?0",
      'sig-b25=("Date");created=1618884473', 'sig-b25=("@status");created=1618884473',
      'sig-b25=("date";req "@authority" "content-type");created=1618884473',
      'sig-b25=("date" "@authority" "content-type");created=01618884473',
      'sig-b25=("date" "@authority" "content-type");created="1618884473"',
      'sig-b25=("date" "@authority" "content-type" "x-none");created=1618884473' } do
      local why = reason(project, hmac, { ["Signature-Input"] = input })
      assert.not_equal("ok", why, input)
    end
    for _, signature in ipairs { "", "sig-b25", "sig-b25=1", 'sig-b25="x"', "sig-b25=:!:",
      "other=:AAAA:", "sig-b25=::", hmac.signature .. "," .. hmac.signature } do
      assert.not_equal("ok", reason(project, hmac, { Signature = signature }), signature)
    end
    assert.equal("header Signature is missing", reason(project, hmac, { Signature = false }))
    assert.equal("header Signature-Input is missing",
      reason(project, hmac, { ["Signature-Input"] = false }))
  end)

  it("is found beside those of others", function()
    local project = load(hmac)
    assert.equal("ok", reason(project, hmac, {
      ["Signature-Input"] = 'proxy=("date");created=1618884473, ' .. hmac.input,
      Signature = "proxy=:AAAA:, " .. hmac.signature }))
  end)

  local function sign(options, key)
    script.setenv("ANZOL_SECRET_K", key)
    local project = rig.project(([[
      local sign = anzol.sign.http_signature { secret = anzol.secret "K", %s }
      anzol.on("**", { name = "sign" }, function(event)
        error(anzol.json.encode(sign { method = "POST", url =
          "https://example.com/foo?param=Value&Pet=dog", body = event.body, timestamp = 1618884473,
          headers = { Date = "Tue, 20 Apr 2021 02:07:55 GMT", ["Content-Type"] = "application/json",
            ["Content-Length"] = "18" } }), 0)
      end)
    ]]):format(options))
    return json.decode(project:run("sign", { body = BODY }).text:match "^[^\n]*")
  end

  it("of ours is that of the RFC but for the parameter alg", function()
    local headers = sign([[algorithm = "ed25519", label = "sig-b26", key_id = "test-key-ed25519",
      components = { "date", "@method", "@path", "@authority", "content-type", "content-length" }]],
      ED25519_PRIVATE)
    assert.equal(cases[4].input .. ';alg="ed25519"', headers["Signature-Input"])
    assert.equal("ok", reason(load(cases[4]), { input = headers["Signature-Input"],
      signature = headers.Signature }))
  end)

  it("may cover one member of a dictionary", function()
    local key = "a secret that is long enough"
    script.setenv("ANZOL_SECRET_K", key)
    local project = rig.project [[
      local secret = anzol.secret "K"
      local components = { 'x-dict;key="b"', 'x-dict;key="c"', "@authority" }
      anzol.source("in", { public_url = "https://example.com/foo", verify =
        anzol.verify.http_signature { secret = secret, components = components } })
      local sign = anzol.sign.http_signature { secret = secret, components = components }
      anzol.on("**", { name = "sign" }, function()
        error(anzol.json.encode(sign { url = "https://example.com/foo", timestamp = 1618884473,
          headers = { ["X-Dict"] = 'a=1, b=("x" y);q=2, c' } }), 0)
      end)
    ]]
    local made = json.decode(project:run("sign", {}).text:match "^[^\n]*")
    local function admit(value)
      local result = project:admit("in", { body = "", headers = { { "X-Dict", value },
        { "Signature-Input", made["Signature-Input"] }, { "Signature", made.Signature } } })
      return result.reason ~= "" and result.reason or result.outcome
    end
    assert.matches('^sig1=%("x%-dict";key="b" "x%-dict";key="c" "@authority"%);',
      made["Signature-Input"])
    assert.equal("ok", admit 'a=1, b=("x" y);q=2, c')
    assert.equal("ok", admit 'c, b=("x" y);q=2, a=7', "the others may change")
    assert.equal("no signature in Signature matches", admit 'a=1, b=("x" z);q=2, c')
    assert.matches('x%-dict";key="b" is not in the request', admit "a=1, c")
    assert.matches('x%-dict";key="b" is not in the request', admit 'b=1, b=("x" y);q=2, c')
  end)

  it("of ours covers the body by a digest that it makes, and what else it is told to", function()
    local key = "a secret that is long enough"
    local headers = sign([[components = { "@method", "@target-uri", "@scheme", "@request-target",
      "@query", '@query-param;name="Pet"', "content-digest" }, nonce = true, tag = "t",
      expires = "1m"]], key)
    assert.matches("^sha%-256=:", headers["Content-Digest"])
    assert.matches(';created=1618884473;expires=1618884533;alg="hmac%-sha256";nonce="[%w_-]+";tag="t"$',
      headers["Signature-Input"])
    local own = { algorithm = "hmac-sha256", key = key, covers = '"@target-uri", "content-digest"',
      input = headers["Signature-Input"], signature = headers.Signature }
    local digest = { ["Content-Digest"] = headers["Content-Digest"] }
    assert.equal("ok", reason(load(own), own, digest))
    assert.matches("no signature", reason(load(own, nil, "https://example.com/bar"), own, digest))
    script.clock(CREATED_MS + 61000)
    assert.equal("the signature is genuine but expired 1 s ago", reason(load(own), own, digest))
  end)
end)

describe("a Standard Webhooks signature by a private key", function()
  setup(function() script.quiet(true) end)
  after_each(rig.finish)

  it("is verified by the public one, beside a shared secret", function()
    local mime = require "mime"
    local seed = mime.unb64(ED25519_PRIVATE)
    local public = mime.unb64(ED25519):sub(-32)
    script.setenv("ANZOL_SECRET_PRIVATE", "whsk_" .. mime.b64(seed .. public))
    script.setenv("ANZOL_SECRET_PUBLIC", "whpk_" .. mime.b64(public))
    script.setenv("ANZOL_SECRET_SHARED", "whsec_" .. mime.b64 "twenty-four bytes or more")
    local project = rig.project [[
      local both = { anzol.secret "SHARED", anzol.secret "PRIVATE" }
      anzol.source("public", { verify = anzol.verify.standard { secret = anzol.secret "PUBLIC" } })
      anzol.source("shared", { verify = anzol.verify.standard { secret = anzol.secret "SHARED" } })
      anzol.on("**", { name = "sign" }, function(event)
        local sign = anzol.sign.standard { secret = both }
        error(anzol.json.encode(sign { id = "msg_1", body = event.body }), 0)
      end)
    ]]
    local made = json.decode(project:run("sign", { body = "x" }).text:match "^[^\n]*")
    assert.matches("^v1,%S+ v1a,%S+$", made["webhook-signature"])
    local function admit(source, signature)
      return project:admit(source, { body = "x", headers = { { "webhook-id", "msg_1" },
        { "webhook-timestamp", made["webhook-timestamp"] }, { "webhook-signature", signature } } })
        .outcome
    end
    local v1, v1a = made["webhook-signature"]:match "^v1,(%S+) v1a,(%S+)$"
    assert.equal("ok", admit("public", made["webhook-signature"]))
    assert.equal("ok", admit("shared", made["webhook-signature"]))
    assert.equal("unverified", admit("public", "v1," .. v1))
    assert.equal("unverified", admit("public", "v1," .. v1a), "a signature goes by its name")
    assert.equal("unverified", admit("shared", "v1a," .. v1a))
    for _, name in ipairs { "PRIVATE", "PUBLIC", "SHARED" } do
      script.setenv("ANZOL_SECRET_" .. name, nil)
    end
  end)
end)
