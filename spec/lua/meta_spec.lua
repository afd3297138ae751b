-- SPDX-License-Identifier: MIT
-- lua/meta against what scripts find: every name has its document, every document its name.
package.path = package.path .. ";core/test/?.lua"
local meta = require "meta"
local rig = require "core.script_rig"

local pages = meta.read()
local classes = meta.classes(pages)

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do set[name] = true end
  return set
end

local function names_of(class)
  local names = class.parent and names_of(classes[class.parent]) or {}
  for _, field in ipairs(class.fields) do
    if not field.name:find "^%[" then names[field.name] = true end
  end
  for _, entry in ipairs(class.functions) do names[entry.name] = true end
  return names
end

-- What is in a and not in b, sorted.
local function missing(a, b)
  local list = {}
  for name in pairs(a) do
    if not b[name] then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- The module's tables as a handler sees them: { ["anzol.json"] = { "array", … } }.
local function modules_of(wanted)
  local result = rig.handled(([[
    local found = {}
    for path in ("%s"):gmatch "%%S+" do
      local value = anzol
      for name in path:gmatch "%%.([%%w_]+)" do value = value[name] end
      local names = anzol.json.array()
      for name in pairs(value) do names[#names + 1] = name end
      found[path] = names
    end
    event:send("out", { json = found })
  ]]):format(table.concat(wanted, " ")))
  return require "dkjson".decode(result.messages[1].body)
end

-- The classes that stand for tables of the module.
local function module_names()
  local list = {}
  for name in pairs(classes) do
    if not name:find "%u" and name ~= "anzol.testing" then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function recipe_of(name)
  local handle = assert(io.open("lua/anzol/provider/" .. name .. ".lua"))
  local text = handle:read "a"
  handle:close()
  return text:find "\n  recipe = " and not text:find "is_public"
end

-- A provider is a file, loaded when it is first named; it brings a verifier, perhaps a signer.
local function add_lazy(found)
  for _, file in ipairs(lines_of "ls lua/anzol/provider") do
    local name = file:match "^(.*)%.lua$"
    table.insert(found["anzol.provider"], name)
    table.insert(found["anzol.verify"], name)
    if recipe_of(name) then table.insert(found["anzol.sign"], name) end
  end
end

-- Methods of plain C functions that no table lists.
local unlisted = { ["anzol.Headers"] = { "all" } }

-- What no script gets to see.
local inner = { ["events"] = true, ["anzol.listing"] = true, ["anzol.read"] = true, ["anzol.step"] = true,
  ["anzol.step.commit"] = true }

local function class_of_kind(kind)
  local name = kind:gsub("^anzol%.", "")
  return "anzol." .. name:sub(1, 1):upper() .. name:sub(2)
end

-- Lists of names that are no call's options.
local no_options = { head_names = true, later_names = true }

-- Every list of option names in the bindings: { { file, name, set } }.
local function option_lists()
  local lists = {}
  for _, file in ipairs(lines_of "ls core/script/*.c") do
    local handle = assert(io.open(file))
    local text = handle:read "a"
    handle:close()
    for name, body in text:gmatch "const char %*const ([%w_]+)%[%] = (%b{})" do
      if body:find "NULL%s*,?%s*}$" and not no_options[name] and text:find "options_check_names" then
        local set = {}
        for option in body:gmatch '"([%w_]+)"' do set[option] = true end
        lists[#lists + 1] = { file = file, name = name, set = set }
      end
    end
  end
  return lists
end

-- The class with exactly these names; else the nearest one and the difference.
local function class_with(set)
  local best, least, difference
  for name, class in pairs(classes) do
    local names = names_of(class)
    local undocumented, stale = missing(set, names), missing(names, set)
    local distance = #undocumented + #stale
    if distance == 0 then return name end
    if not least or distance < least then
      best, least = name, distance
      difference = ("without docs: %s; stale: %s"):format(table.concat(undocumented, " "),
        table.concat(stale, " "))
    end
  end
  return nil, best, difference
end

describe("lua/meta", function()
  setup(function() rig.script.quiet(true) end)
  after_each(rig.finish)

  it("documents every name of the module, and none that is not there", function()
    local found = modules_of(module_names())
    add_lazy(found)
    for path, names in pairs(found) do
      local documented, real = names_of(classes[path]), set_of(names)
      for name in pairs(real) do
        if classes[path .. "." .. name] then documented[name] = true end
      end
      assert.same({}, missing(real, documented), path .. ": without docs")
      assert.same({}, missing(documented, real), path .. ": docs without a name")
    end
  end)

  it("documents every table of the module", function()
    for name in pairs(set_of(modules_of({ "anzol" })["anzol"])) do
      local path = "anzol." .. name
      local is_known = classes[path] or names_of(classes["anzol"])[name]
      assert.truthy(is_known, path .. " has no docs")
    end
  end)

  it("documents every field and method of the objects", function()
    local kinds = rig.handler(""):objects()
    for kind in pairs(inner) do kinds[kind] = nil end
    for kind, list in pairs(kinds) do
      local name = class_of_kind(kind)
      local class = classes[name]
      assert.truthy(class, ("object %s has no class %s"):format(kind, name))
      local real = set_of(list)
      for _, method in ipairs(unlisted[name] or {}) do real[method] = true end
      if next(real) then
        assert.same({}, missing(real, names_of(class)), name .. ": without docs")
        assert.same({}, missing(names_of(class), real), name .. ": docs without a name")
      end
    end
  end)

  it("documents exactly the options that the calls take", function()
    local lists = option_lists()
    assert.is_true(#lists > 10)
    for _, list in ipairs(lists) do
      local class, nearest, difference = class_with(list.set)
      assert.truthy(class, ("%s: %s is no class of lua/meta; nearest is %s (%s)"):format(list.file,
        list.name, nearest, difference))
    end
  end)

  it("documents anzol.testing, which specs require", function()
    local testing = require "anzol.testing"
    local real = {}
    for name in pairs(testing) do real[name] = true end
    assert.same({}, missing(real, names_of(classes["anzol.testing"])))
    assert.same({}, missing(names_of(classes["anzol.testing"]), real))
    local handle = assert(io.open "lua/anzol/testing.lua")
    local text, methods = handle:read "a", {}
    handle:close()
    for name in text:gmatch "\nfunction Test[.:]([%w_]+)" do methods[name] = true end
    for name in text:match "\nlocal test_fields = (%b{})":gmatch "\n  ([%w_]+) =" do
      methods[name] = true
    end
    assert.same({}, missing(methods, names_of(classes["anzol.Test"])))
    assert.same({}, missing(names_of(classes["anzol.Test"]), methods))
  end)

  it("documents what retry is given", function()
    local project = rig.project [[
      local function names(t)
        local list = {}
        for name in pairs(t) do list[#list + 1] = name end
        return table.concat(list, " ")
      end
      anzol.endpoint("e", { url = "https://e.example", sign = false,
        retry = function(attempt, delivery) return false, names(attempt) .. ";" .. names(delivery) end })
    ]]
    local reason = project:retry("e", { number = 1, status = 503 }, 5).reason
    local attempt, delivery = reason:match "^(.-);(.*)$"
    for name in attempt:gmatch "%S+" do
      assert.is_true(names_of(classes["anzol.Attempt"])[name], "attempt." .. name)
    end
    for name in delivery:gmatch "%S+" do
      assert.is_true(names_of(classes["anzol.Delivery"])[name], "delivery." .. name)
    end
  end)

  it("has words and an example for every function, words for every parameter of options", function()
    for _, class in pairs(classes) do
      for _, entry in ipairs(class.functions) do
        local place = ("%s:%d: %s"):format(entry.path, entry.line, meta.title(entry))
        assert.truthy(entry.doc[1] and entry.doc[1] ~= "", place .. " has no words")
        assert.truthy(table.concat(entry.doc, "\n"):find("```lua", 1, true), place .. " has no example")
        for _, parameter in ipairs(entry.params) do
          assert.truthy(entry.arguments:find(parameter.name, 1, true),
            place .. " has no parameter " .. parameter.name)
        end
      end
    end
  end)

  it("names only types that are described", function()
    local known = {}
    for _, page in ipairs(pages) do
      for _, alias in ipairs(page.aliases) do known[alias.name] = true end
    end
    local function check(kind, place)
      for name in kind:gmatch "anzol%.[%w_]+" do
        assert.truthy(known[name] or classes[name], place .. ": no type " .. name)
      end
    end
    for name, class in pairs(classes) do
      for _, field in ipairs(class.fields) do check(field.type, name .. "." .. field.name) end
      for _, entry in ipairs(class.functions) do
        for _, parameter in ipairs(entry.params) do check(parameter.type, meta.title(entry)) end
        for _, value in ipairs(entry.returns) do check(value.type, meta.title(entry)) end
      end
    end
  end)
end)
