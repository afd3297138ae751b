-- The settings of this project: a Lua file that returns a table. Each key is also a flag and an
-- environment variable of `anzol serve`, which win over what stands here: listen, --listen,
-- ANZOL_LISTEN. `anzol serve --help` lists them all; these are defaults, so the file may be absent.
return {
  listen = "127.0.0.1:8080",       -- where the sources receive
  admin_listen = "127.0.0.1:8081", -- health and the REST API
  scripts = { "scripts/*.lua" },
}
