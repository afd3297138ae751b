-- SPDX-License-Identifier: MIT
-- Which headers, parameters and members are taken for secrets by their name, where nobody said it: what
-- git, curl and others hide, what services call their keys; and what must stay to be seen.
local base = require "anzol_test.base"
local mask = require "anzol.cli.mask"

local secret = { "Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Cookie",
  "Set-Cookie", "X-Auth", "X-Auth-Token", "X-Auth-Key", "X-Access-Token", "X-Session-Id", "Session", "X-Session",
  "PHPSESSION", "X-CSRF", "X-XSRF-Token", "X-Csrf-Token", "X-JWT", "X-JWT-Assertion", "X-Bearer", "X-Credentials",
  "X-Amz-Credential", "X-Amz-Security-Token", "X-Api-Key", "X-ApiKey", "api_key", "apiKey", "X_API_KEY",
  "X-RapidAPI-Key", "X-Goog-Api-Key", "DD-API-KEY", "DD-APPLICATION-KEY", "X-App-Key", "X-Access-Key",
  "aws_access_key_id", "x-functions-key", "Ocp-Apim-Subscription-Key", "X-Master-Key", "X-Parse-Master-Key",
  "X-Client-Key", "X-Shared-Key", "X-Account-Key", "private-key", "privateKey", "X-Vault-Token",
  "X-Gitlab-Token", "X-Hook-Secret", "client_secret", "X-Password", "passwd", "X-Passphrase", "oauth_token",
  "authorisation", "X-User-Authorization", "auth" }
local shown = { "Content-Type", "Content-Length", "User-Agent", "Accept", "Host", "Date", "X-Author", "author",
  "X-Author-Id", "authored", "X-Request-Id", "X-Correlation-Id", "Idempotency-Key", "X-Idempotency-Key",
  "X-Routing-Key", "key", "X-Keyboard", "X-GitHub-Event", "X-GitHub-Delivery", "webhook-id",
  "webhook-timestamp", "ce-id", "traceparent", "Retry-After", "X-RateLimit-Remaining", "Link", "ETag",
  "X-Pass", "X-Cook", "api", "x", "-", "" }

describe("a name", function()
  it("is taken for that of a secret", function()
    for _, name in ipairs(secret) do
      for _, spelling in ipairs { name, name:upper(), name:lower(), (name:gsub("-", "_")) } do
        assert.is_true(base.head_is_secret(spelling), spelling)
      end
    end
  end)

  it("is not, though it looks a bit like one", function()
    for _, name in ipairs(shown) do assert.is_false(base.head_is_secret(name), name) end
  end)

  it("is judged in fixtures as elsewhere", function()
    for _, name in ipairs(secret) do
      assert.same({ {}, { name } }, { mask.headers { { name, "v" } } }, name)
      local _, masked = mask.json(('{"%s":"v"}'):format(name))
      assert.same({ name }, masked)
    end
    for _, name in ipairs(shown) do
      local _, masked = mask.json(('{"%s":"v"}'):format(name))
      assert.same({}, masked, name)
    end
  end)
end)
