-- SPDX-License-Identifier: MIT
-- What the specs of the store share: folders that go again, short ways to write a life.
local lfs = require "lfs"

local M = {}

local function remove(path)
  if lfs.attributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then remove(path .. "/" .. name) end
    end
    lfs.rmdir(path)
  else
    os.remove(path)
  end
end
M.remove = remove

local count = 0

-- A fresh folder, in memory where there is such a place; the caller removes it.
function M.folder()
  local root = lfs.attributes("/dev/shm", "mode") == "directory" and "/dev/shm" or "/tmp"
  repeat
    count = count + 1
    local path = ("%s/anzol-spec-%d-%d"):format(root, os.time(), math.random(1 << 40) + count)
    if lfs.mkdir(path) then return path end
  until false
end

function M.exists(path)
  return lfs.attributes(path, "mode") ~= nil
end

function M.copy(from, to)
  local input = assert(io.open(from, "rb"))
  local output = assert(io.open(to, "wb"))
  output:write(input:read "a")
  output:close()
  input:close()
end

-- The seed of a spec with chance: printed, and taken from ANZOL_SEED to run it again.
function M.seed(name)
  local seed = math.tointeger(os.getenv "ANZOL_SEED") or os.time() * 1000 + math.random(999)
  print(("\n%s: ANZOL_SEED=%d"):format(name, seed))
  return seed
end

return M
