std = "lua54"
max_line_length = 100
-- Rows of cases read better on one line each.
files["spec"] = { std = "+busted", max_line_length = 120 }
files["examples/*/spec"] = { std = "+busted", max_line_length = 120 }
exclude_files = { "build*" }
