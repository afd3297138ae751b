-- SPDX-License-Identifier: MIT
-- Recipes as scripts write them: what their options mean, where they end, what is misuse.
local mime = require "mime"
local rig = require "core.script_rig"
local script = rig.script
local signature = require "anzol_test.signature"

local NOW_MS = 1767225600000
local SECRET = "a secret that is long enough"

local function hex(bytes) return (signature.encode("hex", bytes)) end
local function mac(...) return hex(signature.hmac("sha256", SECRET, ...)) end

-- A source "in" with that verifier.
local function source(verify, rest)
  return rig.project(("anzol.source('in', { verify = %s%s })"):format(verify, rest or ""))
end

-- "ok" or why not.
local function judge(project, headers, body)
  local result = project:admit("in", { headers = headers, body = body or "x" })
  return result.outcome == "unverified" and result.reason or result.outcome
end

describe("a recipe", function()
  setup(function()
    script.quiet(true)
    script.clock(NOW_MS)
    script.setenv("ANZOL_SECRET_S", SECRET)
  end)
  teardown(function()
    script.setenv("ANZOL_SECRET_S", nil)
    script.clock()
  end)
  after_each(rig.finish)

  local function hmac(options)
    return source(("anzol.verify.hmac { secret = anzol.secret 'S', header = 'X-S', %s }")
      :format(options))
  end

  it("signs one thing after another", function()
    local project = source([[anzol.verify.hmac { secret = anzol.secret "S", header = "X-S",
      id_header = "X-Id", timestamp_header = "X-T",
      content = { "method", " ", "url", " ", "id", ":", "timestamp", ":", "body" } }]],
      ", public_url = 'https://a.example/b'")
    local good = mac("POST https://a.example/b?c=d 7:1767225600:x")
    local function headers(changes)
      local list = { { ":method", changes.method or "POST" }, { ":query", changes.query or "c=d" },
        { "X-Id", changes.id or "7" }, { "X-T", changes.time or "1767225600" }, { "X-S", good } }
      return list
    end
    assert.equal("ok", judge(project, headers {}))
    for _, change in ipairs { { method = "PUT" }, { query = "c=e" }, { id = "8" },
      { time = "1767225601" } } do
      assert.equal("no signature in X-S matches", judge(project, headers(change)))
    end
  end)

  it("that signs the URL asks for public_url", function()
    local project = hmac "content = { 'url', 'body' }"
    assert.matches("give the source 'public_url'", judge(project, { { "X-S", mac("x") } }))
  end)

  it("knows time in seconds, milliseconds and RFC 3339, and nothing else", function()
    for unit, texts in pairs {
      s = { good = "1767225600", bad = { "", "-1", "+1", "1.0", " 1", "1e9", "0x1", "1767225600000" } },
      ms = { good = "1767225600000", bad = { "", "1767225600", "1767225600000000" } },
      iso = { good = "2026-01-01T00:00:00Z", bad = { "1767225600", "2026-01-01", ("1"):rep(100) } },
    } do
      local project = hmac(("timestamp_header = 'X-T', content = { 'timestamp' }, time = %q, "
        .. "tolerance = '5m'"):format(unit))
      assert.equal("ok", judge(project, { { "X-T", texts.good }, { "X-S", mac(texts.good) } }))
      for _, text in ipairs(texts.bad) do
        assert.matches("X%-T is not an? ", (judge(project, { { "X-T", text }, { "X-S", mac(text) } })
          :gsub("^the signature is genuine but too old.*", "X-T is not a time of now")))
      end
      assert.equal("header X-T is missing", judge(project, { { "X-S", mac "1" } }))
      assert.equal("header X-T came twice", judge(project, { { "X-S", mac "1" },
        { "X-T", texts.good }, { "x-t", texts.good } }))
    end
  end)

  it("passes over items that are none of its own, and spaces between them", function()
    local project = hmac "item_separator = ',', field = 'v1'"
    assert.equal("ok", judge(project, { { "X-S", "v0=zz, v2=1 ,junk,, v1=" .. mac "x" } }))
    assert.equal('X-S has no signature "v1"', judge(project, { { "X-S", "v0=" .. mac "x" } }))
    assert.equal('X-S has no signature "v1"', judge(project, { { "X-S", "" } }))
    assert.equal("the signature in X-S is not hex", judge(project, { { "X-S", "v1=zz" } }))
  end)

  it("tries sixteen signatures in numbered headers, up to the first that is missing", function()
    local project = hmac "numbered = true"
    local function headers(good, missing)
      local list = {}
      for i = 1, good do
        if i ~= missing then
          list[#list + 1] = { "X-S-" .. i, i == good and mac "x" or mac "y" }
        end
      end
      return list
    end
    assert.equal("ok", judge(project, headers(1)))
    assert.equal("ok", judge(project, headers(16)))
    assert.equal("no signature in X-S matches", judge(project, headers(17)))
    assert.equal("no signature in X-S matches", judge(project, headers(5, 3)))
    assert.equal("header X-S-1 is missing", judge(project, headers(5, 1)))
    assert.equal("header X-S-1 came twice",
      judge(project, { { "X-S-1", mac "x" }, { "x-s-1", mac "x" } }))
  end)

  it("signs a thousand fields of a form, not one more", function()
    local project = hmac "content = { 'form' }"
    local function form(count)
      local fields, signed = {}, {}
      for i = 1, count do
        fields[i] = ("f%05d=v"):format(count - i)
        signed[i] = ("f%05dv"):format(i - 1)
      end
      return table.concat(fields, "&"), table.concat(signed)
    end
    for count, outcome in pairs { [1] = "ok", [1000] = "ok",
      [1001] = "the form has too many fields, or memory ended" } do
      local body, signed = form(count)
      assert.equal(outcome, judge(project, { { "X-S", mac(signed) },
        { "Content-Type", "application/x-www-form-urlencoded" } }, body))
    end
    assert.equal("ok", judge(project, { { "X-S", mac "" }, { "Content-Type", "text/plain" } }, "a=b"))
  end)

  it("decodes forms before it signs, sorts by name and value, and signs equal fields once", function()
    local project = hmac "content = { 'form' }"
    local kind = { "Content-Type", "Application/X-WWW-Form-Urlencoded; charset=utf-8" }
    for body, signed in pairs { ["b=2&a=1"] = "a1b2", ["a=2&a=1&a=2"] = "a1a2", ["a"] = "a",
      ["=v"] = "v", ["a=%20+%2"] = "a  %2", ["&&a=1&"] = "a1", ["aa=1&a=b"] = "abaa1" } do
      assert.equal("ok", judge(project, { kind, { "X-S", mac(signed) } }, body), body)
    end
  end)

  it("may have the body's digest in the URL where it is no form", function()
    local project = source([[anzol.verify.hmac { secret = anzol.secret "S", header = "X-S",
      content = { "url", "form" }, body_hash_query = "bodySHA256" }]],
      ", public_url = 'https://a.example/b'")
    local digest = hex(signature.hash("sha256", "x"))
    local function headers(query)
      return { { ":query", query }, { "X-S", mac("https://a.example/b?" .. query) } }
    end
    assert.equal("ok", judge(project, headers("bodySHA256=" .. digest)))
    assert.equal("ok", judge(project, headers("a=b&bodySHA256=" .. digest .. "&c=d")))
    assert.equal("bodySHA256 of the URL is not the digest of the body",
      judge(project, headers("bodySHA256=" .. digest), "y"))
    assert.matches("the URL has no bodySHA256", judge(project, headers "xbodySHA256=1"))
  end)

  it("of a token compares all of it, the scheme's name in any case", function()
    local project = source "anzol.verify.bearer { secret = anzol.secret 'S' }"
    assert.equal("ok", judge(project, { { "Authorization", "bearer " .. SECRET } }))
    assert.equal("no secret in Authorization matches",
      judge(project, { { "Authorization", "Bearer " .. SECRET .. "x" } }))
    assert.equal("no secret in Authorization matches", judge(project, { { "Authorization", "Bearer " } }))
    assert.equal('Authorization does not begin with "Bearer "',
      judge(project, { { "Authorization", "Basic x" } }))
    assert.equal("header Authorization is missing", judge(project, { { ":query", "access_token=" .. SECRET } }))
    project = source "anzol.verify.bearer { secret = anzol.secret 'S', query = true }"
    local escaped = SECRET:gsub(" ", "%%20"):gsub("secret", "s%%65cret")
    assert.equal("ok", judge(project, { { "Authorization", "Bearer " .. SECRET } }))
    assert.equal("ok", judge(project, { { ":query", "access_token=" .. escaped } }))
    assert.equal("ok", judge(project, { { ":query", "a=b&access_token=" .. SECRET:gsub(" ", "+") .. "&c" } }))
    for _, query in ipairs { "access_token=", "access_token=x", "access_token=" .. escaped .. "x" } do
      assert.equal("no secret in Authorization matches", judge(project, { { ":query", query } }))
    end
    for _, query in ipairs { "", "access_token", "xaccess_token=" .. escaped, "Access_Token=" .. escaped } do
      assert.equal("header Authorization is missing", judge(project, { { ":query", query } }))
    end
    assert.equal("no secret in Authorization matches",
      judge(project, { { "Authorization", "Bearer x" }, { ":query", "access_token=" .. escaped } }))
    project = source "anzol.verify.basic { secret = anzol.secret 'S' }"
    assert.equal("ok", judge(project, { { "Authorization", "Basic " .. mime.b64(SECRET) } }))
    assert.equal("no secret in Authorization matches",
      judge(project, { { "Authorization", "Basic " .. mime.b64 "user:other" } }))
    assert.equal("the signature in Authorization is not base64",
      judge(project, { { "Authorization", "Basic !" } }))
  end)

  it("checks by public keys at most sixteen times for one request", function()
    -- RFC 8032 §7.1, tests 1 and 2: the key that signs and another.
    local seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    local key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    local other = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    local project = rig.project(([[
      anzol.on("**", { name = "sign" }, function(event)
        error(anzol.base64.encode(anzol.crypto.ed25519_sign("%s", "x")), 0)
      end)
    ]]):format(seed))
    local good = project:run("sign", {}).text:match "^[^\n]*"
    local bad = mime.b64(("\0"):rep(64))
    local keys = { other, other, other, other, other, other, other, key }
    local eight = source(([[anzol.verify.ed25519 { header = "X-S", encoding = "base64",
      item_separator = " ", public_key = { "%s" } }]]):format(table.concat(keys, '", "')))
    assert.equal("ok", judge(eight, { { "X-S", bad .. " " .. good } }), "sixteen")
    assert.equal("no signature in X-S matches",
      judge(eight, { { "X-S", bad .. " " .. bad .. " " .. good } }), "twenty-four")
  end)

  local misuse = {
    ["no header"] = { "secret = 's'", "needs 'header'" },
    ["a bad header"] = { "secret = 's', header = 'X S'", "bad header name" },
    ["a long header"] = { "secret = 's', header = ('x'):rep(65)", "at most 64 bytes" },
    ["four headers"] = { "secret = 's', header = { 'a', 'b', 'c', 'd' }", "a list of at most 3" },
    ["lists of different length"] = { "secret = 's', header = { 'a', 'b' }, id_header = 'c', "
      .. "content = { 'id' }", "lists of the same length" },
    ["a long prefix"] = { "secret = 's', header = 'X', prefix = ('x'):rep(33)", "at most 32 bytes" },
    ["a long separator"] = { "secret = 's', header = 'X', item_separator = ', '", "one character" },
    ["thirteen parts"] = { "secret = 's', header = 'X', content = { 'body', 'body', 'body', 'body', "
      .. "'body', 'body', 'body', 'body', 'body', 'body', 'body', 'body', 'body' }",
      "a list of at most 12" },
    ["two forms"] = { "secret = 's', header = 'X', content = { 'form', 'form' }", "one at most" },
    ["no content"] = { "secret = 's', header = 'X', content = {}", "a list of at most 12" },
    ["an id from nowhere"] = { "secret = 's', header = 'X', content = { 'id' }", "give 'id_header'" },
    ["a time from nowhere"] = { "secret = 's', header = 'X', tolerance = '1m'",
      "give 'timestamp_header'" },
    ["a field of one"] = { "secret = 's', header = 'X', field = 'v1'", "give 'item_separator'" },
    ["a time without field"] = { "secret = 's', header = 'X', timestamp_field = 't', "
      .. "item_separator = ','", "give 'field'" },
    ["another digest"] = { "secret = 's', header = 'X', algorithm = 'md5'",
      "sha1, sha256, sha384 or sha512, got 'md5'" },
    ["another encoding"] = { "secret = 's', header = 'X', encoding = 'base32'", "hex or base64" },
    ["another unit"] = { "secret = 's', header = 'X', time = 'm'", "s, ms or iso" },
    ["another key form"] = { "secret = 's', header = 'X', key = 'pem'",
      "text, base64, hex or standard" },
    ["no secret"] = { "header = 'X'", "needs 'secret'" },
    ["no secrets"] = { "secret = {}, header = 'X'", "a secret or a list of secrets" },
    ["a number"] = { "secret = 1, header = 'X'", "a secret or a list of secrets" },
    ["twelve secrets"] = { "secret = { '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12' }, header = 'X'",
      "more than 11 secrets" },
    ["a large secret"] = { "secret = ('x'):rep(16385), header = 'X'", "at most 16384 bytes" },
    ["a slip of the pen"] = { "secret = 's', heder = 'X'", "did you mean 'header'" },
  }
  for name, case in pairs(misuse) do
    it("is refused for " .. name, function()
      local why = rig.refusal(("anzol.verify.hmac { %s }"):format(case[1]))
      assert.matches("^scripts/main.lua:1: ", why)
      assert.is_truthy(why:find(case[2], 1, true), why)
    end)
  end

  it("of RFC 9421 is refused for what it cannot be", function()
    local names = {}
    for i = 1, 33 do names[i] = ("'x%d'"):format(i) end
    for options, words in pairs {
      ["algorithm = 'rsa'"] = "hmac-sha256, ed25519",
      ["label = 'Sig'"] = "a key of a structured field",
      ["label = '1'"] = "a key of a structured field",
      ["key_id = 'a\"b'"] = "printable characters",
      ["tag = ('x'):rep(257)"] = "at most 256",
      ["components = 'date'"] = "a list of at most 32 names",
      ["components = { ('x'):rep(128) }"] = "at most 127 bytes",
      ["components = { " .. table.concat(names, ",") .. " }"] = "a list of at most 32 names",
      ["expires = '1m'"] = "unknown option 'expires'",
    } do
      local why = rig.refusal(("anzol.verify.http_signature { secret = 's', %s }"):format(options))
      assert.is_truthy(why:find(words, 1, true), why)
    end
  end)

  it("of public_url is an address without a query", function()
    for _, url in ipairs { "hooks.example", "ftp://a", "https://a?b", "https://a#b", "https://a b",
      "https://" .. ("a"):rep(8000) } do
      local why = rig.refusal(("anzol.source('in', { verify = anzol.verify.none(), public_url = %q })")
        :format(url))
      assert.matches("the URL that the sender knows, without a query", why)
    end
  end)
end)
