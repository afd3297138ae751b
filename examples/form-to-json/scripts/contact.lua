-- A contact form posts application/x-www-form-urlencoded; the CRM wants JSON of its own shape.
--
-- Secrets: FORM_TOKEN (a hidden field of the form), CRM_TOKEN
local anzol = require "anzol"

local token = anzol.secret "FORM_TOKEN"

anzol.source("contact", {
  methods = { "POST" },
  max_body = "16KiB",
  verify = function(req)
    if req.form.token == token:reveal() then return true end
    return false, "the hidden field 'token' is missing or wrong"
  end,
  type = "contact.sent",
})

anzol.endpoint("crm", {
  url = "https://crm.example/api/leads",
  sign = false,
  headers = { Authorization = anzol.secret "CRM_TOKEN" },
  transform = function(message)
    local lead = message.json
    message.json = { lead = { mail = lead.mail:lower(), text = lead.text } }
    return message
  end,
})

-- "a=b&c=d" of a body, as it was sent.
local function fields_of(body)
  local fields = {}
  for name, value in body:gmatch "([^&=]+)=([^&]*)" do
    fields[name] = value:gsub("+", " "):gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)
  end
  return fields
end

anzol.on("contact.sent", function(event)
  local fields = fields_of(event.body)
  if not (fields.mail or ""):find "^[^@%s]+@[^@%s]+$" then return anzol.skip "no mail address" end
  event:send("crm", { json = { mail = fields.mail, text = fields.text or "" } })
end)
