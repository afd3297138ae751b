-- SPDX-License-Identifier: MIT
-- anzol: what scripts require. The core is C (core/script); this file adds what is better said in
-- Lua.
local M = require "anzol.core"
if not M.source then
  error("'anzol' is there in the scripts that Anzol runs; a spec loads these with "
    .. "require \"anzol.testing\".new { … }", 2)
end

local nearest = require "anzol.nearest"

-- The files of anzol/provider, alphabetised (a spec compares).
local provider_names = {
  "adyen", "asana", "aws_sns", "bitbucket", "calendly", "clerk", "cursor", "customerio",
  "deepgram", "discord", "docusign", "dropbox", "elevenlabs", "formstack", "fusionauth", "gitea",
  "github", "gitlab", "google_pubsub", "hubspot", "intercom", "lemonsqueezy", "linear", "mailgun",
  "mandrill", "meta", "microsoft_graph", "okta", "onfleet", "openai", "paddle", "pagerduty",
  "paypal", "postmark", "razorpay", "resend", "sendgrid", "sentry", "shopify", "slack", "square",
  "standard", "stripe", "svix", "telegram", "trello", "twilio", "twitch", "twitter", "typeform",
  "vercel", "webflow", "woocommerce", "xero", "zendesk", "zoom",
}

-- Providers are loaded when they are first named: one file each, anzol.provider.NAME, a project's
-- own ones in its lua/anzol/provider/.
local function load_provider(name)
  local module = "anzol.provider." .. name
  local found, provider = pcall(require, module)
  if found then return provider end
  if not tostring(provider):find("module '" .. module .. "' not found", 1, true) then
    error(provider, 0)
  end
  return nil
end

-- What was probably meant, else what there is. makers: what is there beside the providers.
local function guess(name, makers, others)
  local names = table.move(provider_names, 1, #provider_names, 1, {})
  for maker in pairs(makers) do names[#names + 1] = maker end
  table.sort(names)
  local meant = nearest(name, names)
  return meant and meant ~= name and ("did you mean '%s'?"):format(meant) or others
end

local every_provider = table.concat(provider_names, ", ")

M.provider = setmetatable({}, {
  __metatable = false,
  __index = function(providers, name)
    local provider = load_provider(name)
    if not provider then
      error(("unknown provider '%s'; %s"):format(name, guess(name, {}, "there are "
        .. every_provider .. ", and what you put into lua/anzol/provider/")), 2)
    end
    rawset(providers, name, provider)
    return provider
  end,
})

-- anzol.verify.NAME of a provider is its bare verifier.
setmetatable(M.verify, {
  __metatable = false,
  __index = function(verifiers, name)
    local provider = load_provider(name)
    if not provider then
      error(("unknown verifier '%s'; %s"):format(name, guess(name, verifiers, "there are basic, "
        .. "bearer, ecdsa, ed25519, hmac, http_signature, none, rsa, standard, token, and those "
        .. "of the providers: " .. every_provider)), 2)
    end
    local function verifier(options) return (provider(options).verify) end
    rawset(verifiers, name, verifier)
    return verifier
  end,
})

-- anzol.sign.NAME of a provider whose scheme is a recipe: signs as that sender does.
setmetatable(M.sign, {
  __metatable = false,
  __index = function(signers, name)
    local provider = load_provider(name)
    local recipe = provider and require "anzol.declare".recipe_of(provider)
    if not recipe then
      error(("unknown signer '%s'; %s"):format(name, guess(name, signers, "there are ed25519, "
        .. "hmac, http_signature, standard, token, and the providers that sign with a shared "
        .. "secret (github, stripe, slack, …)")), 2)
    end
    local function signer(options)
      return require "anzol.declare".recipe_signer(recipe, options, name)
    end
    rawset(signers, name, signer)
    return signer
  end,
})

-- These are loaded when they are first called.
function M.hub(name, options) return require "anzol.hub"(name, options) end
function M.websub(name, options) return require "anzol.websub"(name, options) end

M.sorted_pairs = require "anzol.sorted_pairs"

return M
