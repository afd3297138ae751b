-- SPDX-License-Identifier: MIT
-- anzol deliveries: what is sent to whom, newest first, and each attempt.
local client = require "anzol.cli.client"
local listing = require "anzol.cli.listing"
local span = require "anzol.cli.span"

local M = {
  name = "deliveries",
  summary = "List deliveries, or show one with its attempts.",
  description = [[
List the deliveries, newest first; or show one with every attempt and what was answered.

  anzol deliveries --state dead --endpoint crm
  anzol deliveries --event evt_0EJPp3QZQQ1   what became of one event
  anzol deliveries show dlv_0EJPp3QZQQ2
  anzol deliveries cancel dlv_0EJPp3QZQQ2

An attempt that is under way when its delivery is cancelled goes on to its end; if it delivers, the
delivery has succeeded and is not cancelled.]],
}

-- "200", "timeout", "-".
function M.last(row)
  return client.plain(row.lastError) or client.plain(row.lastStatus) or "-"
end

-- When it is tried next; those that others of their order key go before are held.
local function next_attempt(row)
  return row.isHeld and "held" or client.plain(row.nextAttemptAt)
end

local columns = {
  { "ID", "id" },
  { "CREATED", "createdAt" },
  { "ENDPOINT", "endpoint" },
  { "TYPE", "type" },
  { "STATE", "state", is_state = true },
  { "ATTEMPTS", "attemptCount", right = true },
  { "LAST", M.last },
  { "NEXT", next_attempt },
}

function M.configure(parser, add_help)
  parser:option("--endpoint", "Only to this endpoint."):argname "NAME"
  parser:option("--type", "Only of types that match: order.paid, 'order.*'."):argname "PATTERN"
  parser:option("--event", "Only of this event."):argname "ID"
  parser:option("--message", "Only of this message."):argname "ID"
  parser:option("--state", "Only in this state.")
    :choices { "pending", "retrying", "in_flight", "succeeded", "dead", "cancelled" }
  span.add(parser)
  listing.configure(parser, add_help, "delivery")
  local cancel = parser:command "cancel":summary "Send them no more; answered when that is sure."
    :add_help(false)
  add_help(cancel)
  cancel:argument("ids", "Ids of open deliveries."):argname "ID":args "+"
  cancel:option("--reason", "Why, for the record."):argname "TEXT"
end

local function show_attempt(console, attempt)
  local plain = client.plain
  local outcome = plain(attempt.status) and "status " .. attempt.status
    or plain(attempt.error) or "no answer"
  console:data "\n"
  console:fields {
    { "attempt", attempt.number },
    { "started", attempt.startedAt },
    { "outcome", ("%s after %d ms"):format(outcome, attempt.durationMs) },
    { "detail", plain(attempt.detail) ~= "" and plain(attempt.detail) or nil,
      is_text = true },
    { "next", plain(attempt.nextAttemptAt) },
  }
  listing.show_headers(console, attempt.responseHeaders)
  listing.show_body(console, "answer", attempt.responseBody, attempt.responseBodyEncoding)
end

function M.show(console, delivery)
  local plain = client.plain
  console:fields {
    { "id", delivery.id },
    { "state", delivery.state, is_state = true },
    { "reason", plain(delivery.reason) },
    { "endpoint", delivery.endpoint },
    { "type", delivery.type },
    { "created", delivery.createdAt },
    { "event", delivery.eventId },
    { "message", delivery.messageId },
    { "order key", plain(delivery.orderKey) },
    { "priority", delivery.priority ~= 0 and delivery.priority or nil },
    { "attempts", delivery.attemptCount },
    { "next attempt", delivery.isHeld and "held: one before it of its order key is open or dead"
      or plain(delivery.nextAttemptAt) },
  }
  for _, attempt in ipairs(delivery.attempts) do show_attempt(console, attempt) end
end

function M.run(options, console)
  if options.action == "cancel" then
    return client.change(options, console, "cancel", options.ids, function(id)
      return "/api/v1/delivery/" .. client.escape_part(id)
    end)
  end
  return listing.run(options, console, {
    path = "/api/v1/delivery", columns = columns, show = M.show, noun = "deliveries",
    query = { { "endpoint", options.endpoint }, { "event", options.event },
      { "message", options.message }, { "type", options.type }, { "state", options.state },
      { "since", options.since }, { "until", options["until"] } },
  })
end

return M
