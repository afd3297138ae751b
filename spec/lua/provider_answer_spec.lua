-- SPDX-License-Identifier: MIT
-- The handshakes of providers: what comes unsigned is answered by challenge, what is signed by
-- respond; none of it becomes an event.
local json = require "dkjson"
local rig = require "core.script_rig"
local script = rig.script
local signature = require "anzol_test.signature"

local NOW_MS = 1767225600000
local STAMP = "1767225600"
local SECRET = "a secret that is long enough"

local function mac(digest, ...) return signature.hmac(digest, SECRET, ...) end
local function hex(bytes) return (signature.encode("hex", bytes)) end
local function base64(bytes) return (signature.encode("base64", bytes)) end

local function project(name, more)
  return rig.project(("anzol.source('in', { provider = anzol.provider.%s { secret = "
    .. "anzol.secret 'S'%s } })"):format(name, more or ""))
end

-- Neither a listed method nor a signature is asked for.
local function challenge(it, method, query, headers, body)
  local all = { { ":method", method }, { ":query", query or "" } }
  for _, header in ipairs(headers or {}) do all[#all + 1] = header end
  return it:admit("in", { headers = all, body = body or "", unlisted = method ~= "POST" and 1 or 0 })
end

-- The answer's status and body, and that no event is made.
local function answered(result)
  assert.equal("answered", result.outcome, result.reason)
  assert.is_false(result.answer.is_stored)
  return { result.answer.status, result.answer.body }
end

local function header_of(result, name)
  for _, header in ipairs(result.answer.head) do
    if header[1]:lower() == name then return header[2] end
  end
end

describe("the handshake of", function()
  setup(function()
    script.quiet(true)
    script.clock(NOW_MS)
    script.setenv("ANZOL_SECRET_S", SECRET)
  end)
  teardown(function()
    script.setenv("ANZOL_SECRET_S", nil)
    script.clock()
  end)
  after_each(rig.finish)

  it("meta echoes the challenge to who knows the token", function()
    local it = project("meta", ", verify_token = 'the token'")
    local query = "hub.mode=subscribe&hub.verify_token=%s&hub.challenge=1158201444"
    assert.same({ 200, "1158201444" }, answered(challenge(it, "GET", query:format "the%20token")))
    assert.same({ 403, "" }, answered(challenge(it, "GET", query:format "another")))
    assert.equal("unverified", challenge(it, "POST", "", {}, "{}").outcome)
  end)

  it("dropbox and onfleet echo a parameter as text", function()
    local result = challenge(project "dropbox", "GET", "challenge=a%3Cb")
    assert.same({ 200, "a<b" }, answered(result))
    assert.equal("text/plain", header_of(result, "content-type"))
    assert.equal("nosniff", header_of(result, "x-content-type-options"))
    script.setenv("ANZOL_SECRET_S", "00112233445566778899aabbccddeeff")
    assert.same({ 200, "x1" }, answered(challenge(project "onfleet", "GET", "check=x1")))
    script.setenv("ANZOL_SECRET_S", SECRET)
  end)

  it("twitter signs its token", function()
    local result = answered(challenge(project "twitter", "GET", "crc_token=abc"))
    assert.equal("sha256=" .. base64(mac("sha256", "abc")), json.decode(result[2]).response_token)
  end)

  it("okta and asana echo a header", function()
    assert.same({ 200, '{"verification":"v-1"}' }, answered(challenge(project "okta", "GET", "",
      { { "X-Okta-Verification-Challenge", "v-1" } })))
    local result = challenge(project "asana", "POST", "", { { "X-Hook-Secret", "s-1" } }, "{}")
    assert.same({ 200, "" }, answered(result))
    assert.equal("s-1", header_of(result, "x-hook-secret"))
  end)

  it("microsoft_graph and woocommerce answer their first POST", function()
    assert.same({ 200, "tok en" },
      answered(challenge(project "microsoft_graph", "POST", "validationToken=tok+en")))
    assert.same({ 200, "" },
      answered(challenge(project "woocommerce", "POST", "", {}, "webhook_id=12")))
  end)

  it("trello, intercom and mandrill answer a probe by HEAD", function()
    for _, name in ipairs { "trello", "intercom", "mandrill" } do
      assert.same({ 200, "" }, answered(challenge(project(name), "HEAD")))
    end
  end)

  local function signed(name, headers, body)
    return project(name):admit("in", { headers = headers, body = body })
  end

  it("slack echoes the challenge, if it is signed", function()
    local body = '{"type":"url_verification","challenge":"3eZbrw1a"}'
    local good = { { "X-Slack-Request-Timestamp", STAMP },
      { "X-Slack-Signature", "v0=" .. hex(mac("sha256", "v0:" .. STAMP .. ":" .. body)) } }
    assert.same({ 200, '{"challenge":"3eZbrw1a"}' }, answered(signed("slack", good, body)))
    good[2][2] = "v0=" .. ("0"):rep(64)
    assert.equal("unverified", signed("slack", good, body).outcome)
  end)

  it("zoom signs the token", function()
    local body = '{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8"}}'
    local result = answered(signed("zoom", { { "x-zm-request-timestamp", STAMP },
      { "x-zm-signature", "v0=" .. hex(mac("sha256", "v0:" .. STAMP .. ":" .. body)) } }, body))
    assert.same({ plainToken = "qgg8", encryptedToken = hex(mac("sha256", "qgg8")) },
      json.decode(result[2]))
  end)

  it("twitch echoes the challenge as text", function()
    local body, time = '{"challenge":"pogchamp"}', "2026-01-01T00:00:00Z"
    local result = signed("twitch", { { "Twitch-Eventsub-Message-Id", "m" },
      { "Twitch-Eventsub-Message-Timestamp", time },
      { "Twitch-Eventsub-Message-Type", "webhook_callback_verification" },
      { "Twitch-Eventsub-Message-Signature", "sha256=" .. hex(mac("sha256", "m" .. time .. body)) } },
      body)
    assert.same({ 200, "pogchamp" }, answered(result))
    assert.equal("text/plain", header_of(result, "content-type"))
  end)

  it("adyen says accepted, and the event is kept", function()
    script.setenv("ANZOL_SECRET_S", "0011")
    local body = '{"notificationItems":[{"NotificationRequestItem":{"eventCode":"A","additionalData":'
      .. '{"hmacSignature":"%s"},"amount":{"value":1,"currency":"EUR"},"success":"true"}}]}'
    local content = "::::1:EUR:A:true"
    body = body:format(base64(signature.hmac("sha256", "\0\x11", content)))
    local result = signed("adyen", {}, body)
    assert.equal("ok", result.outcome, result.reason)
    assert.same({ 200, "[accepted]", true },
      { result.answer.status, result.answer.body, result.answer.is_stored })
    script.setenv("ANZOL_SECRET_S", SECRET)
  end)
end)
