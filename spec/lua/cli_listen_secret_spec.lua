-- SPDX-License-Identifier: MIT
-- anzol listen --print-secret over a faked server: what it says of the way that the secret takes.
local fake = require "support.fake_server"

setup(fake.open)
teardown(fake.close)
before_each(fake.reset)

local function ask(url)
  fake.answers = {
    { json = { data = { { name = "github" } } } },
    { json = { secrets = { { value = "hush", valueEncoding = "utf-8" } } } },
  }
  return fake.run("listen", "github", "--print-secret", table.unpack(url and { "--url", url } or {}))
end

describe("anzol listen --print-secret", function()
  it("warns where whoever is on the way would read it", function()
    for _, url in ipairs { "http://hooks.example:8081", "http://10.0.0.7", "http://user@hooks.example/x",
      "http://127.0.0.1.example", "http://localhost.example:1", "http://[2001:db8::1]:8081" } do
      local code, out, err = ask(url)
      assert.same({ 0, "hush\n" }, { code, out }, url)
      assert.matches("is asked over http: whoever is on the way there reads the secret", err, 1, true)
    end
  end)

  it("does not where nobody is: on this machine, by a socket, over https", function()
    for _, url in ipairs { "http://127.0.0.1:8081", "http://127.8.9.1", "http://localhost:8081", "http://[::1]:8081",
      "https://hooks.example", "http://anzol.localhost", false } do
      local code, out, err = ask(url)
      assert.same({ 0, "hush\n" }, { code, out }, url)
      assert.is_nil(err:find("over http", 1, true), url)
    end
  end)
end)
