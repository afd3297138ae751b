-- SPDX-License-Identifier: MIT
-- How a URL that was asked is told to whoever looks at attempts (core/send/told_url.c).
local send = require "anzol_test.send"

describe("a URL that was asked", function()
  it("is told as it is, but for who we are and for secrets in its query", function()
    for url, told in pairs {
      ["https://crm.example/hooks/a?b=1&c"] = "https://crm.example/hooks/a?b=1&c",
      ["http://127.0.0.1:8080"] = "http://127.0.0.1:8080",
      ["https://user:pass@crm.example/x"] = "https://crm.example/x",
      ["https://a@b@crm.example"] = "https://crm.example",
      ["https://crm.example/?token=abc&a=1&api_key=x&Key=y&sig&monkey=z&="] =
        "https://crm.example/?token=[hidden]&a=1&api_key=[hidden]&Key=[hidden]&sig&monkey=z&=",
      ["https://crm.example/?" .. ("n"):rep(1000) .. "=1"] = "https://crm.example/?" .. ("n"):rep(1000) .. "=1",
      ["https://crm.example/?sessionId=1&author=2"] = "https://crm.example/?sessionId=[hidden]&author=2",
      ["https://crm.example?access_token=a=b"] = "https://crm.example?access_token=[hidden]",
    } do
      assert.equal(told, send.told_url(url, false))
    end
  end)

  it("is told by its host alone if it is a secret", function()
    assert.equal("https://chat.example/[hidden]", send.told_url("https://me@chat.example/services/T0/B1?x=1", true))
    assert.equal("https://chat.example:444/[hidden]", send.told_url("https://chat.example:444", true))
  end)
end)
