-- SPDX-License-Identifier: MIT
-- The keys of secrets on the real server: where they come from, what it says without one, and a
-- rotation while it runs, killed in the midst too.
local Server = require "support.server"
local cli = require "support.cli"
local files = require "support.files"
local json = require "dkjson"
local sqlite = require "anzol_test.store"

local SCRIPT = [[
local anzol = require "anzol"
anzol.source("open", { verify = anzol.verify.none() })]]
local key_a, key_b, key_c = ("a1"):rep(32), ("b2"):rep(32), ("c3"):rep(32)

local function new(options)
  local all = { scripts = { ["main.lua"] = SCRIPT }, workers = 1 }
  for name, value in pairs(options or {}) do all[name] = value end
  local server = Server.new(all)
  server.store_path = server.state_dir .. "/anzol.db"
  return server
end

-- Secrets as they were stored before there was a key: eight zeros, and the text.
local function plant(server, count)
  for i = 1, count do
    sqlite.sql(server.store_path, ("INSERT INTO secret(owner, kind, version, created_ms, sealed)"
      .. " VALUES (%d, 1, 1, 0, CAST(zeroblob(8) || 'planted%d' AS BLOB))"):format(i, i))
  end
end

local function is_in_files(server, text)
  for _, name in ipairs { "anzol.db", "anzol.db-wal" } do
    local path = server.state_dir .. "/" .. name
    if files.exists(path) and files.read(path):find(text, 1, true) then return true end
  end
  return false
end

local function run(server, ...)
  return cli.run({ "secrets", ... }, { cwd = server.dir,
    env = { ANZOL_SOCKET = server.state_dir .. "/anzol.sock" } })
end

-- A start that is refused: its exit code and log.
local function refused(server, env)
  server:launch(env)
  local _, code = server:ended(10000)
  return code, server:log()
end

describe("a server without a key", function()
  it("says so at start and in its status", function()
    local server = new():launch():await()
    finally(function() server:close() end)
    assert.matches("secrets are stored as they are", server:log(), 1, true)
    assert.same({ isSealed = false }, (server:get "/api/v1/status").secrets)
    local status = cli.ask(server, { "status" })
    assert.matches("secrets     stored as they are: there is no key", status.output, 1, true)
    local result = run(server, "rotate")
    assert.equal(2, result.code)
    assert.matches("comes from no file that could be read anew", result.errors, 1, true)
  end)
end)

describe("the key of secrets", function()
  it("comes from the environment, a file, anzol.lua or a credential", function()
    local folder = files.temp_dir()
    finally(function() files.remove(folder) end)
    files.write(folder .. "/key", key_a .. "\n")
    files.write(folder .. "/anzol-secrets-key", key_a .. "\n")
    local places = {
      { env = { ANZOL_SECRETS_KEY = key_a } },
      { env = { ANZOL_SECRETS_KEY_FILE = folder .. "/key" } },
      { settings = 'return { secrets_key = { file = "' .. folder .. '/key" } }' },
      { env = { CREDENTIALS_DIRECTORY = folder } },
    }
    local ids = {}
    for i, place in ipairs(places) do
      local server = new(place):launch():await()
      ids[i] = server:log():match "secrets are sealed  key=(%x+) older=0"
      server:close()
    end
    assert.equal(16, #ids[1])
    assert.same({ ids[1], ids[1], ids[1], ids[1] }, ids)
  end)

  it("is refused when it is none, or is not there, and is shown nowhere", function()
    local cases = {
      { { ANZOL_SECRETS_KEY = "hunter2hunter2" }, "secrets_key: key 1 is not 32 bytes" },
      { { ANZOL_SECRETS_KEY_FILE = "/no/such/file" },
        "secrets_key.file: /no/such/file: No such file or directory" },
      { { ANZOL_SECRETS_KEY = key_a, ANZOL_SECRETS_KEY_FILE = "/x" },
        "secrets_key and secrets_key.file are both set" },
    }
    for _, case in ipairs(cases) do
      local server = new()
      local code, log = refused(server, case[1])
      server:close()
      assert.equal(78, code)
      assert.matches(case[2], log, 1, true)
      assert.is_nil(log:find("hunter2", 1, true))
      assert.is_nil(log:find(key_a, 1, true))
    end
  end)

  it("is not shown to scripts", function()
    local server = new { env = { ANZOL_SECRETS_KEY = key_a },
      scripts = { ["main.lua"] = 'require("anzol").env "ANZOL_SECRETS_KEY"' } }
    finally(function() server:close() end)
    local code, log = refused(server)
    assert.equal(78, code)
    assert.matches("anzol.env does not show ANZOL_SECRETS_KEY", log, 1, true)
  end)
end)

describe("a server that gets a key", function()
  it("seals what was stored before, and does not start without the key again", function()
    local server = new():launch():await()
    finally(function() server:close() end)
    server:stop()
    plant(server, 250)
    assert.is_true(is_in_files(server, "planted250"))
    server:restart { ANZOL_SECRETS_KEY = key_a }
    local shown
    repeat shown = server:get "/api/v1/secrets" until not shown.rotation.isRunning
    assert.same({ 250, 0 }, { shown.keys[1].secrets, shown.plain })
    for i = 1, 250 do assert.is_false(is_in_files(server, "planted" .. i), i) end
    server:stop()
    local code, log = refused(server)
    assert.equal(78, code)
    assert.matches("250 secrets are sealed with the key " .. shown.keys[1].id
      .. ", which is not given (given: none)", log, 1, true)
    code, log = refused(server, { ANZOL_SECRETS_KEY = key_b })
    assert.equal(78, code)
    assert.matches("which is not given %(given: %x+%); give that key too", log)
    server:restart { ANZOL_SECRETS_KEY = key_b .. "," .. key_a }
  end)
end)

describe("anzol secrets rotate", function()
  local server, path

  before_each(function()
    server = new()
    path = server.dir .. "/key"
    files.write(path, key_a .. "\n")
    server.options.env = { ANZOL_SECRETS_KEY_FILE = path }
    server:launch():await()
    server:stop()
    plant(server, 300)
    server:restart()
  end)
  after_each(function() server:close() end)

  it("reads the file anew, seals with its first key, and says that the other may go", function()
    files.write(path, key_b .. "\n" .. key_a .. "\n")
    local result = run(server, "rotate")
    assert.equal(0, result.code, result.errors)
    assert.matches("300 secrets sealed anew with key %x+", result.errors)
    assert.matches("the other keys may go: leave the first one in " .. path, result.errors, 1, true)
    local status = run(server, "status")
    assert.matches("%x+%s+300%s+seals\n%x+%s+0%s+opens", status.output)
    assert.matches("0 secrets sealed anew", run(server, "rotate").errors, 1, true)
    files.write(path, key_b .. "\n")
    server:stop()
    server:restart()
    files.write(path, key_a .. "\n")
    server:stop()
    assert.equal(78, (refused(server)))
  end)

  it("takes a key that is brought, and keeps what it has when it is none", function()
    files.write(server.dir .. "/new", key_c)
    local result = run(server, "rotate", "--key-file", server.dir .. "/new", "-o", "json")
    assert.equal(0, result.code, result.errors)
    local shown = json.decode(result.output)
    assert.same({ 300, 300, 0 }, { shown.rotation.sealed, shown.keys[1].secrets, shown.plain })
    assert.matches("before the next start, give it key " .. shown.keys[1].id, result.errors, 1, true)
    assert.is_nil((result.output .. result.errors .. server:log()):find(key_c, 1, true))
    files.write(server.dir .. "/bad", "hunter2")
    result = run(server, "rotate", "--key-file", server.dir .. "/bad")
    assert.equal(2, result.code)
    assert.matches("key 1 is not 32 bytes", result.errors, 1, true)
    assert.is_nil((result.errors .. server:log()):find("hunter2", 1, true))
    assert.equal(shown.keys[1].id, (server:get "/api/v1/secrets").keys[1].id)
  end)

  it("loses nothing by a kill in the midst", function()
    files.write(path, key_b .. "\n" .. key_a .. "\n")
    server:kill()
    server:launch { ANZOL_CRASH_AT = "after_sync:2" }
    assert.same({ "exit", 137 }, { server:ended(10000) })
    local counts = sqlite.sql(server.store_path,
      "SELECT hex(substr(sealed, 1, 8)), count(*) FROM secret GROUP BY 1")
    assert.is_true(#counts == 2, "no kill in the midst: " .. #counts .. " keys")
    server:restart()
    local shown
    repeat shown = server:get "/api/v1/secrets" until not shown.rotation.isRunning
    assert.same({ 300, 0, 0 }, { shown.keys[1].secrets, shown.keys[2].secrets, shown.plain })
  end)
end)
