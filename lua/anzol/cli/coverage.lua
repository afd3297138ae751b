-- SPDX-License-Identifier: MIT
-- What `anzol test --coverage` tells: of each file of the project the lines that can run, and those
-- that ran. anzol/core.so wrote down which did ("PATH:LINE COUNT" lines).
local bytecode = require "anzol.cli.bytecode"
local settings = require "anzol.cli.settings"

local M = {}

local MISSED_SHOWN_MAX = 60 -- bytes

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- The whole path of a folder.
local function real_path(dir)
  local pipe = assert(io.popen("cd " .. quote(dir) .. " && pwd"))
  local path = pipe:read "l"
  pipe:close()
  return path
end

-- PATH as the project's files are named: below its folder.
local function inside(path, project)
  path = path:gsub("^%./", ""):gsub("/%./", "/")
  local prefix = project:gsub("/+$", "") .. "/"
  if path:sub(1, #prefix) == prefix then return path:sub(#prefix + 1) end
  return path
end

-- { [path] = { [line] = count } }
local function read(file, project)
  local counts = {}
  for line in file:lines() do
    local path, number, count = line:match "^(.*):(%d+) (%d+)$"
    if path then
      path = inside(path, project)
      counts[path] = counts[path] or {}
      number = math.tointeger(number)
      counts[path][number] = (counts[path][number] or 0) + math.tointeger(count)
    end
  end
  return counts
end

local function row_of(file, counts)
  local row = { file = file.path, lines = 0, hit = 0, missed = {} }
  for _, line in ipairs(bytecode.lines(file.text, file.path)) do
    row.lines = row.lines + 1
    if counts[line] then row.hit = row.hit + 1 else row.missed[#row.missed + 1] = line end
  end
  return row
end

local function percent(row) return row.lines == 0 and 100 or row.hit * 100 // row.lines end

-- { 3, 7, 8, 9 } -> "3, 7-9"
local function ranges(list)
  local parts, i = {}, 1
  while i <= #list do
    local first, last = list[i], list[i]
    while list[i + 1] == last + 1 do
      i, last = i + 1, last + 1
    end
    parts[#parts + 1] = first == last and tostring(first) or ("%d-%d"):format(first, last)
    i = i + 1
  end
  local text = table.concat(parts, ", ")
  if #text <= MISSED_SHOWN_MAX then return text end
  return text:sub(1, MISSED_SHOWN_MAX):gsub(",[^,]*$", "") .. ", …"
end

local function print_json(console, rows, total)
  local json = require "anzol.native".json
  for _, row in ipairs(rows) do
    row.percent, row.missed = percent(row), json.array(row.missed)
  end
  console:data(json.encode({ files = json.array(rows), lines = total.lines, hit = total.hit,
    percent = percent(total) }, { sort = true }) .. "\n")
end

local function print_table(console, rows, total)
  rows[#rows + 1] = total
  console:table({ { "FILE", "file" }, { "LINES", "lines", right = true },
    { "HIT", "hit", right = true },
    { "%", percent, right = true },
    { "MISSED", function(row) return ranges(row.missed) end } }, rows)
end

-- path: what core.so wrote; none if no spec required anzol.testing.
function M.report(path, options, console)
  local native = require "anzol.native"
  local file = io.open(path, "rb")
  local counts = file and read(file, real_path(options.project)) or {}
  if file then file:close() end
  local rows, total = {}, { file = "all", lines = 0, hit = 0, missed = {} }
  for i, each in ipairs(native.files(options.project, settings.loading(options.project)) or {}) do
    rows[i] = row_of(each, counts[each.path] or {})
    total.lines, total.hit = total.lines + rows[i].lines, total.hit + rows[i].hit
  end
  if console:is_json() then print_json(console, rows, total) else
    print_table(console, rows, total)
  end
end

return M
