-- SPDX-License-Identifier: MIT
-- What luacheck says of a project's files: asked if the project has a .luacheckrc, which is how one
-- wants it, and luacheck is installed.
local M = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function is_wanted(dir)
  local file = io.open(dir .. "/.luacheckrc", "rb")
  if file then file:close() end
  return file and os.execute "command -v luacheck >/dev/null 2>&1" == true
end

-- files: { { path } }, below dir -> findings, all of them warnings.
function M.findings(dir, files)
  local found, words = {}, {}
  if #files == 0 or not is_wanted(dir) then return found end
  for i, file in ipairs(files) do words[i] = quote(file.path) end
  local pipe = assert(io.popen(("cd %s && luacheck --formatter plain --no-color --codes %s 2>&1")
    :format(quote(dir), table.concat(words, " "))))
  for line in pipe:lines() do
    local path, number, code, message = line:match "^(.-):(%d+):%d+: %(([EW]%d+)%) (.*)$"
    if path then
      found[#found + 1] = { level = "warning", file = path, line = math.tointeger(number),
        phase = "luacheck", message = message, hint = "luacheck " .. code }
    end
  end
  pipe:close()
  return found
end

return M
