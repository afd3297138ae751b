-- SPDX-License-Identifier: MIT
-- Files that a command writes for the user: all of them or none, and over what is there only if the
-- user says so.
local failure = require "anzol.cli.failure"

local M = {}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function write(path, text)
  local dir = path:match "^(.*)/[^/]*$"
  if dir and not os.execute("mkdir -p -- " .. quote(dir)) then
    failure.raise(failure.FAILED, "%s: the folder cannot be made", dir)
  end
  local file, err = io.open(path, "wb")
  if not file or not file:write(text) or not file:close() then
    failure.raise(failure.FAILED, "%s", err or path .. ": cannot be written")
  end
end

-- files: { { path, text } }, below dir. options: { is_forced, hint: what else the user may do }
function M.write(dir, files, options)
  options = options or {}
  for _, file in ipairs(options.is_forced and {} or files) do
    if exists(dir .. "/" .. file.path) then
      failure.raise(failure.FAILED, "%s/%s is there already; nothing was written%s", dir,
        file.path, options.hint and (" (%s)"):format(options.hint) or "")
    end
  end
  for _, file in ipairs(files) do write(dir .. "/" .. file.path, file.text) end
end

-- Their paths: one a line, or { "files": […] }.
function M.print(dir, files, console)
  local paths = {}
  for i, file in ipairs(files) do paths[i] = dir .. "/" .. file.path end
  if console:is_json() then
    local json = require "anzol.native".json
    console:data(json.encode { files = json.array(paths) } .. "\n")
    return
  end
  for _, path in ipairs(paths) do console:line(path) end
end

-- The files below a folder: { { path, text } }, in the order of their paths.
function M.read_folder(dir)
  local list = {}
  local pipe = assert(io.popen("cd " .. quote(dir) .. " && find . -type f | LC_ALL=C sort"))
  for line in pipe:lines() do
    local path = line:sub(3)
    local file = assert(io.open(dir .. "/" .. path, "rb"))
    list[#list + 1] = { path = path, text = file:read "a" }
    file:close()
  end
  pipe:close()
  return list
end

return M
