-- SPDX-License-Identifier: MIT
-- Server-sent events as bytes (core/model/sse.c).
local model = require "anzol_test.model"

-- The messages as "id/type/data", however the bytes are cut into pieces.
local function read(text, id)
  local whole, retry_ms, why
  for size = 1, 4 do
    local pieces = {}
    for at = 1, #text, size do pieces[#pieces + 1] = text:sub(at, at + size - 1) end
    if size == 4 then pieces = { text } end
    local messages
    messages, retry_ms, why = model.sse(pieces, id)
    local list = {}
    for i, message in ipairs(messages) do
      list[i] = ("%s/%s/%s"):format(message.id or "", message.type, message.data or "")
    end
    if whole then assert.same(whole, list) end
    whole = list
  end
  return whole, retry_ms, why
end

describe("a stream of server-sent events", function()
  it("is messages, an empty line behind each", function()
    assert.same({ "/message/a", "/message/b" }, read "data: a\n\ndata: b\n\n")
    assert.same({ "/message/first\nsecond" }, read "data: first\ndata: second\n\n")
    assert.same({ "/price/5" }, read "event: price\ndata: 5\n\n")
  end)
  it("ends lines with any of LF, CR and CR LF", function()
    assert.same({ "/message/a", "/message/b" }, read "data: a\r\n\r\ndata: b\r\r")
  end)
  it("keeps an id until another comes, over connections too", function()
    assert.same({ "1/message/a", "1/message/b", "/message/c" },
      read "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")
    assert.same({ "7/message/a" }, read("data: a\n\n", "7"))
    assert.same({ "7/message/a" }, read("id: x\0y\ndata: a\n\n", "7"))
  end)
  it("has comments, spaces that count, and fields that nobody knows", function()
    assert.same({ "/message/ a" }, read ": hello\nfoo: bar\ndata:  a\n\n")
    assert.same({ "/message/a:b" }, read "data:a:b\n\n")
    assert.same({ "/message/" }, read "data\n\n")
    assert.same({}, read "event: x\nid: 1\n\n")
  end)
  it("may begin with a byte order mark, and only begin", function()
    assert.same({ "/message/a" }, read "\239\187\191data: a\n\n")
    assert.same({ "/message/a" }, read "data: a\n\239\187\191data: b\n\n")
  end)
  it("drops what is not whole at its end", function()
    assert.same({ "/message/a" }, read "data: a\n\ndata: b\n")
  end)
  it("says when to come again", function()
    assert.equal(2500, (select(2, read "retry: 2500\n\n")))
    assert.equal(0, (select(2, read "retry: soon\nretry: -1\nretry:\n\n")))
  end)
  it("has messages of at most 1 MiB", function()
    local most = ("x"):rep(1024 * 1024 - 7)
    assert.is_nil(select(3, model.sse { "data: ", most, "\n\n" }))
    assert.equal("limit", (select(3, model.sse { "data: ", most, ("x"):rep(16), "\n\n" })))
    assert.equal("limit", (select(3, model.sse { ("data: " .. most .. "\n"):rep(2) })))
  end)
end)
