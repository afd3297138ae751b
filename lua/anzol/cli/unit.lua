-- SPDX-License-Identifier: MIT
-- The systemd unit that `anzol init` writes: the project served under a user of its own, its state
-- in /var/lib, its secrets as credentials.
local UNIT = [[
# For systemd: look it through, then
#   sudo cp anzol.service /etc/systemd/system/%s.service
#   sudo systemctl enable --now %s
# Who asks that server: sudo anzol status --socket /var/lib/%s/anzol.sock
[Unit]
Description=Webhooks of %s
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart=%s serve %s
ExecReload=%s reload --project %s
# Longer than the setting drain.
TimeoutStopSec=45
Restart=on-failure
DynamicUser=yes
StateDirectory=%s
%sNoNewPrivileges=yes
CapabilityBoundingSet=
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077

[Install]
WantedBy=multi-user.target
]]

local M = {}

-- A path as one word of a command line.
local function word(path)
  return '"' .. path:gsub('[\\"]', "\\%0"):gsub("%%", "%%%%"):gsub("%$", "$$$$") .. '"'
end

-- dir: the project's whole path. secrets: their names.
function M.text(dir, program, secrets)
  local name = dir:match "([%w_-]+)/*$" or "hooks"
  local unit = "anzol-" .. name
  local credentials = {}
  for i, secret in ipairs(secrets) do
    credentials[i] = ("LoadCredential=%s:/etc/anzol/%s/%s\n"):format(secret, name, secret)
  end
  return UNIT:format(unit, unit, unit, name, word(program), word(dir), word(program), word(dir),
    unit, table.concat(credentials))
end

return M
