-- SPDX-License-Identifier: MIT
-- anzol completion: a script for the shell that knows all commands and options.
local M = {
  name = "completion",
  summary = "Print the completion script of a shell.",
  description = [[
Print the completion script of a shell, made from the commands' own options:

  anzol completion bash > ~/.local/share/bash-completion/completions/anzol
  anzol completion zsh > ~/.zfunc/_anzol
  anzol completion fish > ~/.config/fish/completions/anzol.fish]],
}

function M.configure(parser)
  parser:argument("shell", "bash, zsh or fish."):choices { "bash", "zsh", "fish" }
end

function M.run(options, console, parser)
  console:data(parser["get_" .. options.shell .. "_complete"](parser))
  return 0
end

return M
