-- SPDX-License-Identifier: MIT
-- The links of a topic: what it says of itself in its headers (RFC 8288), or in the head of its
-- HTML, or in its feed (Atom, RSS) before the first entry. Pure.
local anzol = require "anzol.core"

local M = {}

local HUBS_MAX = 4
local BODY_BYTES = 512 * 1024 -- that are looked at

-- ---- URLs ----

-- "a/b/../c" without its dots (RFC 3986, 5.2.4).
local function without_dots(path)
  local kept, last = {}, nil
  for segment in (path .. "/"):gmatch "([^/]*)/" do
    last = segment
    if segment == ".." then
      if #kept > 1 then kept[#kept] = nil end
    elseif segment ~= "." then
      kept[#kept + 1] = segment
    end
  end
  if last == "." or last == ".." then kept[#kept + 1] = "" end
  return table.concat(kept, "/")
end

-- A reference as an absolute URL, seen from a page (RFC 3986, 5.2); nil if that is not of http or
-- https.
function M.resolve(page, reference)
  reference = reference:match "^%s*(.-)%s*$":gsub("#.*$", "")
  if not reference:find "^%a[%w+.-]*:" then
    local scheme, host, path, query = page:match "^(%a[%w+.-]*:)(//[^/?#]*)([^?#]*)(%??[^#]*)"
    if not scheme then return nil end
    if reference == "" then
      reference = scheme .. host .. path .. query
    elseif reference:find "^//" then
      reference = scheme .. reference
    elseif reference:find "^%?" then
      reference = scheme .. host .. path .. reference
    else
      local target, rest = reference:match "^([^?]*)(.*)$"
      if target:sub(1, 1) ~= "/" then target = (path:match "^(.*/)" or "/") .. target end
      reference = scheme .. host .. without_dots(target) .. rest
    end
  end
  local url = anzol.url.parse(reference)
  local scheme = url and url.scheme:lower()
  return (scheme == "http" or scheme == "https") and reference or nil
end

-- ---- What is found ----

local function has_word(words, wanted)
  for word in words:lower():gmatch "%S+" do
    if word == wanted then return true end
  end
  return false
end

local function add(found, page, rel, href)
  local url = rel and href and M.resolve(page, href)
  if not url then return end
  if has_word(rel, "hub") and #found.hubs < HUBS_MAX then found.hubs[#found.hubs + 1] = url end
  if has_word(rel, "self") and not found.self then found.self = url end
end

-- The value of a parameter at a place: what it is, and where it ends.
local function parameter(text, at)
  local _, stop, name, value = text:find('^%s*;%s*([%w%-_*]+)%s*=%s*"([^"]*)"', at)
  if not stop then
    _, stop, name, value = text:find("^%s*;%s*([%w%-_*]+)%s*=?%s*([^%s;,\"]*)", at)
  end
  return stop, name, value
end

local function read_header(found, page, text)
  local at = 1
  while true do
    local _, stop, href = text:find("^[%s,]*<([^>]*)>", at)
    if not stop then return end
    at = stop + 1
    local rel
    local behind, name, value = parameter(text, at)
    while behind do
      if name:lower() == "rel" then rel = rel or value end
      at = behind + 1
      behind, name, value = parameter(text, at)
    end
    add(found, page, rel, href)
  end
end

local entities = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

local function decode(text)
  return (text:gsub("&(#?%w+);", function(name)
    local code = tonumber(name:match "^#(%d+)$") or tonumber(name:match "^#[xX](%x+)$" or "", 16)
    if code then return code < 128 and string.char(code) or nil end
    return entities[name]
  end))
end

local function attribute(tag, wanted)
  local at = 1
  while true do
    local _, stop, name = tag:find("^[%s/]*([^%s=/>]+)", at)
    if not stop then return nil end
    local _, behind, value = tag:find('^%s*=%s*"([^"]*)"', stop + 1)
    if not behind then _, behind, value = tag:find("^%s*=%s*'([^']*)'", stop + 1) end
    if not behind then _, behind, value = tag:find("^%s*=%s*([^%s>]+)", stop + 1) end
    if name:lower() == wanted then return decode(value or "") end
    at = (behind or stop) + 1
  end
end

-- The tags whose name fits, without it: what stands in comments is none.
local function read_tags(found, page, text, name)
  text = text:gsub("<!%-%-.-%-%->", "")
  for tag in text:gmatch("<" .. name .. "([%s/][^>]*)>") do
    add(found, page, attribute(tag, "rel"), attribute(tag, "href"))
  end
end

-- Links of what others wrote into a page or an entry are not the topic's.
local function before(text, ...)
  for _, pattern in ipairs { ... } do
    local at = text:find(pattern)
    if at then text = text:sub(1, at - 1) end
  end
  return text
end

local function read_body(found, page, kind, body)
  body = body:sub(1, BODY_BYTES)
  local begins = body:match "^[\239\187\191%s]*(.*)$":sub(1, 512):lower()
  if kind:find("html", 1, true) or (kind == "" and begins:find "^<!doctype html")
    or (kind == "" and begins:find "^<html") then
    read_tags(found, page, before(body, "</[hH][eE][aA][dD]%s*>", "<[bB][oO][dD][yY][%s>]"),
      "[lL][iI][nN][kK]")
  elseif kind:find("xml", 1, true) or begins:find "^<%?xml" then
    local top = before(body, "<[%w]*:?entry[%s>]", "<[%w]*:?item[%s>]")
    read_tags(found, page, top, "link")
    read_tags(found, page, top, "[%w._-]+:link")
  end
end

-- page: the URL that was read. headers: Link values. kind: the content type. -> { self?, hubs }
function M.read(page, headers, kind, body)
  local found = { hubs = {} }
  for _, value in ipairs(headers) do read_header(found, page, value) end
  if #found.hubs > 0 then return found end
  read_body(found, page, (kind or ""):lower(), body)
  return found
end

return M
