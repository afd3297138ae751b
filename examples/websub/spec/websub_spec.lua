local testing = require "anzol.testing"

local FEED, CALLBACK = "https://blog.example/feed.json", "https://reader.example/cb?id=7"

describe("a feed and who follows it", function()
  local t
  before_each(function()
    t = testing.new { now = "2026-03-02T08:00:00Z",
      secrets = testing.any_secret { CHAT_URL = "https://chat.example/hook" } }
  end)
  after_each(function() t:close() end)

  -- A reader that means what it asks for: what it is sent, and the last thing it was asked.
  local function follow(form, scheme)
    local posts = {}
    t:http((scheme or "https") .. "://reader.example/*", function(request)
      if request.method == "GET" then
        posts.asked = request.url
        return { body = request.url:match "hub%.challenge=([^&]+)" or "" }
      end
      posts[#posts + 1] = request
      return 204
    end)
    form = form or { ["hub.secret"] = "of the reader" }
    form["hub.mode"], form["hub.topic"] = "subscribe", FEED
    form["hub.callback"] = form["hub.callback"] or CALLBACK
    assert.equal(202, t:receive("feeds", { form = form }).status)
    return posts
  end
  local asked -- what the partner's hub got
  local function partner()
    t:http("https://partner.example/news", { headers = { link = '<https://hub.example/>; rel="hub"' } })
    t:http("POST https://hub.example/", function(request)
      asked = request.body
      return 202
    end)
  end
  local function write(id) t:receive("editor", { json = { id = id, title = "Post " .. id }, sign = true }) end

  it("goes to a reader, whole and signed, each time that something is written", function()
    local posts = follow()
    write "1"
    write "2"
    assert.equal(2, #posts)
    assert.same({ "2", "1" }, { posts[2].json.items[1].id, posts[2].json.items[2].id })
    assert.equal("application/feed+json", posts[2].headers["content-type"])
    assert.matches("^sha256=%x+$", posts[2].headers["x-hub-signature"])
    assert.equal('<https://hooks.blog.example/in/feeds>; rel="hub", <' .. FEED .. '>; rel="self"',
      posts[2].headers.link)
  end)

  it("goes to nobody any more when the lease is over", function()
    partner()
    local posts = follow { ["hub.lease_seconds"] = "3600" }
    t:advance "61m"
    write "1"
    assert.equal(0, #posts)
  end)

  it("is not for callbacks without https", function()
    local posts = follow({ ["hub.callback"] = "http://reader.example/cb" }, "http")
    write "1"
    assert.equal(0, #posts)
    assert.matches("hub%.mode=denied&.*&hub%.reason=the%%20callback%%20must%%20be%%20of%%20https$", posts.asked)
  end)

  it("of a partner is followed by its hub", function()
    partner()
    t:advance "1s"
    local token = asked:match "token%%3D(%x+)"
    local answer = t:receive("partner", { method = "GET", query = { token = token, ["hub.mode"] = "subscribe",
      ["hub.topic"] = "https://partner.example/news", ["hub.challenge"] = "42", ["hub.lease_seconds"] = "864000" } })
    assert.same({ 200, "42" }, { answer.status, answer.body })
    answer = t:receive("partner", { body = "forged", query = { token = token } })
    assert.equal(202, answer.status)
    assert.equal(0, #t.deliveries)
  end)
end)
