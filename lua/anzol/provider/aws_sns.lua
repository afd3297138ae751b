-- SPDX-License-Identifier: MIT
-- Amazon SNS: RSA over some fields of the body, by the certificate that SigningCertURL names; only
-- Amazon's own hosts are asked for it. topic_arn: your topic (or a list); anybody may have one. A
-- subscription to it is confirmed by fetching its SubscribeURL. From Amazon's documents; the fields
-- of confirmations are from memory.
-- https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
local anzol = require "anzol.core"
local declare = require "anzol.declare"
local remote = require "anzol.remote"

local notification = { "Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type" }
local confirmation = { "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn",
  "Type" }
local signed = { Notification = notification, SubscriptionConfirmation = confirmation,
  UnsubscribeConfirmation = confirmation }
local digests = { ["1"] = "sha1", ["2"] = "sha256" }

local function is_amazons(url)
  local host = type(url) == "string" and url:match "^https://(sns%.[%w-]+%.amazonaws%.com)/"
    or type(url) == "string" and url:match "^https://(sns%.[%w-]+%.amazonaws%.com%.cn)/"
  return host ~= nil and host ~= false
end

local function content_of(body)
  local lines = {}
  for _, name in ipairs(signed[body.Type]) do
    local value = body[name]
    if type(value) == "string" then lines[#lines + 1] = name .. "\n" .. value .. "\n" end
  end
  return table.concat(lines)
end

local function topics_of(options)
  local topics = type(options.topic_arn) == "table" and options.topic_arn or { options.topic_arn }
  if #topics == 0 then
    declare.misuse "anzol.provider.aws_sns needs 'topic_arn': anybody may have a topic"
  end
  local known = {}
  for _, topic in ipairs(topics) do known[topic] = true end
  return known
end

local function check_form(body, topics)
  if type(body) ~= "table" or not signed[body.Type] then return "the body is no message of SNS" end
  if not topics[body.TopicArn] then return "the message is of another topic" end
  if not digests[body.SignatureVersion] then return "SignatureVersion is neither 1 nor 2" end
  local url = body.SigningCertURL
  if not is_amazons(url) or not url:find "/SimpleNotificationService%-[%w-]+%.pem$" then
    return "SigningCertURL is none of Amazon's"
  end
end

return declare {
  name = "aws_sns",
  is_keyless = true,
  options = { "topic_arn" },
  verify = function(options)
    local topics = topics_of(options)
    return function(req)
      local body = req.json
      local wrong = check_form(body, topics)
      if wrong then return false, wrong end
      local signature = type(body.Signature) == "string" and anzol.base64.decode(body.Signature)
      if not signature then return false, "the message has no Signature in base64" end
      local certificate, why = remote.certificate(body.SigningCertURL)
      if not certificate then return false, why end
      if anzol.crypto.rsa_verify(certificate, signature, content_of(body),
        digests[body.SignatureVersion]) then
        return true
      end
      return false, "the Signature of the message does not match"
    end
  end,
  type = declare.type_of_json("aws_sns", "Type"),
  idempotency_key = declare.key_of_json "MessageId",
  respond = function()
    return function(req)
      local body = req.json
      if declare.find(body, "Type") ~= "SubscriptionConfirmation" then return nil end
      if not is_amazons(body.SubscribeURL) then return { status = 400, store = false } end
      local answer = anzol.http.get(body.SubscribeURL, { timeout = "2s" })
      return { status = answer and answer.ok and 200 or 502, store = false }
    end
  end,
}
