-- SPDX-License-Identifier: MIT
-- Sealed texts and the ring of keys that opens them.
local S = require "anzol_test.signature"

local key_a, key_b = ("a1"):rep(32), ("b2"):rep(32)

local function ring(keys)
  local it = S.ring()
  if keys then assert(it:add(keys)) end
  return it
end

describe("a sealed text", function()
  it("opens with its key, in its place", function()
    local it = ring(key_a)
    local sealed = it:close("7/1/1", "secret")
    assert.equal("secret", it:open("7/1/1", sealed))
    assert.equal("secret", ring(key_a):open("7/1/1", sealed))
    assert.is_nil(sealed:find("secret", 1, true))
    assert.equal("", it:open("p", (it:close("p", ""))))
  end)

  it("is as AES-256-GCM has it", function()
    -- Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation".
    local function bytes(hex) return (S.decode("hex", hex)) end
    local it = ring "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
    local sealed = bytes(it:ids()[1]) .. bytes "cafebabefacedbaddecaf888"
      .. bytes("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        .. "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662")
      .. bytes "76fc6ece0f4e1768cddf8853bb2d551b"
    assert.equal("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532f"
      .. "cf0e2449a6b525b16aedf5aa0de657ba637b39",
      (S.encode("hex", (it:open(bytes "feedfacedeadbeeffeedfacedeadbeefabaddad2", sealed)))))
  end)

  it("does not open when any byte of it or its place is another", function()
    local it = ring(key_a)
    local sealed = it:close("7/1/1", "secret")
    for at = 1, #sealed do
      local changed = sealed:sub(1, at - 1) .. string.char(sealed:byte(at) ~ 1) .. sealed:sub(at + 1)
      local text, why = it:open("7/1/1", changed)
      assert.is_nil(text)
      assert.equal(at <= 8 and "notfound" or "invalid", why)
    end
    for len = 8, #sealed - 1 do assert.is_nil((it:open("7/1/1", sealed:sub(1, len)))) end
    assert.same({ nil, "invalid" }, { it:open("7/1/1", "short") })
    assert.same({ nil, "invalid" }, { it:open("7/1/2", sealed) })
    assert.same({ nil, "notfound" }, { ring(key_b):open("7/1/1", sealed) })
    assert.same({ nil, "notfound" }, { ring():open("7/1/1", sealed) })
  end)

  it("is another each time", function()
    local it, seen = ring(key_a), {}
    for _ = 1, 1000 do
      local sealed = it:close("p", "secret")
      assert.is_nil(seen[sealed])
      seen[sealed] = true
    end
  end)

  it("is the plain text with a mark where there is no key, which any ring opens", function()
    local plain = ring():close("p", "secret")
    assert.equal(("\0"):rep(8) .. "secret", plain)
    assert.equal("secret", ring(key_a):open("p", plain))
  end)

  it("is of 64 MiB at most, as a body", function()
    local it, long = ring(key_a), ("x"):rep(64 << 20)
    assert.is_true(long == it:open("p", (it:close("p", long))))
    assert.same({ nil, "limit" }, { it:close("p", long .. "x") })
  end)
end)

describe("a ring", function()
  it("seals with the first key and opens with all", function()
    local it = ring(key_a)
    local of_a = it:close("p", "one")
    assert(it:add(key_b))
    local of_b = it:close("p", "two")
    assert.equal(it:ids()[1], (S.encode("hex", of_b:sub(1, 8))))
    assert.same({ "one", "two" }, { (it:open("p", of_a)), (it:open("p", of_b)) })
    assert.is_nil((ring(key_a):open("p", of_b)))
    it:forget()
    assert.is_nil((it:open("p", of_a)))
    assert.equal("two", (it:open("p", of_b)))
  end)

  it("takes a key that it has to the front, once", function()
    local it = ring(key_a .. " " .. key_b)
    local a, b = table.unpack(it:ids())
    assert(it:add(key_b))
    assert.same({ b, a }, it:ids())
    assert(it:add(key_a .. "," .. key_a .. "\n" .. key_b .. "\n"))
    assert.same({ a, b }, it:ids())
  end)

  it("reads hex and base64", function()
    local bytes = ("\xa1"):rep(32)
    assert.same(ring(key_a):ids(), ring((S.encode("base64", bytes))):ids())
    assert.same(ring(key_a):ids(), ring(key_a:upper()):ids())
  end)

  it("refuses what is no key, says which, shows nothing of it and stays as it was", function()
    local it = ring(key_a)
    for _, bad in ipairs { "", " \n", key_b:sub(1, 62), key_b .. "b2", "hunter2", ("!"):rep(44) } do
      local ok, status, why = it:add(bad)
      assert.is_nil(ok)
      assert.equal("invalid", status)
      assert.is_true(bad:match "%S" == nil or why:find(bad, 1, true) == nil)
    end
    local _, _, why = it:add(key_b .. "\nhunter2")
    assert.matches("^key 2 is not 32 bytes", why)
    assert.equal(1, #it:ids())
  end)

  it("has eight keys at most", function()
    local keys = {}
    for i = 1, 9 do keys[i] = ("%02x"):format(i):rep(32) end
    local it = ring(table.concat(keys, " ", 1, 8))
    for _, case in ipairs { { it, keys[9] }, { S.ring(), table.concat(keys, " ") } } do
      local _, status, why = case[1]:add(case[2])
      assert.equal("limit", status)
      assert.matches("^more than 8 keys", why)
    end
    assert.equal(8, #it:ids())
  end)
end)
