-- `anzol serve --help` lists what can stand here; each key is also a flag and a variable.
return {
  listen = "127.0.0.1:8080",
  scripts = { "scripts/*.lua" },
  retention = "7d",
}
