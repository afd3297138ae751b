-- SPDX-License-Identifier: MIT
-- The links of a topic: what lua/anzol/websub/links.lua makes of headers, pages, feeds and references.
local rig = require "lua.testing_rig"

-- RFC 3986, 5.4: seen from http://a/b/c/d;p?q
local REFERENCES = {
  ["g"] = "http://a/b/c/g", ["./g"] = "http://a/b/c/g", ["g/"] = "http://a/b/c/g/", ["/g"] = "http://a/g",
  ["//g"] = "http://g", ["?y"] = "http://a/b/c/d;p?y", ["g?y"] = "http://a/b/c/g?y", ["#s"] = "http://a/b/c/d;p?q",
  ["g#s"] = "http://a/b/c/g", ["g?y#s"] = "http://a/b/c/g?y", [";x"] = "http://a/b/c/;x", ["g;x"] = "http://a/b/c/g;x",
  [""] = "http://a/b/c/d;p?q", ["."] = "http://a/b/c/", ["./"] = "http://a/b/c/", [".."] = "http://a/b/",
  ["../"] = "http://a/b/", ["../g"] = "http://a/b/g", ["../.."] = "http://a/", ["../../"] = "http://a/",
  ["../../g"] = "http://a/g", ["../../../g"] = "http://a/g", ["../../../../g"] = "http://a/g", ["/./g"] = "http://a/g",
  ["/../g"] = "http://a/g", ["g."] = "http://a/b/c/g.", [".g"] = "http://a/b/c/.g", ["g.."] = "http://a/b/c/g..",
  ["./../g"] = "http://a/b/g", ["./g/."] = "http://a/b/c/g/", ["g/./h"] = "http://a/b/c/g/h",
  ["g/../h"] = "http://a/b/c/h",
  ["g?y/../x"] = "http://a/b/c/g?y/../x", [" g "] = "http://a/b/c/g", ["https://b/?c"] = "https://b/?c",
  ["mailto:a"] = "none", ["javascript:alert(1)"] = "none", ["ftp://a/b"] = "none",
}

local PAGES = {
  { headers = { '<https://h/>; rel="hub"; title="a, b"', "<s>; rel=self" },
    hubs = { "https://h/" }, self = "https://t/s" },
  { headers = { '<https://h/>;rel="Hub self", <https://g/> ; foo ; rel="prev HUB"' },
    hubs = { "https://h/", "https://g/" }, self = "https://h/" },
  { headers = { '<https://h/>; rel="other"; rel="hub"' }, hubs = {} },
  { headers = { "https://h/; rel=hub", "<https://h/>", "<>; rel=hub" }, hubs = { "https://t/p" } },
  { headers = { '<1>; rel=hub, <2>; rel=hub, <3>; rel=hub, <4>; rel=hub, <5>; rel=hub' },
    hubs = { "https://t/1", "https://t/2", "https://t/3", "https://t/4" } },
  { headers = { '<https://s/>; rel="self"' }, kind = "text/html", body = '<head><link rel=hub href="https://h/">',
    hubs = { "https://h/" }, self = "https://s/" },
  { kind = "text/html", body = '<head><link rel="hub" href="/h?a=1&amp;b=&#50;"/><link href=x><link rel="self"></head>',
    hubs = { "https://t/h?a=1&b=2" } },
  { kind = "text/html", body = '<body><link rel="hub" href="https://h/">', hubs = {} },
  { kind = "text/html", body = '<linkrel="hub" href="x"><!-- <link rel=hub href=x> --><link rel=hub', hubs = {} },
  { kind = nil, body = '\n <!DOCTYPE HTML><link data-rel=hub rel=hub href=h>', hubs = { "https://t/h" } },
  { kind = "text/xml", body = '<rss><channel><link>https://h/</link><a10:link rel="hub" href="https://h/"/>',
    hubs = { "https://h/" } },
  { kind = "application/atom+xml", body = '<a:feed><a:entry><a:link rel="hub" href="https://h/"/>', hubs = {} },
  { kind = "application/json", body = '{"x":"<link rel=hub href=https://h/>"}', hubs = {} },
  { kind = "text/html", body = ("x"):rep(512 * 1024) .. '<link rel="hub" href="https://h/">', hubs = {} },
}

describe("the links of a topic", function()
  after_each(rig.finish)

  local function ask(requests)
    local t = rig.test [[
      local links = require "anzol.websub.links"
      anzol.source("ask", { verify = anzol.verify.none(), type = "ask", respond = function(req)
        local it = req.json
        if it.reference then return { json = { links.resolve(it.page, it.reference) or "none" }, store = false } end
        return { json = links.read("https://t/p", it.headers or {}, it.kind, it.body or ""), store = false }
      end })
    ]]
    local answers = {}
    for i, request in ipairs(requests) do answers[i] = t:receive("ask", { json = request }).json end
    return answers
  end

  it("are resolved as RFC 3986 has it, to http and https alone", function()
    local requests, expected = {}, {}
    for reference, url in pairs(REFERENCES) do
      requests[#requests + 1] = { page = "http://a/b/c/d;p?q", reference = reference }
      expected[#expected + 1] = url
    end
    for i, answer in ipairs(ask(requests)) do assert.equal(expected[i], answer[1], requests[i].reference) end
    assert.equal("none", ask({ { page = "no url", reference = "g" } })[1][1])
  end)

  it("are read from whatever comes", function()
    local seed = tonumber(os.getenv "ANZOL_SEED") or os.time()
    math.randomseed(seed)
    local pieces = { "<link ", "<a:link ", "rel=", "href=", '"', "'", "hub", "self", "&amp;", "&#65;", "&#xffffffff;",
      "<!--", "-->", ">", "/>", "<", "</head>", "<body", "<entry", ";", ",", "=", " ", "\n", "//h", "../", "?", "#",
      "http://h/", "\195\188", "\0", "%", "<?xml", "<html" }
    local function random(count)
      local text = {}
      for i = 1, math.random(0, count) do text[i] = pieces[math.random(#pieces)] end
      return table.concat(text)
    end
    local requests = {}
    for i = 1, 400 do
      local kind = ({ "text/html", "text/xml", "application/rss+xml" })[math.random(4)]
      table.insert(requests, { headers = { random(20), random(5) }, kind = kind, body = random(60) })
      if i % 4 == 0 then table.insert(requests, { page = "http://a/b", reference = random(6) }) end
    end
    for i, answer in ipairs(ask(requests)) do
      for _, url in ipairs(answer.hubs or answer) do
        assert.is_true(url == "none" or url:lower():find "^https?:" == 1,
          ("seed %d, page %d: %s"):format(seed, i, url))
      end
    end
  end)

  it("are read from headers, then from what is at the top of the document", function()
    for i, answer in ipairs(ask(PAGES)) do
      assert.same({ PAGES[i].hubs, PAGES[i].self }, { answer.hubs, answer.self }, "page " .. i)
    end
  end)
end)
