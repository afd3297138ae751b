-- SPDX-License-Identifier: MIT
-- The senders' side of two signature schemes, written from their documentation.
local mime = require "mime"
local process = require "anzol_test.process"

local M = {}

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- GitHub: X-Hub-Signature-256 over the body.
function M.github(secret, body)
  return "sha256=" .. hex(process.hmac_sha256(secret, body))
end

-- Headers of a GitHub webhook.
function M.github_headers(secret, body, event, delivery)
  return {
    ["Content-Type"] = "application/json",
    ["X-GitHub-Event"] = event,
    ["X-GitHub-Delivery"] = delivery,
    ["X-Hub-Signature-256"] = M.github(secret, body),
  }
end

-- Standard Webhooks: webhook-signature over id.timestamp.body; secret "whsec_" and base64.
function M.standard(secret, id, timestamp, body)
  local key = mime.unb64(secret:match "^whsec_(.+)$")
  local digest = process.hmac_sha256(key, ("%s.%s.%s"):format(id, timestamp, body))
  return "v1," .. (mime.b64(digest))
end

return M
