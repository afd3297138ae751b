-- SPDX-License-Identifier: MIT
-- Signatures (core/signature): primitives against published vectors, verifiers, signers.
local signature = require "anzol_test.signature"

local function hex(bytes) return (signature.encode("hex", bytes)) end
local function unhex(text) return (signature.decode("hex", text)) end
local function base64(bytes) return (signature.encode("base64", bytes)) end

-- RFC 4231 §4 (SHA-2) and RFC 2202 §3 (SHA-1): key, data, digests.
local vectors = {
  { name = "test case 1", key = ("\x0b"):rep(20), data = "Hi There",
    sha1 = "b617318655057264e28bc0b6fb378c8ef146be00",
    sha256 = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    sha384 = "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
      .. "faea9ea9076ede7f4af152e8b2fa9cb6",
    sha512 = "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
      .. "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
  { name = "test case 2 (a key shorter than the digest)", key = "Jefe",
    data = "what do ya want for nothing?",
    sha1 = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    sha384 = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
      .. "8e2240ca5e69e2c78b3239ecfab21649",
    sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
      .. "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
  { name = "test case 3", key = ("\xaa"):rep(20), data = ("\xdd"):rep(50),
    sha1 = "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
    sha256 = "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    sha384 = "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
      .. "2a5ab39dc13814b94e3ab6e101a34f27",
    sha512 = "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
      .. "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb" },
  { name = "test case 6 (a key longer than a block)", key = ("\xaa"):rep(131),
    data = "Test Using Larger Than Block-Size Key - Hash Key First",
    sha256 = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    sha384 = "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
      .. "0c2ef6ab4030fe8296248df163f44952",
    sha512 = "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
      .. "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598" },
}

describe("HMAC", function()
  for _, vector in ipairs(vectors) do
    for _, digest in ipairs { "sha1", "sha256", "sha384", "sha512" } do
      if vector[digest] then
        it("by " .. digest .. " agrees with " .. vector.name, function()
          assert.equal(vector[digest], hex(signature.hmac(digest, vector.key, vector.data)))
        end)
      end
    end
  end

  it("is of the parts one after another", function()
    local whole = signature.hmac("sha256", "key", "one.two.three")
    assert.equal(whole, signature.hmac("sha256", "key", "one", ".", "two", "", ".three"))
    assert.equal(signature.hmac("sha256", "key", ""), signature.hmac("sha256", "key"))
  end)

  it("keeps digests and keys of one thread apart", function()
    for _ = 1, 3 do
      for _, vector in ipairs(vectors) do
        for _, digest in ipairs { "sha512", "sha256", "sha384" } do
          assert.equal(vector[digest], hex(signature.hmac(digest, vector.key, vector.data)))
        end
      end
    end
  end)
end)

describe("a hash", function()
  it("agrees with FIPS 180's example", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      hex(signature.hash("sha256", "abc")))
    assert.equal("a9993e364706816aba3e25717850c26c9cd0d89d", hex(signature.hash("sha1", "abc")))
    assert.equal("da39a3ee5e6b4b0d3255bfef95601890afd80709", hex(signature.hash("sha1", "")))
  end)
end)

describe("comparing", function()
  it("is by value and length", function()
    assert.is_true(signature.equal("abc", "abc"))
    assert.is_true(signature.equal("", ""))
    for _, other in ipairs { "abd", "ab", "abcd", "" } do
      assert.is_false(signature.equal("abc", other))
    end
  end)
end)

describe("random bytes", function()
  it("do not repeat", function()
    local seen = {}
    for _ = 1, 100 do
      local bytes = signature.random(16)
      assert.equal(16, #bytes)
      assert.is_nil(seen[bytes])
      seen[bytes] = true
    end
  end)
end)

describe("hex", function()
  it("round-trips every byte", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local bytes = table.concat(all)
    assert.equal(bytes, unhex(hex(bytes)))
    assert.equal(bytes, unhex(hex(bytes):upper()))
    assert.equal("", unhex "")
  end)
  for _, bad in ipairs { "a", "0g", "0x00", " 00", "00 ", "aA", "Ff00", "0\0", "é0" } do
    it("is not " .. ("%q"):format(bad), function()
      local bytes, status = signature.decode("hex", bad)
      assert.is_nil(bytes)
      assert.equal("invalid", status)
    end)
  end
end)

describe("base64", function()
  -- RFC 4648 §10
  for plain, text in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
    fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\xff\xef\xbe"] = "/+++" } do
    it("of " .. ("%q"):format(plain) .. " is " .. text, function()
      assert.equal(text, base64(plain))
      assert.equal(plain, (signature.decode("base64", text)))
      assert.equal(plain, (signature.decode("base64", text, true)))
    end)
  end
  it("has one text for a value: unused bits are zero, the padding whole", function()
    for _, bad in ipairs { "Zh==", "Zm9=", "Zg", "Zg=", "Zm8", "Zm9v=", "Zm9v====", "Z", "=", "==",
      "====", "Zg==Zg==", "Zm 9v", "Zm9v\n", "_-__", "Zm9v\0", "Z=g=" } do
      local bytes, status = signature.decode("base64", bad)
      assert.is_nil(bytes, bad)
      assert.equal("invalid", status)
    end
  end)
  it("leniently also takes the URL-safe alphabet and lets the padding go", function()
    assert.equal("f", (signature.decode("base64", "Zg", true)))
    assert.equal("fo", (signature.decode("base64", "Zm8", true)))
    assert.equal("\xff\xef\xbe", (signature.decode("base64", "_---", true)))
    assert.equal("\xff\xef\xbe", (signature.decode("base64", "/+++", true)))
  end)
  it("leniently still refuses what is no base64", function()
    for _, bad in ipairs { "Zh==", "Zh", "Z", "Zg=", "Zg===", "Zm 9v", "Zm9v\n", "=" } do
      assert.is_nil((signature.decode("base64", bad, true)), bad)
    end
  end)
  it("round-trips random bytes of every length", function()
    for len = 0, 100 do
      local bytes = len == 0 and "" or signature.random(len)
      assert.equal(bytes, (signature.decode("base64", base64(bytes))))
    end
  end)
end)

describe("a key", function()
  it("of a whsec_ secret is what its base64 says", function()
    assert.equal("\x30\xaa\x6c\x3b", (signature.key { secrets = { "whsec_MKpsOw==" } }))
  end)
  it("of any other text is the text", function()
    assert.equal("plain secret", (signature.key { secrets = { "plain secret" } }))
  end)
  it("is never empty", function()
    for _, set in ipairs { { keys = { "" } }, { secrets = { "" } }, { secrets = { "whsec_" } } } do
      local key, status = signature.key(set)
      assert.is_nil(key)
      assert.equal("invalid", status)
    end
  end)
  it("of a malformed whsec_ secret is refused, not taken as text", function()
    local key, status = signature.key { secrets = { "whsec_!!!" } }
    assert.is_nil(key)
    assert.equal("invalid", status)
  end)
  it("of the asymmetric scheme is no shared secret", function()
    for _, secret in ipairs { "whpk_MKpsOw==", "whsk_MKpsOw==" } do
      assert.equal("invalid", (select(2, signature.key { secrets = { secret } })))
    end
  end)
  it("may be one of eleven, not of twelve", function()
    local secrets = {}
    for i = 1, 11 do secrets[i] = "secret " .. i end
    assert.equal("secret 11", (signature.key { secrets = secrets }))
    secrets[12] = "secret 12"
    local key, status = signature.key { secrets = secrets }
    assert.is_nil(key)
    assert.equal("limit", status)
  end)
end)

-- ---- Verifying --------------------------------------------------------------------------------

local body = '{"test": 2432232314}'
local now_ms = 1614265330 * 1000

-- The published example of the Standard Webhooks reference libraries.
local example = {
  secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp = "1614265330",
  signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}

local function headers(changes)
  local values = { id = example.id, timestamp = example.timestamp, signature = example.signature }
  for name, value in pairs(changes or {}) do values[name] = value end
  local list = {}
  for _, name in ipairs { "id", "timestamp", "signature" } do
    if values[name] then list[#list + 1] = { "Webhook-" .. name, values[name] } end
  end
  return list
end

local standard = { kind = "standard", secrets = { example.secret } }

local function verify(list, at_ms, verifier)
  return signature.verify(verifier or standard, list, body, at_ms or now_ms)
end

local function v1(key, id, timestamp, text)
  return "v1," .. base64(signature.hmac("sha256", key, id, ".", timestamp, ".", text))
end

describe("the Standard Webhooks verifier", function()
  it("accepts the published example", function()
    assert.is_true((verify(headers())))
  end)

  it("refuses one changed bit of the body, the id, the time or the signature", function()
    assert.is_false((signature.verify(standard, headers(), body .. " ", now_ms)))
    assert.is_false((verify(headers { id = example.id:sub(1, -2) .. "l" })))
    assert.is_false((verify(headers { timestamp = "1614265331" })))
    local genuine = signature.decode("base64", example.signature:sub(4))
    for bit = 0, #genuine * 8 - 1 do
      local at = bit // 8 + 1
      local byte = genuine:byte(at) ~ (1 << bit % 8)
      local forged = genuine:sub(1, at - 1) .. string.char(byte) .. genuine:sub(at + 1)
      local ok, reason = verify(headers { signature = "v1," .. base64(forged) })
      assert.is_false(ok)
      assert.is_true(#reason > 0)
    end
  end)

  it("says which step failed", function()
    local function reason(list, at_ms) return (select(2, verify(list, at_ms))) end
    assert.matches("webhook%-id", reason(headers { id = false }))
    assert.matches("webhook%-timestamp", reason(headers { timestamp = false }))
    assert.equal("header webhook-signature is missing", reason(headers { signature = false }))
    assert.equal("webhook-timestamp is not a number of seconds",
      reason(headers { timestamp = "soon" }))
    assert.equal("no signature in webhook-signature matches", reason(headers { signature = "v1a,AAAA" }))
    assert.matches("too old", reason(headers(), now_ms + 301000))
    assert.matches("future", reason(headers(), now_ms - 301000))
  end)

  it("refuses a header that is there twice, also with equal values", function()
    for _, name in ipairs { "id", "timestamp", "signature" } do
      local list = headers()
      list[#list + 1] = { "webhook-" .. name, example[name] }
      local ok, reason = verify(list)
      assert.is_false(ok, name)
      assert.matches("came twice", reason)
    end
  end)

  it("holds the clocks to 300 s both ways", function()
    for _, distance in ipairs { -300, 0, 300 } do
      assert.is_true((verify(headers(), now_ms + distance * 1000)), distance .. " s")
    end
    for _, distance in ipairs { -301, 301, -86400, 86400 } do
      local ok, reason = verify(headers(), now_ms + distance * 1000)
      assert.is_false(ok, distance .. " s")
      assert.matches("timestamp", reason)
    end
  end)

  it("takes digits only as a time", function()
    local key = signature.key { secrets = { example.secret } }
    for _, timestamp in ipairs { "", "-1614265330", "+1614265330", " 1614265330", "1614265330 ",
      "0x6037BB32", "1614265330.0", "1.6e9", "16142653301614265330" } do
      local list = headers { timestamp = timestamp,
        signature = v1(key, example.id, timestamp, body) }
      assert.is_false((verify(list)), ("%q"):format(timestamp))
    end
  end)

  it("refuses an id whose border with the time is ambiguous", function()
    local key = signature.key { secrets = { example.secret } }
    local id = "msg_a.1614265330"
    assert.is_false((verify(headers { id = id,
      signature = v1(key, id, example.timestamp, body) })))
    assert.is_false((verify(headers { id = "",
      signature = v1(key, "", example.timestamp, body) })))
  end)

  it("takes any of several signatures with any of several keys", function()
    local key = signature.key { secrets = { example.secret } }
    local good = v1(key, example.id, example.timestamp, body)
    local bad = v1("another", example.id, example.timestamp, body)
    assert.is_true((verify(headers { signature = bad .. " v1a,x= v2,y " .. good })))
    assert.is_true((verify(headers(), nil,
      { kind = "standard", secrets = { "new secret", example.secret } })))
    assert.is_false((verify(headers { signature = bad .. " " .. bad })))
  end)

  it("tries sixteen signatures, not seventeen", function()
    local key = signature.key { secrets = { example.secret } }
    local good = v1(key, example.id, example.timestamp, body)
    local bad = v1("another", example.id, example.timestamp, body) .. " "
    assert.is_true((verify(headers { signature = bad:rep(15) .. good })))
    assert.is_false((verify(headers { signature = bad:rep(16) .. good })))
  end)

  it("takes a signature without padding or in the URL-safe alphabet", function()
    local unpadded = example.signature:gsub("=+$", "")
    assert.is_true((verify(headers { signature = unpadded })))
    assert.is_true((verify(headers { signature = (example.signature:gsub("/", "_")) })))
  end)

  it("knows the header names that Svix used before", function()
    local list = headers()
    for _, header in ipairs(list) do header[1] = header[1]:gsub("Webhook", "svix") end
    assert.is_true((verify(list)))
    list[1][1] = "webhook-id"
    assert.is_false((verify(list)), "the names of two schemes are never mixed")
  end)

  it("knows no v1 but exactly that", function()
    local value = example.signature:sub(4)
    for _, prefix in ipairs { "", "v0,", "v1a,", "V1,", "v1=", "v1 ,", "v1,,", "1," } do
      assert.is_false((verify(headers { signature = prefix .. value })), prefix)
    end
  end)
end)

local github = { kind = "hmac", header = "x-hub-signature-256", prefix = "sha256=",
  keys = { "It's a Secret to Everybody" } }
-- GitHub's documented example.
local github_signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

describe("the HMAC verifier", function()
  local function check(value, verifier)
    local list = type(value) == "table" and value or { { "X-Hub-Signature-256", value } }
    return signature.verify(verifier or github, list, "Hello, World!")
  end

  it("accepts GitHub's documented example", function()
    assert.is_true((check(github_signature)))
  end)

  it("refuses a missing, repeated, unprefixed, short, long or foreign signature", function()
    assert.is_false((check {}))
    assert.is_false((check { { "x-hub-signature-256", github_signature },
      { "X-HUB-SIGNATURE-256", github_signature } }))
    for _, value in ipairs { "", "sha256=", github_signature:sub(8), github_signature:sub(1, -3),
      github_signature .. "00", "SHA256=" .. github_signature:sub(8), "sha1=" ..
      github_signature:sub(8), github_signature .. "," .. github_signature,
      " " .. github_signature, "sha256=" .. ("0"):rep(64) } do
      local ok, reason = check(value)
      assert.is_false(ok, value)
      assert.is_true(#reason > 0)
    end
  end)

  it("takes base64, other digests, and no prefix", function()
    local value = base64(signature.hmac("sha512", "key", "Hello, World!"))
    local verifier = { kind = "hmac", header = "x-sig", digest = "sha512", encoding = "base64",
      keys = { "key" } }
    assert.is_true((check({ { "X-Sig", value } }, verifier)))
    assert.is_false((check({ { "X-Sig", (value:gsub("=", "")) } }, verifier)))
    local shorter = base64(signature.hmac("sha256", "key", "Hello, World!"))
    assert.is_false((check({ { "X-Sig", shorter } }, verifier)))
  end)

  it("takes any key of a set while a secret rotates", function()
    local verifier = { kind = "hmac", header = "x-hub-signature-256", prefix = "sha256=",
      keys = { "new", "newer", github.keys[1] } }
    assert.is_true((check(github_signature, verifier)))
    verifier.keys[3] = "other"
    assert.is_false((check(github_signature, verifier)))
  end)
end)

describe("the verifier none", function()
  it("accepts everything", function()
    assert.is_true((signature.verify({ kind = "none" }, {}, "x")))
  end)
end)

-- ---- Signing ----------------------------------------------------------------------------------

describe("the Standard Webhooks signer", function()
  local function sign(secrets)
    return signature.sign({ kind = "standard", secrets = secrets }, example.id,
      tonumber(example.timestamp), body)
  end

  it("makes the published example", function()
    assert.same({ { "webhook-id", example.id }, { "webhook-timestamp", example.timestamp },
      { "webhook-signature", example.signature } }, sign { example.secret })
  end)

  it("signs with every key while a secret rotates, and either verifies", function()
    local list = sign { "new secret", example.secret }
    assert.equal(2, select(2, list[3][2]:gsub("v1,", "")))
    for _, secret in ipairs { "new secret", example.secret } do
      assert.is_true((verify(list, nil, { kind = "standard", secrets = { secret } })))
    end
    assert.is_false((verify(list, nil, { kind = "standard", secrets = { "third" } })))
  end)

  it("has room for all the keys of a set", function()
    local secrets = {}
    for i = 1, 8 do secrets[i] = "secret " .. i end
    assert.equal(8, select(2, sign(secrets)[3][2]:gsub("v1,", "")))
  end)
end)

describe("the HMAC signer", function()
  it("signs the body in its header, with its prefix", function()
    assert.same({ { "X-Hub-Signature-256", github_signature } },
      signature.sign({ kind = "hmac", header = "X-Hub-Signature-256", prefix = "sha256=",
        keys = github.keys }, "msg", 1, "Hello, World!"))
  end)
  it("signs with the first key only", function()
    local one = signature.sign({ kind = "hmac", header = "X-Sig", encoding = "base64",
      digest = "sha1", keys = { "a" } }, "msg", 1, "body")
    local two = signature.sign({ kind = "hmac", header = "X-Sig", encoding = "base64",
      digest = "sha1", keys = { "a", "b" } }, "msg", 1, "body")
    assert.same(one, two)
    assert.equal(base64(signature.hmac("sha1", "a", "body")), one[1][2])
  end)
end)

describe("no signer", function()
  it("adds nothing", function()
    assert.same({}, signature.sign({ kind = "none" }, "msg", 1, "body"))
  end)
end)
