-- SPDX-License-Identifier: MIT
-- The address guard (core/send/guard.c): which addresses and URLs may be called.
local send = require "anzol_test.send"

-- ---- Addresses as lists of bytes ---

local function parse4(text)
  local bytes = {}
  for number in text:gmatch "%d+" do bytes[#bytes + 1] = tonumber(number) end
  return bytes
end

local function groups(text)
  local list = {}
  for group in text:gmatch "[^:]+" do list[#list + 1] = tonumber(group, 16) end
  return list
end

local function parse6(text)
  local before, after = text:match "^(.*)::(.*)$"
  local head, tail = groups(before or text), groups(after or "")
  local bytes = {}
  for i = 1, 8 do
    local group = head[i] or tail[i - (8 - #tail)] or 0
    bytes[#bytes + 1], bytes[#bytes + 2] = group >> 8, group & 255
  end
  return bytes
end

local function parse(text) return (text:find(":", 1, true) and parse6 or parse4)(text) end

local function format(bytes)
  if #bytes == 4 then return table.concat(bytes, ".") end
  local list = {}
  for i = 1, 16, 2 do list[#list + 1] = ("%x"):format(bytes[i] << 8 | bytes[i + 1]) end
  return table.concat(list, ":")
end

-- The address with every bit behind the first `bits` set to `bit`.
local function fill(bytes, bits, bit)
  local filled = {}
  for i, byte in ipairs(bytes) do
    local kept = math.max(0, math.min(8, bits - (i - 1) * 8))
    local mask = 255 >> kept
    filled[i] = bit == 1 and byte | mask or byte & ~mask & 255
  end
  return filled
end

-- nil past the end of all addresses.
local function step(bytes, by)
  local stepped = table.move(bytes, 1, #bytes, 1, {})
  for i = #bytes, 1, -1 do
    stepped[i] = (bytes[i] + by) & 255
    if stepped[i] ~= (by > 0 and 0 or 255) then return stepped end
  end
  return nil
end

local function range(text)
  local address, bits = text:match "^(.*)/(%d+)$"
  local bytes = parse(address)
  bits = tonumber(bits)
  return { text = text, first = fill(bytes, bits, 0), last = fill(bytes, bits, 1) }
end

local function less(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then return a[i] < b[i] end
  end
  return false
end

local function is_in(bytes, one)
  return #bytes == #one.first and not less(bytes, one.first) and not less(one.last, bytes)
end

-- ---- The table that is to hold ---

local refused4, refused6, never = {}, {}, {}
for text in ([[0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
  192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24
  203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32]]):gmatch "%S+" do
  refused4[#refused4 + 1] = range(text)
end
for text in ([[::/3 4000::/2 8000::/1 ::/128 ::1/128 ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64
  fc00::/7 fe80::/10 fec0::/10 ff00::/8 5f00::/16 2001::/23 2001:db8::/32 2002::/16
  3fff::/20]]):gmatch "%S+" do
  refused6[#refused6 + 1] = range(text)
end
for text in ([[169.254.0.0/16 100.100.100.200/32 fe80::/10 fd00:ec2::254/128]]):gmatch "%S+" do
  never[#never + 1] = range(text)
end
local mapped = range "::ffff:0:0/96"

-- What the table says.
local function expected(bytes)
  if is_in(bytes, mapped) then bytes = { table.unpack(bytes, 13) } end
  for _, one in ipairs(never) do
    if is_in(bytes, one) then return "never" end
  end
  for _, one in ipairs(#bytes == 4 and refused4 or refused6) do
    if is_in(bytes, one) then return "private" end
  end
  return "allowed"
end

local function assert_verdict(bytes)
  local text = format(bytes)
  local verdict, reason = send.judge(text)
  assert.equal(expected(bytes), verdict, text)
  if verdict ~= "allowed" then assert.is_true(#reason > 0, text) end
end

local function edges(one)
  return { first = one.first, last = one.last, before = step(one.first, -1),
    after = step(one.last, 1) }
end

describe("the guard judges", function()
  for _, list in ipairs { refused4, refused6, never } do
    for _, one in ipairs(list) do
      it(one.text .. " with its first and last address, and those before and after", function()
        for _, bytes in pairs(edges(one)) do assert_verdict(bytes) end
      end)
    end
  end

  it("an IPv4 address inside ::ffff:0:0/96 as that address", function()
    for _, one in ipairs(refused4) do
      for _, bytes in pairs(edges(one)) do
        local whole = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, table.unpack(bytes) }
        assert_verdict(whole)
        assert.equal((send.judge(format(bytes))), (send.judge(format(whole))))
      end
    end
  end)

  it("every disguise of loopback and of the metadata service as refused", function()
    for _, form in ipairs { "::ffff:7f00:1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
      "2002:7f00:1::", "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe" } do
      assert.equal("private", (send.judge(form)), form)
    end
    for _, form in ipairs { "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::" } do
      assert.equal("never", (send.judge(form)), form)
    end
  end)

  it("scoped addresses and other families as never", function()
    assert.equal("never", (send.judge("fe80::1", 2)))
    assert.equal("never", (send.judge("2606:4700::1111", 2)))
    assert.equal("never", (send.judge "a unix socket"))
  end)

  it("what people call as allowed", function()
    for _, text in ipairs { "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.0",
      "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2400:cb00::1", "::ffff:8.8.8.8" } do
      assert.equal("allowed", (send.judge(text)), text)
    end
  end)

  it("random addresses as the table has them", function()
    local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
    math.randomseed(seed)
    for _ = 1, os.getenv "ANZOL_LONG" == "1" and 1000000 or 20000 do
      local bytes = {}
      for i = 1, math.random(2) == 1 and 4 or 16 do bytes[i] = math.random(0, 255) end
      local one = (#bytes == 4 and refused4 or refused6)[math.random(#refused4)]
      if one and math.random(2) == 1 then table.move(one.first, 1, #bytes - 2, 1, bytes) end
      local ok, problem = pcall(assert_verdict, bytes)
      if not ok then error("seed " .. seed .. ": " .. tostring(problem)) end
    end
  end)
end)

describe("the operator's rules", function()
  local function judge(text, rules) return (send.judge(text, 0, rules)) end

  it("allow what the tables refuse, even what is never called", function()
    local rules = { allow = { "10.1.0.0/16", "169.254.169.254", "fd12::/16" } }
    assert.equal("allowed", judge("10.1.255.255", rules))
    assert.equal("private", judge("10.2.0.0", rules))
    assert.equal("private", judge("10.0.255.255", rules))
    assert.equal("allowed", judge("169.254.169.254", rules))
    assert.equal("never", judge("169.254.169.253", rules))
    assert.equal("allowed", judge("fd12::1", rules))
    assert.equal("private", judge("fd13::1", rules))
  end)

  it("deny what is public", function()
    local rules = { deny = { "93.184.216.0/24", "2606:4700::/32" } }
    assert.equal("never", judge("93.184.216.0", rules))
    assert.equal("never", judge("93.184.216.255", rules))
    assert.equal("allowed", judge("93.184.217.0", rules))
    assert.equal("never", judge("2606:4700::1111", rules))
    assert.equal("allowed", judge("2606:4701::", rules))
  end)

  it("deny an IPv4 address in every form in which IPv6 holds it", function()
    local rules = { deny = { "10.0.0.7" }, allow = { "::/0" } }
    for _, form in ipairs { "10.0.0.7", "::ffff:a00:7", "64:ff9b::a00:7", "64:ff9b:1::a00:7",
      "2002:a00:7::", "::a00:7" } do
      assert.equal("never", judge(form, rules), form)
    end
    assert.equal("allowed", judge("::ffff:a00:8", rules))
  end)

  it("deny before they allow", function()
    local rules = { allow = { "10.0.0.0/8" }, deny = { "10.0.0.0/24" } }
    assert.equal("never", judge("10.0.0.1", rules))
    assert.equal("allowed", judge("10.0.1.0", rules))
  end)
end)

-- ---- URLs ---

describe("a URL", function()
  for _, good in ipairs { "http://example.com", "https://example.com/", "https://example.com:443/a",
    "http://example.com:80/", "https://example.com:8443/hook?x=y#z", "http://127.0.0.1:1024/",
    "https://[2606:4700::1111]:8443/", "HTTPS://EXAMPLE.COM/", "https://xn--bcher-kva.example/" } do
    it("may be " .. good, function()
      local ok, text = send.check_url(good)
      assert.is_true(ok, text)
    end)
  end

  -- URL, what the refusal must name.
  for _, bad in ipairs {
    { "", "1 to" }, { "example.com", "" }, { "/path", "" }, { "http://", "" },
    { "ftp://example.com/", "http" }, { "file:///etc/passwd", "http" },
    { "gopher://example.com/", "http" }, { "javascript:alert(1)", "" },
    { "http://user@example.com/", "user" }, { "http://user:word@example.com/", "user" },
    { "http://:word@example.com/", "user" }, { "https://example.com:22/", "22" },
    { "https://example.com:1023/", "1023" }, { "http://example.com:0/", "" },
    { "http://example.com:65536/", "" }, { "http://exa mple.com/", "space" },
    { "http://example.com/a b", "space" }, { "http://example.com/\r\nX: y", "control" },
    { "http://bücher.example/", "xn--" }, { "http://①②⑦.⓪.⓪.①/", "xn--" },
    { "http://example.com/\127", "control" }, { "http://example.com/\t", "control" },
    { "http://[::1", "" }, { "http://[fe80::1%25lo", "" },
  } do
    it("may not be " .. ("%q"):format(bad[1]):gsub("\\\n", "\\n"), function()
      local ok, text = send.check_url(bad[1])
      assert.is_false(ok)
      assert.is_true(#text > 0)
      assert.is_truthy(text:find(bad[2], 1, true), text)
    end)
  end

  it("has at most 8,000 bytes", function()
    local stem = "http://example.com/"
    local most = stem .. ("a"):rep(send.url_bytes_max - #stem)
    assert.is_true((send.check_url(most)))
    local ok, text = send.check_url(most .. "a")
    assert.is_false(ok)
    assert.matches("8000", text, 1, true)
  end)

  it("never shows its password in the refusal", function()
    local _, text = send.check_url "http://user:hushhush@example.com/"
    assert.not_matches("hushhush", text, 1, true)
  end)
end)
