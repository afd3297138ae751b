-- Reviews of products come in any language; the shop shows them in English. A service translates:
-- it may be slow, busy or down, and the review must not get lost over it.
--
-- Secrets: REVIEWS_SECRET, TRANSLATE_TOKEN, SHOP_SECRET
local anzol = require "anzol"

local http = anzol.http
local token = anzol.secret "TRANSLATE_TOKEN"

anzol.source("reviews", {
  provider = anzol.provider.standard { secret = anzol.secret "REVIEWS_SECRET" },
})

anzol.endpoint("shop", {
  url = "https://shop.example/reviews",
  sign = anzol.sign.standard { secret = anzol.secret "SHOP_SECRET" },
})

-- The text in English | nil, Error.
local function translate(text, language)
  local res, err = http.post("https://translate.example/v2", {
    json = { text = text, from = language, to = "en" },
    auth = { bearer = token }, timeout = "5s",
  })
  if not res then return nil, err end
  if not res.ok then return nil, res:error() end
  local body, malformed = res:json()
  if not body then return nil, malformed end
  return body.text
end

anzol.on("review.created", function(event)
  local review = event.data
  if review.language ~= "en" then
    local text, err = translate(review.text, review.language)
    if not text and err.retryable then return anzol.retry_later(err.retry_after or "30s") end
    if not text then event.log.warn("shown untranslated", { code = err.code }) end
    review.original, review.text = review.text, text or review.text
  end
  event:send("shop", { json = review })
end)
