-- SPDX-License-Identifier: MIT
-- anzol.crypto, anzol.base64, anzol.hex, anzol.url (bind_crypto.c, bind_encoding.c). The signatures
-- were made by Node's crypto.
local json = require "dkjson"
local rig = require "core.script_rig"
local script = rig.script

local made = {
  rsa = [[
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAynzZT+LksLCegnkIZP8D
hNxLaqviMkD08KSoF/FRZB2XZBu9WG7VFOX4fuemAXV4BNm4Of5v9IyXvEYycTuh
ftj0aTqPlVZYjIc4teBvtq6RJPlOENVQFuEy11XyQmxtC9zo88VSCjba4f9igTYa
s5HDigibxZjMaZOFFdU72oMs6xlrlmzDtpviX5XaIpUzQ5Ha5WvxMtnAuImGIUpk
iAMyJrfHy7K4WrddyKxqrvCLYqtivFKWygHkAHJbem1zu4wnWBIuqF/Ktxlgb3Zg
gyumciQbfZWIpisnHrMD+1EBCETKrKimMBQxDZFdCEdI/dvRZRZTcS7VJ7VgpVc3
WQIDAQAB
-----END PUBLIC KEY-----
]],
  small = [[
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC8NihnvAH+VQpo/rOQfDfsJ+iH
m40b4XEKtl4ihkp5IJ973xQQc7jATx0r0F2WKDJMa45sicZfNdlkZD9cAMoc6Lq+
0NM+/HdjXOz0eeNFiDizgsx7/f4fZAs4pJeBIink+gL0x2dbO3CYWTX4HoPLuyYu
uPtiXq39ubsTHYoiQwIDAQAB
-----END PUBLIC KEY-----
]],
  p256 = [[
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELpCViiglRrmxJ1WtU47MytxVJY9q
LrcR1WTeH9hdRsQo2sQKhv4b35aaWE8FqVKN8CoZk6J8hcd69mgyVw6wdA==
-----END PUBLIC KEY-----
]],
  p384 = [[
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEPcYrO5OowiOi2ECmWJwBN95vTciFb8uz
Art0x4PnmljqNLM5lUfbkUCqOzt5BmzsTywExtAS4Fru9qfQi1K9qCZ9UXcvM9dL
C3fPVmqzteK6MVwzm2VUHH8UgdOMxWEn
-----END PUBLIC KEY-----
]],
  k1 = [[
-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEILI08zNehy6DGvyafwKHk+/9Ytzs30aO
NsUaDgPpXiaxGd2nW3pHSmkPrUxf4LVf+wfk5crduOX+7pqwlZn4Yw==
-----END PUBLIC KEY-----
]],
  pkcs1 = "eovKpSqWMP2LVVQgX3ejuonFeFpv40dydwrmeUknr+M7Gv7aQWjCnr4QvqpQ4VeNqe0y3+H03yeZ"
    .. "ll1ubiNo/+WyC5L3bSmuKAfKbBXTdnzJljHzolf3rhkgBkrLG+sZG/fHfWqZdOeBLprRhU2lW0Bu"
    .. "uCl5hKf7wC3u+dUvYsfPnD55QYcO/R5kdV8Y54mCikqUMfi2ESEvvjpv4xLuglK10mTXsaJEFlNg"
    .. "0D1hECgJzubEPxRgc5lmdXnCpWO7VLR3AXzyZttOYGC43bOY8k8rz/vMoZLE/cYohF9r31tFb4Mp"
    .. "hwWgrbDIz9Y2qk+PXVETZJGGPMwcVC+7gKaHVg==",
  pkcs1_sha1 = "KAeRp4DWKD6LJOqh2OmR5k6O7xzZcqUItSfv1W3CcjbVRXvL+jECBq0qUgDf+A8dqqzBVqj6aKa3"
    .. "Y1LmE4LsTw9ZoUHDQPBB9bwNW0WQWUuMMJwBV+6z8E+ZdnlF36eZKYWxEuE9/8FDvqhtQL1JoZwu"
    .. "Ny4vcXAnvtUl48vsAKOi+iKyZuMuf2yud6YB5uxhLjcLZvQOElXBynzTX96kDl9sArKrqIN/vx0q"
    .. "7/6j0DT6AC8X2o8OPQBitjO7c4h7WQUAiTRXoapAFzYgiVimAataZ6EZnPgk29mb/kKH9ynPbgKK"
    .. "RKorGqVtpRuCY1l57xQpmoz1VrL4fJkopqRrYA==",
  pss = "Ayhw9NbKl02w9ziOa5E5+mxwhn7o80j4Pt0vRQazwSebMF76bez/FruGB6anpV+L/envGQjDeCjh"
    .. "WKWM2Ey2+X3b4JRFWlYMeUIwW7YAHvKdCn8LKiXys8vW1rHoz1Iq1axOi4hCSVUaDz/7Brxr8r8I"
    .. "0fosTSVhr7GNCGAGrpXSWE0Mj+A3D0fFPliftSYPUEcN9RQ0Ylc5dbcj150g9RIDFKbkSOO62lOU"
    .. "pPho9H9UEWZwDVjvYFX0vs3e21RwfJUcrkq1iOfcYWR0NjXMyE39g3hvq5OUH0/2Y1EmM+MUISjW"
    .. "SIm2LmkRP8Lx6jI24snMkzy1SxhFPNX27z1yGg==",
  pss20 = "Rvziyjmoq9hPKG1yQP98HETrX9dtNrCGFwzIzo/6ii2s1Hoo31ESU78pv/m4dpfN5MuT5D8MEhiO"
    .. "X716ri5wbAuFbA/sj7UZuGrbSRgnCVvZ1x32ltn8QaET1DvuawZqBvDFv32Omcmv7xsUt2u8Qibm"
    .. "0SnKHKZ9Ihbdt8TrD0BigotFwk4+gsnB7qKB59ZkbXOZjaRaWblv8oeypFVwHqaw35ZxhSoOoZaM"
    .. "9+2afnYgu7xeCYgD+vRcaaLrSE61Nz24pO+FfduLFW2D00tDvHFkhv8iCAqcOuEJoacdHosJDYUK"
    .. "8S0jucM2amLfz9yer3oF0x5HaaUcK6JmjNsJRQ==",
  der = "MEQCIAqj19JcOqWMMeCurEtaGq3bCDHTa+CelR9FlUsyr9P2AiBRaFZXOme0rbsMroSXy0zPXxVJ"
    .. "hudoLAL7mQqNDfkOeQ==",
  raw = "APeflVzZ/Hjw/JPxK5sSwOKiSzKWVHhBKTL1D6xyE56MqL+9H0nbCB9Pyk4X4P+sTG66YbWgvp7f"
    .. "m/LFkxrVog==",
  der384 = "MGYCMQDwlfrlqBH6QFm1TGsoG23mr4aYlyQLoUaobS9SQyE2Bt7g/R9Ol2ZwgV+35rfGBmACMQDl"
    .. "5ei7RotM7ERjN7F7tm7i69gG53CWDU4zjkkMkUvdrXDYN+I743dAUJJKQUlOq68=",
  k1sig = "MEQCIHTxRGIPyyEdBJaUemNrzxcMfOQjB2VE2mlnIHqwT4bnAiA7JDKBY87cHFv2sG8jrpcfaXE/"
    .. "e0WvbBrbBlg7QtbU7g==",
}
local DATA = "Hello, World!"

-- What the expressions give in a handler, as text; an Error or what was raised for its message.
local function eval(code, data)
  local project = rig.project(([[
    local secret = anzol.secret "KEY"
    anzol.endpoint("out", { url = "https://out.example", sign = false })
    anzol.on("**", { name = "main" }, function(event)
      local given = event.data
      local results = table.pack(pcall(function() return %s end))
      for i = 1, results.n do results[i] = tostring(results[i]) end
      event:send("out", { json = { table.unpack(results, 1, results.n) } })
    end)
  ]]):format(code))
  local result = project:run("main", { body = json.encode(data or made) })
  assert.equal("handled", result.outcome, result.text)
  local values = json.decode(result.messages[1].body)
  table.remove(values, 1)
  return table.unpack(values)
end

describe("anzol.crypto", function()
  setup(function()
    script.quiet(true)
    script.setenv("ANZOL_SECRET_KEY", "key")
  end)
  teardown(function() script.setenv("ANZOL_SECRET_KEY", nil) end)
  after_each(rig.finish)

  it("makes HMACs with texts and secrets", function()
    local mac = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    local fox = "'The quick brown fox jumps over the lazy dog'"
    assert.equal(mac, eval("anzol.crypto.hmac('sha256', 'key', " .. fox .. ", 'hex')"))
    assert.equal(mac, eval("anzol.crypto.hmac('sha256', secret, " .. fox .. ", 'hex')"))
    assert.equal(mac, eval("anzol.hex.encode(anzol.crypto.hmac('sha256', secret, " .. fox .. "))"))
    assert.equal("97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=",
      eval("anzol.crypto.hmac('sha256', secret, " .. fox .. ", 'base64')"))
  end)

  it("makes digests", function()
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d",
      eval "anzol.crypto.hash('sha1', 'abc', 'hex')")
    assert.equal("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
      eval "anzol.crypto.hash('sha256', 'abc', 'base64')")
    assert.equal("48", eval "#anzol.crypto.hash('sha384', '')")
    assert.equal(tostring(0xcbf43926), eval "anzol.crypto.crc32 '123456789'")
  end)

  it("compares", function()
    assert.equal("true", eval "anzol.crypto.equal('key', secret)")
    assert.equal("false", eval "anzol.crypto.equal('kez', secret)")
    assert.equal("false", eval "anzol.crypto.equal('', secret)")
  end)

  it("gives chance of any length up to 64 KiB, and UUIDs", function()
    assert.same({ "1", "65536", "false" }, { eval [[#anzol.crypto.random(1),
      #anzol.crypto.random(65536), anzol.crypto.random(16) == anzol.crypto.random(16)]] })
    assert.matches("1 to 65536", eval "pcall(anzol.crypto.random, 65537)" and select(2,
      eval "pcall(anzol.crypto.random, 65537)"))
    local uuid = eval "anzol.crypto.uuid()"
    assert.matches("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$",
      uuid)
  end)

  -- RFC 8032 §7.1, test 2.
  it("signs and verifies by Ed25519", function()
    local key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    local seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    local signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      .. "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    assert.equal(signature,
      eval(("anzol.hex.encode(anzol.crypto.ed25519_sign('%s', 'r'))"):format(seed)))
    local verify = "anzol.crypto.ed25519_verify('%s', anzol.hex.decode '%s', '%s')"
    assert.equal("true", eval(verify:format(key, signature, "r")))
    assert.equal("false", eval(verify:format(key, signature, "s")))
    assert.equal("false", eval(verify:format(key, signature:sub(1, -3), "r")))
  end)

  it("takes keys of Ed25519 as whpk_ and whsk_, and refuses halves that do not belong", function()
    local whole = [[(function()
      local seed, public = given.seed, given.public
      local sign, verify = anzol.crypto.ed25519_sign, anzol.crypto.ed25519_verify
      local bytes = anzol.hex.decode(seed) .. anzol.hex.decode(public)
      return verify("whpk_" .. anzol.base64.encode(anzol.hex.decode(public)),
        sign("whsk_" .. anzol.base64.encode(bytes), "x"), "x"), pcall(sign, "whsk_"
          .. anzol.base64.encode(bytes:sub(1, 63) .. "!"), "x")
    end)()]]
    local good, made_it, why = eval(whole, {
      seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    })
    assert.same({ "true", "false" }, { good, made_it })
    assert.matches("the private key cannot be read", why)
  end)

  it("verifies ECDSA over P-256 and P-384, as DER or r and s", function()
    local function verify(key, signature, rest, data)
      return eval(("anzol.crypto.ecdsa_verify(given.%s, anzol.base64.decode(given.%s), '%s'%s)")
        :format(key, signature, data or DATA, rest or ""))
    end
    assert.equal("true", verify("p256", "der"))
    assert.equal("true", verify("p256", "raw", ", 'sha256', 'raw'"))
    assert.equal("true", verify("p384", "der384", ", 'sha384'"))
    assert.equal("false", verify("p256", "der", "", "Hello"))
    assert.equal("false", verify("p256", "der", ", 'sha512'"))
    assert.equal("false", verify("p256", "der", ", 'sha256', 'raw'"))
    assert.equal("false", verify("p256", "raw"))
    assert.equal("false", verify("p384", "der"))
  end)

  it("takes no second spelling of an ECDSA signature", function()
    -- A leading zero more of r; a length of two bytes where one does.
    local code = [[(function()
      local der = anzol.base64.decode(given.der)
      local verify = anzol.crypto.ecdsa_verify
      local len = der:byte(4)
      local padded = der:sub(1, 1) .. string.char(der:byte(2) + 1) .. der:sub(3, 3)
        .. string.char(len + 1) .. "\0" .. der:sub(5)
      local long = der:sub(1, 1) .. "\x81" .. der:sub(2)
      return verify(given.p256, der, "Hello, World!"), verify(given.p256, padded, "Hello, World!"),
        verify(given.p256, long, "Hello, World!"), verify(given.p256, der .. "\0", "Hello, World!")
    end)()]]
    assert.same({ "true", "false", "false", "false" }, { eval(code) })
  end)

  it("verifies RSA with both paddings", function()
    local function verify(signature, rest)
      return eval(("anzol.crypto.rsa_verify(given.rsa, anzol.base64.decode(given.%s), '%s'%s)")
        :format(signature, DATA, rest or ""))
    end
    assert.equal("true", verify "pkcs1")
    assert.equal("true", verify("pkcs1_sha1", ", 'sha1'"))
    assert.equal("true", verify("pss", ", 'sha512', 'pss'"))
    assert.equal("true", verify("pss20", ", 'sha512', 'pss'"), "a salt of another length")
    assert.equal("false", verify("pkcs1", ", 'sha512'"))
    assert.equal("false", verify("pkcs1", ", 'sha256', 'pss'"))
    assert.equal("false", verify("pss", ", 'sha512'"))
  end)

  it("refuses keys that are too small, of another kind or no keys, without showing them", function()
    local cases = {
      { "rsa_verify(given.small, '', '')", "fewer than 2048" },
      { "rsa_verify(given.p256, '', '')", "none of RSA" },
      { "ecdsa_verify(given.k1, '', '')", "none of P%-256 or P%-384" },
      { "ecdsa_verify(given.rsa, '', '')", "none of P%-256 or P%-384" },
      { "ed25519_verify(given.p256, '', '')", "none of Ed25519" },
      { "ed25519_verify('', '', '')", "cannot be read" },
      { "ed25519_verify(secret, '', '')", "cannot be read" },
      { "rsa_verify('-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----', '', '')",
        "cannot be read" },
      { "ed25519_sign(given.p256, '')", "cannot be read" },
      { "hmac('md5', 'a', 'b')", "sha1, sha256, sha384 or sha512 expected" },
      { "hmac('sha256', {}, 'b')", "string or secret" },
      { "hash('sha256', 'b', 'base32')", "hex or base64 expected" },
    }
    for _, case in ipairs(cases) do
      local _, why = eval("pcall(function() return anzol.crypto." .. case[1] .. " end)")
      assert.matches(case[2], why)
      assert.is_nil(why:find("MII", 1, true))
    end
  end)

  it("is charged to the job", function()
    local project = rig.project [[
      local big = ("x"):rep(1 << 20)
      anzol.on("**", { name = "main" }, function()
        for _ = 1, 1e6 do anzol.crypto.hash("sha512", big) end
      end)
    ]]
    assert.matches("over its CPU limit", project:run("main", {}).text)
  end)
end)

describe("encodings", function()
  setup(function()
    script.quiet(true)
    script.setenv("ANZOL_SECRET_KEY", "key")
  end)
  teardown(function() script.setenv("ANZOL_SECRET_KEY", nil) end)
  after_each(rig.finish)

  it("of base64 and hex go both ways", function()
    assert.same({ "aGk/Pg==", "aGk_Pg", "hi?>", "hi?>", "hi?>" }, { eval [[
      anzol.base64.encode "hi?>", anzol.base64.encode_url "hi?>", anzol.base64.decode "aGk/Pg==",
      anzol.base64.decode_url "aGk_Pg", anzol.base64.decode_url "aGk/Pg=="]] })
    assert.same({ "6869", "hi", "hi" },
      { eval [[anzol.hex.encode "hi", anzol.hex.decode "6869", anzol.hex.decode "6869"]] })
  end)

  it("give nil and an Error for what is none", function()
    for _, call in ipairs { "anzol.base64.decode 'aGk_Pg'", "anzol.base64.decode 'a'",
      "anzol.base64.decode_url 'a!'", "anzol.hex.decode 'aA'", "anzol.hex.decode 'a'" } do
      local value, err = eval(call)
      assert.equal("nil", value)
      assert.matches("^encoding: no ", err)
    end
  end)

  it("of queries are those of forms", function()
    assert.equal("a=1&b=c%20d%26", eval "anzol.url.encode_query { b = 'c d&', a = 1 }")
    assert.equal("c d&", eval "anzol.url.decode_query('b=c+d%26&a').b")
    assert.equal("a%20b%2Fc~%C3%A9", eval "anzol.url.escape 'a b/c~é'")
  end)

  it("of URLs are taken apart, not decoded", function()
    local function parse(text)
      return eval(([[(function() local u, e = anzol.url.parse %q
        return u and anzol.json.encode(u, { sort = true }) or tostring(e) end)()]]):format(text))
    end
    assert.same({ scheme = "https", host = "a.example", port = 8443, path = "/b%20c",
      query = "d=e?f", fragment = "g" }, json.decode(parse "https://a.example:8443/b%20c?d=e?f#g"))
    assert.same({ scheme = "http", host = "[::1]", port = 80, path = "", userinfo = "u:p" },
      json.decode(parse "http://u:p@[::1]:80"))
    for _, bad in ipairs { "", "/a", "a.example/b", "https://", "https:///a", "https://a:b/",
      "https://a:65536/", "https://a b/", "1a://b", "https://a:/b" } do
      assert.matches("^url: ", parse(bad), bad)
    end
  end)
end)
