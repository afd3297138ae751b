-- SPDX-License-Identifier: MIT
-- Makes docs/reference out of lua/meta, one page a module, and the names of options that `anzol
-- check` knows. `lua5.4 core/test/docs.lua` writes them; with --check it says which are not
-- current.
package.path = "core/test/?.lua;" .. package.path
local meta = require "meta"

local OUT = "docs/reference/"
local OPTIONS = "lua/anzol/cli/options.lua"

local pages = meta.read()
local places = {} -- class name -> page.md#anchor
for _, page in ipairs(pages) do
  for _, class in ipairs(page.classes) do
    local title = class.name:match "^anzol%.(%u.*)$"
    places[class.name] = page.name .. ".md" .. (title and "#" .. title:lower() or "")
  end
  for _, alias in ipairs(page.aliases) do
    places[alias.name] = page.name .. ".md#" .. alias.name:match "[^.]+$":lower()
  end
end

local function short(name) return (name:gsub("^anzol%.(%u)", "%1")) end

-- A type as Markdown: names of ours are links, what Markdown would read is escaped.
local function show_type(text)
  local shown = text:gsub("[<>*_%[%]]", "\\%0"):gsub("|", " \\| ")
  return (shown:gsub("anzol%.[%w.]*%w", function(name)
    return places[name] and ("[%s](%s)"):format(short(name), places[name])
  end))
end

local function prose(lines) return table.concat(lines, "\n") end

local function parameter_text(parameter)
  local doc = parameter.doc ~= "" and ": " .. parameter.doc or ""
  return ("- `%s`%s *%s*%s"):format(parameter.name, parameter.is_optional and "?" or "",
    show_type(parameter.type), doc)
end

local function return_text(entry)
  local parts = {}
  for i, value in ipairs(entry.returns) do
    parts[i] = (value.name and "`" .. value.name .. "` " or "") .. "*" .. show_type(value.type)
      .. "*" .. (value.doc ~= "" and ": " .. value.doc or "")
  end
  return "Returns " .. table.concat(parts, "; ")
end

local function signature(entry)
  local names = {}
  for i, parameter in ipairs(entry.params) do
    names[i] = parameter.name .. (parameter.is_optional and "?" or "")
  end
  return meta.title(entry) .. "(" .. table.concat(names, ", ") .. ")"
end

local function add_function(out, entry)
  out("### " .. signature(entry), "", prose(entry.doc), "")
  for _, parameter in ipairs(entry.params) do out(parameter_text(parameter)) end
  if #entry.params > 0 then out "" end
  if #entry.returns > 0 then out(return_text(entry), "") end
end

local function add_fields(out, class)
  if #class.fields == 0 then return end
  local is_options = class.name:find "Options$" or class.name == "anzol.Message"
  out(("| %s | type | |"):format(is_options and "option" or "field"), "|---|---|---|")
  for _, field in ipairs(class.fields) do
    out(("| `%s`%s | %s | %s |"):format(field.name, field.is_optional and "?" or "",
      show_type(field.type), (field.doc:gsub("|", "\\|"))))
  end
  out ""
end

local function add_class(out, class)
  out((class.name:find "^anzol%.%u" and "### " or "# ") .. short(class.name), "")
  if #class.doc > 0 then out(prose(class.doc), "") end
  if class.parent then out("Also all of " .. show_type(class.parent) .. ".", "") end
  for _, overload in ipairs(class.overloads) do
    out("Callable: `" .. overload:gsub("anzol%.(%u)", "%1") .. "`", "")
  end
  add_fields(out, class)
end

-- The class of the page's own module; nil: it goes on with another's, or is of none.
local function module_of(page)
  local class = page.classes[1]
  return class and not class.name:find "%u" and class or nil
end

local function title_of(page)
  local class = module_of(page)
  return class and class.name or "anzol: " .. page.name:gsub("_", " ")
end

local function page_text(page)
  local lines = { "<!-- Made from " .. page.path .. " by `./dev docs`. -->" }
  local function out(...)
    for _, line in ipairs { ... } do lines[#lines + 1] = line end
  end
  if not module_of(page) then out("# " .. title_of(page), "") end
  if #page.doc > 0 then out(prose(page.doc), "") end
  for _, item in ipairs(page.items) do
    if item.owner then add_function(out, item) else add_class(out, item) end
  end
  for _, alias in ipairs(page.aliases) do
    out("### " .. short(alias.name), "", prose(alias.doc), "", show_type(alias.type), "")
  end
  while lines[#lines] == "" do table.remove(lines) end
  return table.concat(lines, "\n") .. "\n"
end

-- The first sentence about a page.
local function words_of(page)
  local class = module_of(page)
  local doc = class and class.doc or #page.doc > 0 and page.doc or page.items[1].doc
  local words = table.concat(doc, " "):match "^(.-)[.:;]%f[%s%z]"
  return words and ": " .. words or ""
end

local function index_text()
  local lines = { "<!-- Made from lua/meta by `./dev docs`. -->", "# Reference", "",
    'Everything that `require "anzol"` gives, one page a module.', "" }
  for _, page in ipairs(pages) do
    lines[#lines + 1] = ("- [%s](%s.md)%s"):format(title_of(page), page.name, words_of(page))
  end
  return table.concat(lines, "\n") .. "\n"
end

-- ---- Options ----

local classes = meta.classes(pages)

-- The names that a table of this type, or of one of several, may have; nil: it is no table of
-- options.
local function option_names(kind)
  if kind:find "^[%w.]+Options|[%w.]+Options$" then
    local one, other = kind:match "(.*)|(.*)"
    local names, seen = {}, {}
    for name in (option_names(one) .. " " .. option_names(other)):gmatch "%S+" do
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
    table.sort(names)
    return table.concat(names, " ")
  end
  local class = classes[kind]
  if not class or class.functions[1] or class.overloads[1] then return nil end
  local names = class.parent and { option_names(class.parent) } or {}
  for _, field in ipairs(class.fields) do
    if not field.name:find "^%[" then names[#names + 1] = field.name end
  end
  table.sort(names)
  return #names > 0 and table.concat(names, " ") or nil
end

-- The class of the objects that a call makes; nil: none with calls of its own.
local function made_class(entry)
  local class = entry.returns[1] and classes[entry.returns[1].type:gsub("%?$", "")]
  return class and class.functions[1] and short(class.name)
end

local function option_row(entry)
  local parts = {}
  for i, parameter in ipairs(entry.params) do
    local names = option_names(parameter.type)
    if names then parts[#parts + 1] = ('[%d] = "%s"'):format(i, names) end
  end
  local made = made_class(entry)
  if made then parts[#parts + 1] = ('makes = "%s"'):format(made) end
  return #parts > 0 and ('  ["%s"] = { %s },'):format(meta.title(entry):gsub("^Event", "event"),
    table.concat(parts, ", "))
end

local function is_wanted(page, item)
  if not item.owner or page.name:find "^verify" or page.name:find "^sign"
    or page.name:find "^provider" or page.name == "backoff" or page.name == "testing" then
    return false
  end
  return true
end

local function options_text()
  local lines = {}
  for _, page in ipairs(pages) do
    for _, item in ipairs(page.items) do
      lines[#lines + 1] = is_wanted(page, item) and option_row(item) or nil
    end
  end
  table.sort(lines)
  return table.concat({
    "-- SPDX-License-Identifier: MIT",
    "-- Made from lua/meta by `./dev docs`: which options an argument takes.",
    "-- luacheck: no max line length", "return {", table.concat(lines, "\n"), "}\n",
  }, "\n")
end

-- ---- Files ----

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  return text
end

local function settle(path, text, is_check)
  if read(path) == text then return true end
  if is_check then
    io.stderr:write(path, ": not current; run ./dev docs\n")
    return false
  end
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return true
end

-- Pages whose module is gone.
local function find_stale(wanted)
  local stale = {}
  local pipe = assert(io.popen("ls " .. OUT .. "*.md 2>/dev/null"))
  for path in pipe:lines() do
    if not wanted[path] then stale[#stale + 1] = path end
  end
  pipe:close()
  return stale
end

local is_check = arg[1] == "--check"
local wanted = { [OUT .. "README.md"] = index_text(), [OPTIONS] = options_text() }
for _, page in ipairs(pages) do wanted[OUT .. page.name .. ".md"] = page_text(page) end
if not is_check then assert(os.execute("mkdir -p " .. OUT)) end
local is_current = true
for path, text in pairs(wanted) do
  is_current = settle(path, text, is_check) and is_current
end
for _, path in ipairs(find_stale(wanted)) do
  if is_check then
    io.stderr:write(path, ": nothing in lua/meta makes it; run ./dev docs\n")
    is_current = false
  else
    os.remove(path)
  end
end
os.exit(is_current and 0 or 1)
