-- SPDX-License-Identifier: MIT
-- Official clients (npm) in spec/interop, run as programs of node.
local assert = require "luassert"
local files = require "support.files"
local json = require "dkjson"
local process = require "anzol_test.process"

local FOLDER = "spec/interop"
local LIMIT_MS = 120000

local M = {}

-- What it printed; its output lies in dir meanwhile. It must end with 0, within limit_ms if given.
function M.run(argv, dir, limit_ms)
  local output, errors = dir .. "/output", dir .. "/errors"
  os.remove(output)
  os.remove(errors)
  local child = process.spawn { argv = argv, cwd = FOLDER, output = output, errors = errors,
    env = { LD_PRELOAD = false } }
  local kind, code = child:wait(limit_ms or LIMIT_MS)
  assert.same({ "exit", 0 }, { kind, code }, files.read(errors))
  return files.read(output)
end

-- Installs all packages if this one is not there.
function M.install(package, dir)
  if not files.exists(FOLDER .. "/node_modules/" .. package) then
    M.run({ "npm", "ci", "--no-audit", "--no-fund" }, dir)
  end
end

-- JSON, a value a line.
function M.lines_of(text)
  local rows = {}
  for line in text:gmatch "[^\n]+" do rows[#rows + 1] = json.decode(line) end
  return rows
end

return M
