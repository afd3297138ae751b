-- SPDX-License-Identifier: MIT
-- anzol man: the manual page of the program, made of the help of all commands.
local failure = require "anzol.cli.failure"

local M = {
  name = "man",
  summary = "Print the manual page anzol(1).",
  description = [[
Print the manual page of the program, made of the help of all commands:

  anzol man | man -l -
  anzol man > ~/.local/share/man/man1/anzol.1]],
}

-- Their options are read by the program itself, so it tells their help.
local own_help = { { "serve" }, { "bench", "receive" }, { "bench", "deliver" } }

function M.configure() end

local function escape(text)
  text = ("\n" .. text):gsub("\\", "\\e"):gsub("-", "\\-"):gsub("\n([.'])", "\n\\&%1"):sub(2)
  return (text:gsub("[\xc2-\xf4][\x80-\xbf]+", function(c)
    return ("\\[u%04X]"):format(utf8.codepoint(c))
  end))
end

local function section(out, name, help)
  out[#out + 1] = (".SS anzol %s\n.nf\n%s\n.fi\n"):format(escape(name), escape(help))
end

local function add_commands(out, parser, prefix)
  for _, command in ipairs(parser._commands) do
    if command._handle_options then
      section(out, prefix .. command._name, command:get_help())
      add_commands(out, command, prefix .. command._name .. " ")
    end
  end
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function add_own(out)
  local program = require "anzol.native".program()
  for _, words in ipairs(own_help) do
    local name = table.concat(words, " ")
    local pipe = assert(io.popen(("%s %s --help"):format(quote(program), name)))
    local help = pipe:read "a"
    if not pipe:close() then failure.raise(failure.FAILED, "%s %s --help failed", program, name) end
    section(out, name, help)
  end
end

function M.run(_, console, parser)
  local out = { ('.TH ANZOL 1 "" "anzol %s"\n'):format(require "anzol.native".version),
    ".SH NAME\nanzol \\- receive webhooks, run Lua on them, send signed webhooks on\n",
    (".SH SYNOPSIS\n.nf\n%s\n.fi\n"):format(escape(parser:get_usage())),
    (".SH DESCRIPTION\n.nf\n%s\n.fi\n"):format(escape(parser:get_help():match "\n\n(.*)$")),
    ".SH COMMANDS\n" }
  add_commands(out, parser, "")
  add_own(out)
  console:data(table.concat(out))
  return 0
end

return M
