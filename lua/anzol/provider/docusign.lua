-- SPDX-License-Identifier: MIT
-- DocuSign Connect: base64 HMAC-SHA256 over the body in X-DocuSign-Signature-1, -2, …: one header
-- for each active key, any of which may be yours. From DocuSign's documents.
-- https://developers.docusign.com/platform/webhooks/connect/hmac/
local declare = require "anzol.declare"

return declare {
  name = "docusign",
  recipe = { header = "X-DocuSign-Signature", numbered = true, encoding = "base64" },
  type = declare.type_of_json("docusign", "event"),
}
