-- SPDX-License-Identifier: MIT
-- Every piece of Lua in the documents: scripts load, specs run, fragments name only what there is.
-- Links lead somewhere, tables say what the program says.
local cli = require "support.cli"
local dkjson = require "dkjson"
local files = require "support.files"

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local pages = lines_of "ls README.md docs/README.md docs/*/*.md examples/*/README.md scripts/README.md"

local function blocks_of(page)
  local blocks, block = {}, nil
  local number = 0
  for line in io.lines(page) do
    number = number + 1
    if line:find "^```" then
      if block then blocks[#blocks + 1] = block end
      block = not block and { place = page .. ":" .. number, kind = line:match "^```(%S*)" } or nil
    elseif block then
      table.insert(block, line)
    end
  end
  return blocks
end

local function text_of(block) return table.concat(block, "\n") .. "\n" end

local ANZOL = 'local anzol = require "anzol"\n'
local registrations = { "anzol%.source", "anzol%.endpoint", "anzol%.on", "anzol%.poll",
  "anzol%.cron", "anzol%.every", "anzol%.init" }

local function registers(text)
  for _, name in ipairs(registrations) do
    if ("\n" .. text):find("\n" .. name .. "%f[%W]") then return true end
  end
  return false
end

-- A fragment as a script: options of a table, the body of a file, or of a handler.
local function as_script(text)
  if text:find "^[%w_]+ = " and load("return {" .. text .. "}") then
    return ANZOL .. "local _ = {" .. text .. "}"
  end
  if registers(text) then return ANZOL .. text end
  return ANZOL .. 'anzol.on("**", function(event)\nlocal req, message, tick, poll = event, event, event, event\n'
    .. "local item, page = {}, {}\n" .. text
    .. "\nend)\n"
end

-- Findings that only say that a fragment is a part of something.
local function is_of_fragment(finding)
  return finding.level == "warning" or finding.message:find "^unknown endpoint"
end

local dirs = {}
local function project(contents)
  local dir = files.temp_dir()
  dirs[#dirs + 1] = dir
  for path, text in pairs(contents) do files.write(dir .. "/" .. path, text) end
  return dir
end

local function errors_of(contents)
  local result = cli.run({ "check", "-o", "json", "--allow-missing-secrets" },
    { cwd = project(contents) })
  local found = assert(dkjson.decode(result.output), result.errors)
  local errors = {}
  for _, finding in ipairs(found.findings) do
    if not is_of_fragment(finding) then
      errors[#errors + 1] = ("%s:%d: %s"):format(finding.file, finding.line, finding.message)
    end
  end
  return table.concat(errors, "\n")
end

-- What is for specs has the names of specs.
local function check_testing(block)
  local chunk, err = load("local testing, t, assert, after_each = ...\n" .. text_of(block))
  assert.truthy(chunk, ("%s: %s"):format(block.place, err))
end

local function script_of(block)
  local text = text_of(block)
  return text:find "require \"anzol\"" and text or as_script(text)
end

-- All at once; where they get into each other's way, one by one.
local function check_fragments(blocks)
  local contents = {}
  for i, block in ipairs(blocks) do contents[("scripts/f%d.lua"):format(i)] = script_of(block) end
  if #blocks == 0 or errors_of(contents) == "" then return end
  for _, block in ipairs(blocks) do
    assert.equal("", errors_of { ["scripts/main.lua"] = script_of(block) }, block.place)
  end
end

-- The named files of a page make one project.
local function check_project(contents, place)
  assert.equal("", errors_of(contents), place)
  for path in pairs(contents) do
    -- Under a sanitizer busted would have to be started with its library.
    if path:find "^spec/" and not os.getenv "ANZOL_SANITIZER" then
      local dir = project(contents)
      files.write(dir .. "/anzol.lua", "return {}")
      local result = cli.run({ "test" }, { cwd = dir })
      assert.equal(0, result.code, place .. "\n" .. result.output .. result.errors)
      return
    end
  end
end

local function check_page(page)
  local contents
  local fragments = {}
  for _, block in ipairs(blocks_of(page)) do
    local path = block.kind == "lua" and block[1] and block[1]:match "^%-%- (%a+/[%w_]+%.lua)$"
    if path then
      contents = contents or {}
      contents[path] = text_of(block)
    elseif block.kind == "lua" then
      local is_of_spec = page:find "testing" or block[1] and block[1]:find "^t:"
      if is_of_spec then check_testing(block) else fragments[#fragments + 1] = block end
    end
  end
  check_fragments(fragments)
  if contents then check_project(contents, page) end
end

after_each(function()
  for _, dir in ipairs(dirs) do files.remove(dir) end
  dirs = {}
end)

describe("the Lua in", function()
  for _, page in ipairs(pages) do
    it(page .. " works", function() check_page(page) end)
  end
end)

describe("docs", function()
  it("have links that lead somewhere", function()
    for _, page in ipairs(pages) do
      local folder = page:match "^(.*/)" or ""
      for target in files.read(page):gmatch "%]%(([^)#]+)#?[^)]*%)" do
        if not target:find "^https?:" then
          assert.is_true(files.exists(folder .. target), page .. " links to " .. target)
        end
      end
    end
  end)

  it("name every phase with whether it may wait", function()
    local rows = {}
    for line in io.lines "docs/guide/phases.md" do
      local name, waits = line:match "^| `([%w_]+)` |[^|]*| (%a+) |"
      if name then rows[name] = waits end
    end
    local text = files.read "core/script/phase.c"
    for name, waits in text:gmatch '{"([%w_]+)",[^}]-(%a+)},' do
      if name ~= "settings" then
        assert.equal(waits == "true" and "yes" or "no", rows[name], "phase " .. name)
      end
    end
  end)

  it("name every command of the program somewhere", function()
    local all = {}
    for _, page in ipairs(pages) do all[#all + 1] = files.read(page) end
    local text = table.concat(all)
    local help = cli.run({ "--help" }, { cwd = "/" }).output
    for name in help:match "Commands:(.*)$":gmatch "\n   (%l+)%s" do
      assert.truthy(text:find("anzol " .. name, 1, true), "anzol " .. name)
    end
  end)
end)
