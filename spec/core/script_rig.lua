-- SPDX-License-Identifier: MIT
-- Projects in temporary folders, for the specs of core/script.
local files = require "support.files"
local script = require "anzol_test.script"

local M = { script = script }

-- Limits are ten times as long under the sanitizers.
M.patience = script.is_slow() and 10 or 1

-- What the sandbox takes out of Lua. (collectgarbage stays for "count".)
M.removed = { "debug.debug", "debug.gethook", "debug.getlocal", "debug.getregistry",
  "debug.getupvalue", "debug.getuservalue", "debug.setcstacklimit", "debug.sethook",
  "debug.setlocal", "debug.setmetatable", "debug.setupvalue", "debug.setuservalue",
  "debug.upvalueid", "debug.upvaluejoin", "dofile", "io.close", "io.input", "io.lines", "io.open",
  "io.output", "io.popen", "io.read", "io.tmpfile", "loadfile", "os.execute", "os.exit",
  "os.getenv", "os.remove", "os.rename", "os.setlocale", "os.tmpname", "package.loadlib",
  "package.searchpath", "string.dump" }

local open = {}

-- A folder with these files: { ["scripts/a.lua"] = "…" }; removed by M.finish.
function M.dir(contents)
  local dir = files.temp_dir()
  open[#open + 1] = function() files.remove(dir) end
  for path, text in pairs(contents) do files.write(dir .. "/" .. path, text) end
  return dir
end

local PREAMBLE = 'local anzol = require "anzol" '

-- load{ files | script = text, workers?, allow_missing_secrets? } -> project | nil, findings, text
-- script becomes scripts/main.lua, with anzol at hand on its first line.
function M.load(options)
  local dir = M.dir(options.files or { ["scripts/main.lua"] = PREAMBLE .. options.script })
  local project, findings, text = script.load {
    dir = dir, workers = options.workers, scripts = options.scripts,
    allow_missing_secrets = options.allow_missing_secrets,
  }
  if project then table.insert(open, 1, function() project:close() end) end
  return project, findings, text
end

-- A project that must load.
function M.project(text, options)
  options = options or {}
  options.script = text
  local project, findings, why = M.load(options)
  if not project then error(("not loaded: %s"):format(why or findings[1].message), 2) end
  return project
end

-- What refuses a project.
function M.refusal(text)
  local project, findings, why = M.load { script = text }
  assert(not project, "the project was not refused")
  return why, findings
end

-- A handler as the project's only one, "main" by name; `out` and `other` are endpoints.
function M.handler(body, options)
  return M.project(([[
    anzol.endpoint("out", { url = "https://out.example/in", sign = false })
    anzol.endpoint("other", { url = "https://other.example/in", sign = false })
    anzol.on("**", { name = "main" }, function(event) %s end)
  ]]):format(body), options)
end

-- Runs a handler once.
function M.run(body, event, limits)
  return M.handler(body):run("main", event or {}, limits)
end

-- As run, and it must be handled.
function M.handled(body, event, limits)
  local result = M.run(body, event, limits)
  if result.outcome ~= "handled" then error(result.outcome .. ": " .. result.text, 2) end
  return result
end

function M.header(head, name)
  for _, field in ipairs(head) do
    if field[1]:lower() == name then return field[2] end
  end
end

-- After each spec: nothing stays.
function M.finish()
  for _, close in ipairs(open) do close() end
  open = {}
end

return M
