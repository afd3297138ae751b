-- SPDX-License-Identifier: MIT
-- Checks that includes obey the floors: `lua5.4 core/test/check_floors.lua`, in the root. The
-- compiler enforces the same by include roots (CMakeLists.txt); this says it in words, and checks
-- what the compiler can't see: private headers, and who may know which library.

-- A folder of core/ and its floor. It includes only itself and lower floors.
local floors = {
  base = 0, model = 1, signature = 1, config = 2, shared = 2, store = 2, schedule = 2, http = 2,
  send = 3, script = 4, console = 5, worker = 5, receive = 5, testing = 5, api = 6, bench = 6,
}
local TOP = 7 -- main.c, server*.c
local anywhere = { test = true }

-- The folders that may include a library's header (a prefix of its name).
local libraries = {
  { "curl/", { send = true } },
  { "libpq", { store = true } },
  { "microhttpd.h", { http = true } },
  { "openssl/", { signature = true, base = true } },
  { "sqlite3.h", { store = true } },
}
local LUA_FLOOR = floors.script

local findings = 0
local function complain(file, line, text, ...)
  findings = findings + 1
  io.write(("%s:%d: "):format(file, line), text:format(...), "\n")
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

-- "core/store/sqlite.c" -> "store"; "core/main.c" -> nil
local function folder_of(file)
  return file:match "^core/([^/]+)/"
end

local function floor_of(folder)
  return folder == nil and TOP or floors[folder]
end

local function check_own(file, line, folder, header)
  local other = header:match "^([^/]+)/"
  if not other or other == folder then return end
  if not floors[other] then
    complain(file, line, "includes %s, whose folder has no floor in check_floors.lua", header)
  elseif floors[other] >= floor_of(folder) then
    complain(file, line, "%s (floor %d) includes %s (floor %d): only lower floors may be included",
      folder, floor_of(folder), header, floors[other])
  elseif header:match "_int%.h$" then
    complain(file, line, "includes %s, which is private to %s/", header, other)
  end
end

local function check_library(file, line, folder, header)
  for _, library in ipairs(libraries) do
    if header:sub(1, #library[1]) == library[1] and not library[2][folder] then
      complain(file, line, "includes <%s>, which only %s/ may know", header, next(library[2]))
    end
  end
  if (header == "lua.h" or header == "lauxlib.h" or header == "lualib.h")
    and floor_of(folder) < LUA_FLOOR then
    complain(file, line, "includes <%s>: Lua is known from script/ (floor %d) up only", header,
      LUA_FLOOR)
  end
end

local function check_file(file)
  local folder = folder_of(file)
  if anywhere[folder] then return end
  if folder and not floors[folder] then
    return complain(file, 1, "folder %s has no floor in check_floors.lua", folder)
  end
  local number = 0
  for text in io.lines(file) do
    number = number + 1
    local own = text:match '^%s*#%s*include%s*"([^"]+)"'
    local library = text:match "^%s*#%s*include%s*<([^>]+)>"
    if own then check_own(file, number, folder, own) end
    if library then check_library(file, number, folder, library) end
  end
end

-- anzol_library(NAME FLOORS …): what the compiler is told must be true to the table above.
local function check_build(file)
  local number = 0
  for text in io.lines(file) do
    number = number + 1
    local name, rest = text:match "^%s*anzol_library%((%w+)(.*)"
    local list = rest and rest:gsub("%f[%w]LIBS%f[%W].*", ""):match "FLOORS([%w%s]*)" or ""
    for other in list:gmatch "%w+" do
      if not floors[other] or floors[other] >= floors[name] then
        complain(file, number, "%s may not see %s, which is not on a lower floor", name, other)
      end
    end
  end
end

-- Two folders that export one name: the linker would take either of them without a word.
local exported_by = {}
local function check_exports(file)
  local folder = folder_of(file)
  if not folder or anywhere[folder] then return end
  local number = 0
  for text in io.lines(file) do
    number = number + 1
    local name = text:match "^[%a_][%w_ *]-[ *]([%a_][%w_]*)%("
    if name and not text:match "^static" and not text:match "^typedef" then
      local other = exported_by[name] or folder
      if other ~= folder then
        complain(file, number, "%s is exported by %s/ and by %s/: rename one", name, other, folder)
      end
      exported_by[name] = folder
    end
  end
end

for _, file in ipairs(lines_of "find core -name '*.[ch]' | sort") do check_file(file) end
for _, file in ipairs(lines_of "find core -name '*.h' | sort") do check_exports(file) end
for _, file in ipairs(lines_of "find core -name CMakeLists.txt | sort") do check_build(file) end
if findings > 0 then
  io.write(("%d against the floors\n"):format(findings))
  os.exit(1)
end
