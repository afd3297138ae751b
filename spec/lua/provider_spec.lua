-- SPDX-License-Identifier: MIT
-- Providers (lua/anzol/provider), each by a fixed request that was signed by other code than ours:
-- the genuine one is let in, everything near it is not.
local json = require "dkjson"
local rig = require "core.script_rig"
local vectors = require "lua.provider_vectors"
local script = rig.script

local signers = require "support.files".read "lua/meta/anzol/sign.lua"

local NOW_MS = 1767225600000 -- 2026-01-01T00:00:00Z, when the requests were signed
local SECRET = "a secret that is long enough"
local WRONG = "a secret that is another one"

-- ---- Reading and changing requests -------------------------------------------------------------

local function public_url(vector)
  return vector.url and (", public_url = %q"):format(vector.url) or ""
end

local function load(vector)
  return rig.project(([[
    local provider = anzol.provider.%s { secret = anzol.secret "S" }
    anzol.source("in", { provider = provider%s, methods = { "GET", "POST" } })
    anzol.on("**", { name = "sign" }, function(event)
      local sign = provider.sign
      local headers, body = {}, event.body
      if sign then
        local own
        headers, own = sign { id = "msg_9", timestamp = anzol.time.now() // 1000, body = event.body,
          url = %q }
        body = own or body
      end
      error(anzol.json.encode({ has_sign = sign ~= nil, headers = headers, body = body }), 0)
    end)
  ]]):format(vector.name, public_url(vector), vector.url or "https://hooks.example/in"))
end

-- A source with this verifier or provider alone: "verify = …".
local function load_with(vector, how)
  return rig.project(('anzol.source("in", { %s%s, methods = { "GET", "POST" } })')
    :format(how, public_url(vector)))
end

local function with_secret(secret, fn)
  script.setenv("ANZOL_SECRET_S", secret)
  local ok, err = pcall(fn)
  script.setenv("ANZOL_SECRET_S", nil)
  if not ok then error(err, 0) end
end

local function content_type_of(vector)
  for _, header in ipairs(vector.headers) do
    if header[1] == "Content-Type" then return header end
  end
end

-- Another secret than that which signed.
local function wrong_of(vector)
  local secret = vector.secret or SECRET
  if secret:find "^whsec_" then return "whsec_" .. (secret:sub(7):reverse():gsub("^=+", "")) end
  return vector.wrong or WRONG
end

local function admit(project, vector, changes)
  local request = { headers = vector.headers, body = vector.body, received_ms = NOW_MS }
  for name, value in pairs(changes or {}) do request[name] = value end
  return project:admit("in", request)
end

local function flip(text, at)
  return text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1) .. text:sub(at + 1)
end

-- The header with the signature: the longest that is no pseudo field.
local function signature_at(vector)
  local at
  for i, header in ipairs(vector.headers) do
    local is_better = not at or #header[2] >= #vector.headers[at][2]
    if not header[1]:find "^:" and header[1] ~= "Content-Type" and is_better then at = i end
  end
  return at
end

local function with_header(vector, at, value, twice)
  local headers = {}
  for i, header in ipairs(vector.headers) do
    headers[#headers + 1] = i == at and { header[1], value } or header
    if i == at and twice then headers[#headers + 1] = header end
  end
  return headers
end

describe("the provider", function()
  setup(function()
    script.quiet(true)
    script.clock(NOW_MS)
  end)
  teardown(function() script.clock() end)
  after_each(function()
    script.clock(NOW_MS)
    rig.finish()
  end)

  for _, vector in ipairs(vectors) do
    describe(vector.name, function()
      local secret, wrong = vector.secret or SECRET, wrong_of(vector)

      it("lets the genuine request in, with its type and key", function()
        with_secret(secret, function()
          local result = admit(load(vector), vector)
          assert.equal("", result.reason or "")
          assert.same({ "ok", vector.type, vector.key or "" },
            { result.outcome, result.type, result.key or "" })
        end)
      end)

      it("refuses one changed bit", function()
        with_secret(secret, function()
          local project = load(vector)
          if vector.in_body then
            local at = vector.body:find(vector.in_body, 1, true)
            assert.equal("unverified", admit(project, vector, { body = flip(vector.body, at) }).outcome)
          elseif not vector.is_token then
            local at = #vector.body - 2
            assert.not_equal("ok", admit(project, vector, { body = flip(vector.body, at) }).outcome)
          end
          local at = signature_at(vector)
          if at then
            local value = vector.headers[at][2]
            local place = value:find "[0-9a-zA-Z]=*$"
            local forged = with_header(vector, at, flip(value, place - 4))
            if vector.name ~= "stripe" then -- its last item is the one of no use
              assert.equal("unverified", admit(project, vector, { headers = forged }).outcome)
            end
          end
        end)
      end)

      it("refuses another key", function()
        with_secret(wrong, function()
          local result = admit(load(vector), vector)
          assert.equal("unverified", result.outcome)
          assert.is_true(#result.reason > 0)
          assert.is_nil(result.reason:find(wrong, 1, true))
        end)
      end)

      if signature_at(vector) then
        it("refuses a signature that is missing or there twice", function()
          with_secret(secret, function()
            local project, at = load(vector), signature_at(vector)
            local twice = with_header(vector, at, vector.headers[at][2], true)
            assert.matches("came twice", admit(project, vector, { headers = twice }).reason)
            local none = {}
            for i, header in ipairs(vector.headers) do
              if i ~= at and not header[1]:find "Signature%-1$" then none[#none + 1] = header end
            end
            local result = admit(project, vector, { headers = none })
            assert.equal("unverified", result.outcome)
            if vector.name ~= "adyen" then assert.matches("missing", result.reason) end
          end)
        end)
      end

      local tolerance_s = vector.timed or vector.received
      if tolerance_s then
        it("holds the clock to its tolerance both ways, and says by how much it differs", function()
          with_secret(secret, function()
            local project = load(vector)
            for _, distance_s in ipairs { -tolerance_s, tolerance_s - 1 } do
              if vector.timed then script.clock(NOW_MS + distance_s * 1000) end
              assert.equal("ok", admit(project, vector,
                { received_ms = NOW_MS + distance_s * 1000 }).outcome)
            end
            for _, distance_s in ipairs { -tolerance_s - 2, tolerance_s + 2 } do
              if vector.timed then script.clock(NOW_MS + distance_s * 1000) end
              local result = admit(project, vector, { received_ms = NOW_MS + distance_s * 1000 })
              assert.equal("unverified", result.outcome)
              assert.matches("the clock differs by %d+ s", result.reason)
            end
          end)
        end)
      end

      it("signs test requests that it takes for genuine, if its secret is enough to", function()
        with_secret(secret, function()
          local project = load(vector)
          local body = vector.body
          local made = json.decode(project:run("sign", { body = body }).text:match "^[^\n]*")
          if not made.has_sign then return end
          local headers = { { ":method", "POST" } }
          for name, value in pairs(made.headers) do headers[#headers + 1] = { name, value } end
          local result = admit(project, vector, { headers = headers, body = made.body })
          assert.equal("", result.reason or "")
          assert.equal("ok", result.outcome)
        end)
      end)
    end)
  end

  local without = { aws_sns = true, fusionauth = true, google_pubsub = true, paypal = true }

  it("list in the error for an unknown one is that of the files, each with a vector here", function()
    local pipe = assert(io.popen "ls lua/anzol/provider")
    local files, known = {}, {}
    for line in pipe:lines() do files[#files + 1] = line:match "^(.*)%.lua$" end
    pipe:close()
    for _, vector in ipairs(vectors) do known[vector.name] = true end
    for _, name in ipairs(files) do
      assert.is_true(known[name] or without[name] or false, name .. " has no vector")
    end
    assert.matches("there are " .. table.concat(files, ", ") .. ", and what you put",
      (rig.refusal "anzol.provider.wherever {}"))
  end)

  it("complains of its options at the script's own line", function()
    local cases = {
      { "anzol.provider.stripe { secert = 'x' }",
        "unknown option 'secert' for anzol.provider.stripe (did you mean 'secret'?)" },
      { "anzol.provider.stripe { key = 'x' }", "unknown option 'key' for anzol.provider.stripe (it" },
      { "anzol.provider.stripe 'x'", "takes a table of options, got string" },
      { "anzol.provider.stripe {}", "anzol.provider.stripe needs 'secret'" },
      { "anzol.verify.stripe { secret = '' }", "anzol.provider.stripe: a secret is empty" },
      { "anzol.provider.discord { secret = 'zz' }", "the public key cannot be read" },
      { "anzol.provider.sendgrid { secret = 'AAAA' }", "the public key cannot be read" },
      { "anzol.provider.onfleet { secret = 'zz' }", "a secret is empty or no hex" },
      { "anzol.provider.linear { secret = 'x', tolerance = 'soon' }", "must be a duration" },
      { "anzol.provider.stripe { secret = 'x', tolerance = '2d' }", "at least 1s and at most 1d" },
      { "anzol.provider.gitbub {}", "unknown provider 'gitbub' (did you mean 'github'?)" },
      { "anzol.provider.wherever {}", "unknown provider 'wherever' (there are adyen, asana" },
      { "anzol.verify.gitbub {}", "unknown verifier 'gitbub' (did you mean 'github'?)" },
      { "anzol.verify.baerer {}", "unknown verifier 'baerer' (did you mean 'bearer'?)" },
      { "anzol.verify.wherever {}", "unknown verifier 'wherever' (there are basic, bearer" },
      { "anzol.sign.gitbub {}", "unknown signer 'gitbub' (did you mean 'github'?)" },
      { "anzol.sign.hmca {}", "unknown signer 'hmca' (did you mean 'hmac'?)" },
      { "anzol.sign.discord {}", "unknown signer 'discord' (there are ed25519, hmac" },
    }
    for _, case in ipairs(cases) do
      local why = rig.refusal(case[1])
      assert.matches("^scripts/main.lua:1: ", why)
      assert.is_truthy(why:find(case[2], 1, true), case[1] .. ": " .. why)
    end
  end)

  for _, vector in ipairs(vectors) do
    local secret, wrong = vector.secret or SECRET, wrong_of(vector)

    it(vector.name .. " may have several secrets while one rotates", function()
      with_secret(secret, function()
        for _, order in ipairs { '{ anzol.secret "S", %q }', '{ %q, anzol.secret "S" }' } do
          local project = load_with(vector, ("provider = anzol.provider.%s { secret = %s }"):format(
            vector.name, order:format(wrong)))
          assert.equal("", admit(project, vector).reason or "")
        end
        local other = load_with(vector, ("provider = anzol.provider.%s { secret = { %q, %q } }")
          :format(vector.name, wrong, wrong))
        assert.equal("unverified", admit(other, vector).outcome)
      end)
    end)

    it(vector.name .. " is a bare verifier too", function()
      with_secret(secret, function()
        local project = load_with(vector, ('verify = anzol.verify.%s { secret = anzol.secret "S" }')
          :format(vector.name))
        assert.equal("", admit(project, vector).reason or "")
      end)
      with_secret(wrong, function()
        local project = load_with(vector, ('verify = anzol.verify.%s { secret = anzol.secret "S" }')
          :format(vector.name))
        assert.equal("unverified", admit(project, vector).outcome)
      end)
    end)

    if signers:find("anzol.sign." .. vector.name .. "(", 1, true) then
      it(vector.name .. " is a signer for endpoints too", function()
        with_secret(secret, function()
          local project = rig.project(([[
            anzol.source("in", { verify = anzol.verify.%s { secret = anzol.secret "S" }%s })
            local sign = anzol.sign.%s { secret = anzol.secret "S" }
            anzol.on("**", { name = "sign" }, function(event)
              error(anzol.json.encode(sign { id = "msg_9", body = event.body, url = %q,
                headers = { ["Content-Type"] = event.content_type } }), 0)
            end)]]):format(vector.name, public_url(vector), vector.name, vector.url or ""))
          local signed = project:run("sign", { body = vector.body,
            headers = { content_type_of(vector) } }).text:match "^[^\n]*"
          local headers = {}
          for name, value in pairs(assert(json.decode(signed), signed)) do
            headers[#headers + 1] = { name, value }
          end
          headers[#headers + 1] = { ":method", "POST" }
          headers[#headers + 1] = content_type_of(vector)
          local result = admit(project, vector, { headers = headers })
          assert.equal("", result.reason or "")
          headers[1][2] = "x"
          assert.equal("unverified", admit(project, vector, { headers = headers }).outcome)
        end)
      end)
    end

    if vector.timed or vector.received or vector.is_stamped then
      it(vector.name .. " takes another tolerance", function()
        with_secret(secret, function()
          for _, maker in ipairs { "verify = anzol.verify.%s", "provider = anzol.provider.%s" } do
            local project = load_with(vector, (maker .. ' { secret = anzol.secret "S", tolerance = "7s" }')
              :format(vector.name))
            for _, distance_s in ipairs { -9, -7, 6, 9 } do
              local received_ms = NOW_MS + distance_s * 1000
              if not vector.received then script.clock(received_ms) end
              local outcome = math.abs(distance_s) > 7 and "unverified" or "ok"
              assert.equal(outcome, admit(project, vector, { received_ms = received_ms }).outcome,
                distance_s .. " s")
            end
          end
        end)
      end)
    end
  end
end)
