-- SPDX-License-Identifier: MIT
-- anzol attempts: every HTTP exchange that was made to deliver something, newest first.
local client = require "anzol.cli.client"
local listing = require "anzol.cli.listing"
local span = require "anzol.cli.span"

local M = {
  name = "attempts",
  summary = "List attempts, or show one: what was sent, answered, decided.",
  description = [[
List the attempts of all deliveries, newest first; or show one: the headers that went out (what is
secret is masked), the answer, where the time went, and what decided how it goes on.

  anzol attempts --endpoint crm --status 5xx --since 1h
  anzol attempts --error timeout
  anzol attempts show atmpt_0EJPp3QZQQ2]],
}

-- "200", "timeout", "-".
local function outcome(row)
  return client.plain(row.error) or client.plain(row.status) or "-"
end

local columns = {
  { "ID", "id" },
  { "STARTED", "startedAt" },
  { "ENDPOINT", function(row) return client.plain(row.endpoint) end },
  { "TYPE", function(row) return client.plain(row.type) end },
  { "NUMBER", "number", right = true },
  { "OUTCOME", outcome },
  { "MS", "durationMs", right = true },
  { "THEN", "state", is_state = true },
  { "NEXT", function(row) return client.plain(row.nextAttemptAt) end },
}

function M.configure(parser, add_help)
  parser:option("--endpoint", "Only to this endpoint."):argname "NAME"
  parser:option("--type", "Only of types that match: order.paid, 'order.*'."):argname "PATTERN"
  parser:option("--status", "Only answered so: 503, 5xx."):argname "STATUS"
  parser:option("--error", "Only without an answer, for this reason."):choices { "timeout",
    "connect", "dns", "tls", "reset", "blocked_address", "protocol", "script", "auth", "lease",
    "nack" }
  parser:option("--state", "Only those that led to this state."):choices { "succeeded", "retrying",
    "dead", "cancelled", "pending" }
  span.add(parser)
  listing.configure(parser, add_help, "attempt")
end

local words = {
  schedule = "the endpoint's schedule",
  retry_after = "the receiver's Retry-After",
  script = "the endpoint's retry function",
  gone = "410 Gone",
}

local function timings(row)
  local t = row.timings
  return ("dns %.1f, connect %.1f, tls %.1f, first byte %.1f, all %d ms"):format(t.dnsUs / 1000,
    t.connectUs / 1000, t.tlsUs / 1000, t.firstByteUs / 1000, row.durationMs)
end

local function show(console, row)
  local plain = client.plain
  console:fields {
    { "id", row.id }, { "delivery", row.deliveryId }, { "event", row.eventId },
    { "message", row.messageId }, { "endpoint", plain(row.endpoint) }, { "type", plain(row.type) },
    { "number", row.number },
    { "request", plain(row.method) and row.method .. " " .. (plain(row.url) or "") },
    { "started", row.startedAt }, { "outcome", outcome(row) },
    { "detail", plain(row.detail) ~= "" and plain(row.detail) or nil, is_text = true },
    { "time", timings(row) }, { "then", row.state, is_state = true },
    { "decided by", words[plain(row.decidedBy)] }, { "next", plain(row.nextAttemptAt) },
  }
  if #row.requestHeaders > 0 then
    console:data("\n" .. console:paint("sent", "bold"))
    listing.show_headers(console, row.requestHeaders)
  end
  if #row.responseHeaders > 0 then
    console:data("\n" .. console:paint("answered", "bold"))
    listing.show_headers(console, row.responseHeaders)
  end
  listing.show_body(console, "answer", row.responseBody, row.responseBodyEncoding)
  if row.responseBodyIsCut then console:say("(the answer was longer)") end
end

function M.run(options, console)
  return listing.run(options, console, {
    path = "/api/v1/attempt", columns = columns, show = show, noun = "attempts",
    query = { { "endpoint", options.endpoint }, { "type", options.type },
      { "status", options.status }, { "error", options.error }, { "state", options.state },
      { "since", options.since }, { "until", options["until"] } },
  })
end

return M
