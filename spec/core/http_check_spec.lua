-- The pure checks of a request: what a target, a query, a name and a value may be.
local http = require "anzol_test.http"

describe("a target", function()
  it("is split at the first question mark, the path decoded once, the query not at all", function()
    assert.are.same({ "/a b/%41/ü", "c=%20?d" },
      { http.check_target "/a%20b/%2541/%C3%BC?c=%20?d" })
    assert.are.same({ "/", "" }, { http.check_target "/" })
    assert.are.same({ "//a", "" }, { http.check_target "//a" })
  end)

  it("may be absolute, whatever the host", function()
    assert.are.same({ "/p", "q" }, { http.check_target "https://[::1]:8443/p?q" })
    assert.are.same({ "/", "q" }, { http.check_target "http://x?q" })
    assert.are.same({ nil, 400, "bad_path" }, { http.check_target "https:///p" })
    assert.are.same({ nil, 400, "bad_path" }, { http.check_target "http:/x/p" })
  end)

  it("is refused for every byte that is not visible ASCII", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      local is_fine = byte > 0x20 and byte < 0x7f and not c:find "[#%%\\]"
      assert.are.equal(is_fine, http.check_target("/a" .. c .. "b") ~= nil, byte)
    end
  end)

  it("is refused for every encoded byte that could mislead", function()
    for byte = 0, 127 do
      local c = string.char(byte)
      local is_fine = byte >= 0x20 and byte ~= 0x7f and not c:find "[/\\]"
      assert.are.equal(is_fine, http.check_target(("/a%%%02Xb"):format(byte)) ~= nil, byte)
    end
  end)
end)

describe("a query", function()
  it("gives the first value of a name, decoded", function()
    assert.are.equal("1", http.parameter("a=1&a=2", "a"))
    assert.are.equal("x y&z", http.parameter("b=&c=x+y%26z", "c"))
    assert.are.equal("1", http.parameter("%61%3D=1", "a="))
    assert.are.equal("", http.parameter("b=&c=1", "b"))
    assert.are.equal("", http.parameter("a=1&flag&c", "flag"))
    assert.are.equal("b=c", http.parameter("a=b=c", "a"))
  end)

  it("has no value for a name that is not there", function()
    for _, query in ipairs { "", "&", "&&=", "ab=1", "A=1", "b=a" } do
      assert.is_nil(http.parameter(query, "a"), query)
    end
  end)

  it("leaves a percent sign that begins no triple", function()
    assert.are.equal("100%", http.parameter("a=100%", "a"))
    assert.are.equal("%4", http.parameter("a=%4", "a"))
    assert.are.equal("%zz%", http.parameter("a=%zz%", "a"))
  end)

  it("has no value that is too long for the reader", function()
    assert.are.equal("12345", http.parameter("a=12345", "a", 5))
    assert.is_nil(http.parameter("a=123456", "a", 5))
    assert.are.equal("1", http.parameter("toolong=2&a=1", "a", 5))
  end)
end)

describe("a field", function()
  it("has a token for its name", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      local is_token = byte < 128 and c:find "[%w!#$%%&'*+.^_`|~-]" ~= nil
      assert.are.equal(is_token, http.check_field("X" .. c, "v") ~= nil, byte)
    end
    assert.are.same({ nil, 400, "bad_header" }, { http.check_field("", "v") })
  end)

  it("has any value but control bytes", function()
    for byte = 0, 255 do
      local is_fine = byte == 9 or (byte >= 0x20 and byte ~= 0x7f)
      assert.are.equal(is_fine, http.check_field("X", "a" .. string.char(byte)) ~= nil, byte)
    end
  end)
end)

describe("a method", function()
  it("is a name in capital letters", function()
    for _, name in ipairs { "GET", "M-SEARCH",
      "X_1" } do assert.is_true(http.check_method(name)) end
    for _, name in ipairs { "", "get", "Get", "1X", "-X", "GET ", "G\0T", "GÉT" } do
      assert.are.same({ nil, 400, "bad_method" }, { http.check_method(name) })
    end
  end)
end)
