std = "lua54"
max_line_length = 100
-- Rows of cases read better on one line each.
files["spec"] = { std = "+busted", max_line_length = 120 }
-- Hooks are given more than each needs.
files["examples/*/scripts"] = { max_line_length = 120, unused_args = false }
files["examples/*/spec"] = { std = "+busted", max_line_length = 120 }
-- Declarations without bodies, with a comment a field.
files["lua/meta"] = { globals = { "anzol" }, ignore = { "211", "212", "241" },
  max_comment_line_length = false }
exclude_files = { "build*" }
