-- SPDX-License-Identifier: MIT
-- TLS to a receiver (core/send): what cannot be trusted is a tls error with its reason.
local rigs = require "core.send_rig"
local files = require "support.files"

if os.getenv "ANZOL_SANITIZER" == "thread" then
  pending "TLS to a receiver needs sh, which does not bear the thread sanitizer's library"
  return
end

local function shell(command)
  assert(os.execute(command .. " >/dev/null 2>&1"), command)
end

-- A folder with a key and a certificate of these openssl options.
local function certificate(options)
  local dir = files.temp_dir()
  shell(("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key -out %s/cert %s")
    :format(dir, dir, options))
  return dir
end

-- The first attempt at an `openssl s_server` with that certificate.
local function attempt(certificate_options, server_options)
  local dir = certificate(certificate_options)
  local log = dir .. "/log"
  assert(os.execute(("openssl s_server -accept 127.0.0.1:0 -key %s/key -cert %s/cert %s -www "
    .. "</dev/null >%s 2>&1 & echo $! >%s/pid"):format(dir, dir, server_options or "", log, dir)))
  local made
  local ok, problem = pcall(rigs.with(function(rig)
    local port
    assert(rig:wait(function()
      port = files.exists(log) and files.read(log):match "ACCEPT 127%.0%.0%.1:(%d+)"
      return port
    end))
    made = rig:first_attempt(nil, { url = "https://127.0.0.1:" .. port .. "/" })
  end))
  shell("kill " .. files.read(dir .. "/pid"))
  files.remove(dir)
  assert(ok, problem)
  return made
end

describe("a receiver's certificate", function()
  it("that it signed itself is a tls error", function()
    local made = attempt "-days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    assert.equal("tls", made.error)
    assert.equal(0, made.status)
    assert.matches("certificate", made.detail)
  end)
end)

describe("a receiver that speaks only TLS 1.1", function()
  it("is a tls error", function()
    local made = attempt("-days 2 -subj /CN=127.0.0.1", "-tls1_1 -cipher DEFAULT@SECLEVEL=0")
    assert.equal("tls", made.error)
    assert.is_true(#made.detail > 0)
  end)
end)
