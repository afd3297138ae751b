-- SPDX-License-Identifier: MIT
-- What anzol capture masks and leaves out.
local dkjson = require "dkjson"
local mask = require "anzol.cli.mask"

describe("masking", function()
  it("keeps every byte of JSON but the values of secret names", function()
    for text, expected in pairs {
      ['{ "b":1,"a" : [ true, null, 1.50, "x\\"}" ] }\n'] = false,
      ["[]"] = false, ['"token"'] = false, [" 12345678901234567890 "] = false, ["{}"] = false,
      ['{"token":"t"}'] = '{"token":"masked"}',
      ['{"user":{"Access_Token" : "a\\"b\\\\", "n":2}}'] = '{"user":{"Access_Token" : "masked", "n":2}}',
      ['{"api-key":12,"password":"","x":"secret"}'] = '{"api-key":0,"password":"","x":"secret"}',
      ['{"secrets":[{"id":"a"},"b",null,true]}'] = '{"secrets":[{"id":"masked"},"masked",null,true]}',
      ['[{"authorization":"Bearer x"}, {"credentials":{}}]'] = '[{"authorization":"masked"}, {"credentials":{}}]',
    } do
      assert.equal(expected or text, (mask.json(text)))
    end
  end)

  it("tells where in JSON", function()
    assert.same({ "users.2.token", "client_secret" }, select(2, mask.json(
      '{"users":[{"name":"a"},{"token":"b"}],"client_secret":"c"}')))
    assert.same({}, select(2, mask.json '{"name":"token"}'))
  end)

  it("gives JSON for deep and large JSON", function()
    local deep = ("["):rep(500) .. '{"token":"t"}' .. ("]"):rep(500)
    assert.equal((deep:gsub('"t"', '"masked"')), (mask.json(deep)))
    local rows = {}
    for i = 1, 5000 do rows[i] = { name = "n" .. i, token = "t" .. i } end
    local text, masked = mask.json(dkjson.encode(rows))
    assert.equal(5000, #masked)
    assert.equal("n5000", dkjson.decode(text)[5000].name)
    assert.equal("masked", dkjson.decode(text)[5000].token)
  end)

  it("masks values of a form", function()
    local text, masked = mask.form "a=1&client%5Fsecret=x%20y&token=&b=token"
    assert.equal("a=1&client%5Fsecret=masked&token=&b=token", text)
    assert.same({ "client_secret" }, masked)
  end)

  it("leaves out headers that are secret, that sign, and that belong to the connection", function()
    local kept, left_out = mask.headers { { "Host", "a" }, { "Content-Type", "application/json" },
      { "X-Hub-Signature-256", "sha256=0" }, { "X-GitHub-Event", "push" }, { "Authorization", "Basic x" },
      { "X-Gitlab-Token", "t" }, { "webhook-id", "msg_1" }, { "webhook-timestamp", "1" }, { "Content-Length", "2" },
      { "X-Shopify-Hmac-Sha256", "x" }, { "X-Slack-Request-Timestamp", "1" }, { "User-Agent", "GitHub" },
      { "PayPal-Transmission-Sig", "x" }, { "Content-Digest", "x" } }
    assert.same({ { "Content-Type", "application/json" }, { "X-GitHub-Event", "push" },
      { "User-Agent", "GitHub" } }, kept)
    assert.same({ "X-Hub-Signature-256", "Authorization", "X-Gitlab-Token", "webhook-id", "webhook-timestamp",
      "X-Shopify-Hmac-Sha256", "X-Slack-Request-Timestamp", "PayPal-Transmission-Sig", "Content-Digest" }, left_out)
  end)
end)
