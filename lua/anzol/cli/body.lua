-- SPDX-License-Identifier: MIT
-- The body of a test webhook: the bytes of a file, or those with some values replaced.
local failure = require "anzol.cli.failure"

local M = {}

-- The bytes of a file, or of standard input (-). what: it is called, in an error.
function M.read(path, what)
  local file, err = io.stdin, nil
  if path ~= "-" then file, err = io.open(path, "rb") end
  if not file then failure.raise(failure.USAGE, "%s: %s", what or "the body", err) end
  local bytes = file:read "a"
  if path ~= "-" then file:close() end
  return bytes
end

-- The headers that lie beside a fixture, in NAME.headers for NAME.json: "Name: value" lines.
function M.read_headers(path)
  local file = path ~= "-" and io.open((path:gsub("%.json$", "")) .. ".headers", "rb")
  local headers = {}
  if not file then return headers end
  for line in file:lines() do
    local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
    if name then headers[#headers + 1] = { name, value } end
  end
  file:close()
  return headers
end

-- "true", "12", '"x"', "[1]" as JSON; anything else is a string.
local function read_value(json, text)
  local value, err = json.decode(text)
  if value == nil or err then return text end
  return value
end

-- "commits.1.message": names, and positions from 1 in arrays.
local function set_path(root, path, value)
  local place, last = root, nil
  for part in path:gmatch "[^.]+" do
    local key = part
    if last ~= nil then
      if type(place[last]) ~= "table" then place[last] = {} end
      place = place[last]
    end
    if #place > 0 and math.tointeger(tonumber(part)) then key = math.tointeger(tonumber(part)) end
    last = key
  end
  place[last] = value
end

-- assignments: a list of "path=value". Without any the bytes stay exactly as they are.
function M.edit(bytes, assignments)
  if #assignments == 0 then return bytes end
  local json = require "anzol.native".json
  local root, err = json.decode(bytes)
  if type(root) ~= "table" then
    failure.raise(failure.USAGE, "--set needs a fixture that is a JSON object: %s",
      tostring(err or "it is not one"))
  end
  for _, assignment in ipairs(assignments) do
    local path, value = assignment:match "^([^=]+)=(.*)$"
    if not path or not path:find "[^.]" then
      failure.raise(failure.USAGE, "--set %s: write PATH=VALUE, such as "
        .. "--set repository.name=demo", assignment)
    end
    set_path(root, path, read_value(json, value))
  end
  return json.encode(root, { sort = true })
end

return M
