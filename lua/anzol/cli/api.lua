-- SPDX-License-Identifier: MIT
-- anzol api: one request to the REST API, for the shell.
local client = require "anzol.cli.client"
local failure = require "anzol.cli.failure"

local M = {
  name = "api",
  summary = "Send a request to the REST API.",
  description = [[
Send one request to the REST API of this project's server and print what it answers.

  anzol api GET app
  anzol api GET event --query type='github.**' --query limit=5
  anzol api POST app --data '{"name": "Acme", "uid": "acme"}'
  anzol api PUT app/acme --data @acme.json      (@-: standard input)
  anzol api GET openapi.json                    what there is

A path that does not begin with / lies below /api/v1. What is answered goes to standard output as it
came, what is refused to standard error too, in words.

Exit code 0: a status of success, 1: another one, 2: wrong usage or a field that is refused, 69: no
server there, 75: try again.]],
}

function M.configure(parser)
  parser:argument("method", "GET, POST, PUT, PATCH or DELETE.")
    :choices { "GET", "POST", "PUT", "PATCH", "DELETE" }
  parser:argument("path", "The path, with or without /api/v1/.")
  parser:option("-d --data", "The body: JSON, @FILE or @- for standard input."):argname "JSON"
  parser:option("-q --query", "A parameter of the query; may be given more than once.")
    :argname "NAME=VALUE":count "*"
  parser:option("--idempotency-key", "Whoever repeats the request with it gets the first answer.")
    :argname "KEY"
end

local function read_data(text)
  local path = text and text:match "^@(.+)$"
  if not path then return text end
  return require("anzol.cli.body").read(path)
end

local function read_query(assignments)
  local query = {}
  for i, text in ipairs(assignments) do
    local name, value = text:match "^([^=]+)=(.*)$"
    if not name then
      failure.raise(failure.USAGE, "--query %s: write NAME=VALUE, such as --query limit=10", text)
    end
    query[i] = { name, value }
  end
  return query
end

-- What changes something needs a body to say that it is meant by a program.
local function body_of(options)
  local data = read_data(options.data)
  if data or options.method == "GET" then return data end
  return options.method ~= "DELETE" and "{}" or nil
end

function M.run(options, console)
  local path = options.path
  if path:sub(1, 1) ~= "/" then path = "/api/v1/" .. path end
  if path:find "[%s?#]" then
    failure.raise(failure.USAGE, "%s: write the query as --query NAME=VALUE", options.path)
  end
  local answer = client.request(options, console, {
    method = options.method, path = path, query = read_query(options.query),
    body = body_of(options), idempotency_key = options.idempotency_key, accept = client.ANY,
  })
  if #answer.body > 0 then client.print_json(console, answer) end
  if answer.status >= 200 and answer.status < 300 then return 0 end
  console:talk(("HTTP status %d: %s"):format(answer.status, client.detail(answer)))
  return client.code_of(answer.status)
end

return M
