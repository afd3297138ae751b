-- SPDX-License-Identifier: MIT
-- What `anzol sign` and `anzol verify` share: by which provider or source, with which secret.
local failure = require "anzol.cli.failure"

local M = {}

function M.configure(parser)
  parser:option("--provider", "A known sender: github, stripe, standard, ..."):argname "NAME"
  parser:option("--source", "A source of this project, with its own secret."):argname "NAME"
  parser:option("--secret-env", "Environment variable with the secret (with --provider).")
    :argname "VARIABLE"
  parser:option("--public-url", "The URL as the sender knows it, for those that sign it.")
    :argname "URL"
  parser:option("--body", "File with the body; - is standard input.", "-"):argname "FILE"
end

-- Exactly one of the two, and what goes with it.
function M.check(options)
  if (options.provider == nil) == (options.source == nil) then
    failure.raise(failure.USAGE, "give either --provider NAME or --source NAME")
  end
  if options.provider and not options.secret_env then
    failure.raise(failure.USAGE, "--provider needs --secret-env VARIABLE")
  end
  if options.source and (options.secret_env or options.public_url) then
    failure.raise(failure.USAGE, "--source knows secret and URL; --secret-env and --public-url go "
      .. "with --provider")
  end
end

-- The provider's table, made with the secret.
function M.provider(options)
  local secret = os.getenv(options.secret_env)
  if not secret or secret == "" then
    failure.raise(failure.USAGE, "the environment variable %s is not set", options.secret_env)
  end
  local anzol = require "anzol"
  local ok, result = pcall(function()
    return anzol.provider[options.provider] { secret = secret }
  end)
  if ok then return result end
  failure.raise(failure.USAGE, "%s", M.message(result))
end

-- What was raised, without the place in our own files.
function M.message(err) return (tostring(err):gsub("^[^\n:]+:%d+: ", "")) end

return M
