-- SPDX-License-Identifier: MIT
-- The command line, run as a user would.
local files = require "support.files"
local process = require "anzol_test.process"
local wait = require "support.wait"

local M = {}

local LIMIT_MS = 20000

-- run({ "events", "list" }, { cwd, env?, input? }) -> { code, output, errors }
function M.run(arguments, options)
  local dir = files.temp_dir()
  local argv = { files.program() }
  for _, argument in ipairs(arguments) do argv[#argv + 1] = argument end
  local env = { LD_PRELOAD = false }
  for name, value in pairs(options.env or {}) do env[name] = value end
  local child = process.spawn { argv = argv, cwd = options.cwd, env = env,
    input = options.input, output = dir .. "/output", errors = dir .. "/errors" }
  local kind, code = child:wait(LIMIT_MS * wait.patience)
  child:kill(9)
  local result = { code = kind == "exit" and code or -1, output = files.read(dir .. "/output"),
    errors = files.read(dir .. "/errors") }
  files.remove(dir)
  return result
end

-- The same, told where a server listens.
function M.ask(server, arguments)
  local all = { table.unpack(arguments) }
  all[#all + 1] = "--url"
  all[#all + 1] = "http://127.0.0.1:" .. server.admin_port
  all[#all + 1] = "--token"
  all[#all + 1] = server.token
  return M.run(all, { cwd = server.dir })
end

return M
