-- SPDX-License-Identifier: MIT
-- Files and temporary folders of the specs.
local lfs = require "lfs"
local process = require "anzol_test.process"

local M = {}

function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

function M.exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

-- Makes the folders on the way.
function M.write(path, text)
  for at in path:gmatch "()/" do
    if at > 1 then lfs.mkdir(path:sub(1, at - 1)) end
  end
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

function M.remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then M.remove(path .. "/" .. name) end
    end
    lfs.rmdir(path)
  else
    os.remove(path)
  end
end

-- A symbolic link.
function M.link(target, path) assert(lfs.link(target, path, true)) end

-- A fresh folder under /tmp; the caller removes it.
function M.temp_dir()
  return process.temp_dir()
end

-- The build folder under test, absolute: a child may run elsewhere.
function M.build_dir()
  local build = os.getenv "ANZOL_BUILD" or "build"
  return build:sub(1, 1) == "/" and build or lfs.currentdir() .. "/" .. build
end

-- The program under test; ANZOL_BIN names one of another build (a sanitizer's).
function M.program()
  return os.getenv "ANZOL_BIN" or M.build_dir() .. "/anzol"
end

return M
