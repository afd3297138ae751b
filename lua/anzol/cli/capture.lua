-- SPDX-License-Identifier: MIT
-- anzol capture: an event that the server has, as a fixture for specs and anzol trigger.
local client = require "anzol.cli.client"
local listing = require "anzol.cli.listing"
local mask = require "anzol.cli.mask"
local new_files = require "anzol.cli.new_files"

local M = {
  name = "capture",
  summary = "Write an event that came in as a fixture.",
  description = [[
Write the body of an event that the server has into DIR/TYPE.json (or .form, .xml, .txt,
.bin, by its content type) and its headers beside it, as t:receive { fixture = "TYPE" },
anzol trigger and anzol eval read them.

  anzol capture evt_0EJPp3QZQQ1
  anzol trigger github --type push --fixture fixtures/github.push.json

Values in a JSON body or a form whose name looks secret (token, secret, password,
authorization, api_key, ...) are masked. Headers of that kind, and those that sign the
request, are left out: who sends the fixture signs anew. What is there is written over
only with --force. Exit code 1: there is no such event, or a file is there already.]],
}

function M.configure(parser)
  parser:argument("id", "Id of the event."):argname "ID"
  parser:option("--dir", "Where to (default: fixtures/ of the project)."):argname "DIR"
  parser:flag("--no-mask", "Write values of the body that look secret, too.")
  parser:flag("--force", "Write over what is there.")
end

local function content_type(event)
  return (client.plain(event.contentType) or ""):lower():match "^[^;%s]*"
end

-- How a fixture's file ends, and what masks such a body.
local function kind_of(event, bytes)
  local kind = content_type(event)
  local json = require "anzol.native".json
  local value, why = json.decode(bytes)
  if value ~= nil and not why then return "json", mask.json end
  if kind == "application/x-www-form-urlencoded" then return "form", mask.form end
  if kind:find "xml$" then return "xml" end
  return kind:find "^text/" and "txt" or "bin"
end

local function header_lines(list)
  local lines = {}
  for i, header in ipairs(list) do lines[i] = ("%s: %s\n"):format(header[1], header[2]) end
  return table.concat(lines)
end

-- { files, masked, left_out, is_looked_at: whether there is a way to mask such a body }
local function make_fixture(event, is_masking)
  local bytes = client.bytes(event.body, event.bodyEncoding)
  local ending, mask_body = kind_of(event, bytes)
  local masked = {}
  if is_masking and mask_body then bytes, masked = mask_body(bytes) end
  local headers = {}
  for i, header in ipairs(event.headers) do headers[i] = { header.name, header.value } end
  local kept, left_out = mask.headers(headers)
  -- As those that read it look for it: TYPE.headers for TYPE.json, else TYPE.form.headers.
  local base = ending == "json" and event.type or event.type .. "." .. ending
  local files = { { path = event.type .. "." .. ending, text = bytes } }
  if #kept > 0 then files[2] = { path = base .. ".headers", text = header_lines(kept) } end
  return { name = base, files = files, masked = masked, left_out = left_out,
    is_looked_at = not is_masking or mask_body ~= nil }
end

local function say(console, event, dir, fixture)
  if #fixture.masked > 0 then
    console:say("masked in the body: %s", table.concat(fixture.masked, ", "))
  elseif not fixture.is_looked_at then
    console:say("the body is neither JSON nor a form: nothing in it was masked")
  end
  if #fixture.left_out > 0 then
    console:say("left out of the headers: %s", table.concat(fixture.left_out, ", "))
  end
  console:say("try: anzol trigger %s --fixture %s/%s", event.source, dir, fixture.files[1].path)
end

local function print_json(console, event, dir, fixture)
  local json = require "anzol.native".json
  local paths = {}
  for i, file in ipairs(fixture.files) do paths[i] = dir .. "/" .. file.path end
  console:data(json.encode({ id = event.id, source = event.source, type = event.type,
    fixture = fixture.name, files = json.array(paths), masked = json.array(fixture.masked),
    leftOut = json.array(fixture.left_out) }, { sort = true }) .. "\n")
end

function M.run(options, console)
  local event = client.decode(listing.get(options, console, "/api/v1/event", options.id))
  local dir = options.dir or (options.project == "." and "" or options.project .. "/") .. "fixtures"
  dir = #dir > 1 and dir:gsub("/+$", "") or dir
  local fixture = make_fixture(event, not options.no_mask)
  new_files.write(dir, fixture.files, { is_forced = options.force,
    hint = "--force writes over it" })
  if console:is_json() then print_json(console, event, dir, fixture) else
    new_files.print(dir, fixture.files, console)
  end
  say(console, event, dir, fixture)
  return 0
end

return M
