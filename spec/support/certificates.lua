-- SPDX-License-Identifier: MIT
-- Certificates of one run of the specs, made by openssl in a folder.
local files = require "support.files"
local process = require "anzol_test.process"

local Certificates = {}
Certificates.__index = Certificates

local M = {}

local function openssl(self, ...)
  local argv = { "openssl", ... }
  local errors = self.dir .. "/errors"
  os.remove(errors)
  local child = process.spawn { argv = argv, output = self.dir .. "/output", errors = errors,
    env = { LD_PRELOAD = false } }
  local kind, code = child:wait(20000)
  if kind ~= "exit" or code ~= 0 then error(files.read(errors), 0) end
end

-- With an authority of its own, "ca".
function M.new()
  local self = setmetatable({ dir = files.temp_dir() }, Certificates)
  openssl(self, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-keyout", self:path "ca.key", "-out", self:path "ca.crt", "-days", "2", "-subj", "/CN=ca")
  return self
end

function Certificates:path(name) return self.dir .. "/" .. name end

function Certificates:read(name) return files.read(self:path(name)) end

-- NAME.key and NAME.crt: { days?, names? = "DNS:localhost,IP:127.0.0.1", is_own? }; is_own: signed by
-- itself.
function Certificates:make(name, options)
  options = options or {}
  local names = "subjectAltName=" .. (options.names or "DNS:localhost,IP:127.0.0.1")
  local request = { "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-keyout", self:path(name .. ".key"), "-subj", "/CN=" .. name }
  if options.is_own then
    for _, word in ipairs { "-x509", "-days", "2", "-addext", names, "-out", self:path(name .. ".crt") } do
      request[#request + 1] = word
    end
    return openssl(self, table.unpack(request))
  end
  request[#request + 1], request[#request + 2] = "-out", self:path(name .. ".csr")
  openssl(self, table.unpack(request))
  files.write(self:path "names", names)
  openssl(self, "x509", "-req", "-in", self:path(name .. ".csr"), "-CA", self:path "ca.crt", "-CAkey",
    self:path "ca.key", "-CAcreateserial", "-days", tostring(options.days or 2), "-extfile",
    self:path "names", "-out", self:path(name .. ".crt"))
end

function Certificates:remove() files.remove(self.dir) end

return M
