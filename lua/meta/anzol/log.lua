---@meta _
local anzol = require "anzol"

---Lines of the server's log, with file and line of the script; `event.log` names the event too, and
---`print` is `info`. At most 1000 lines of one run are kept.
---@class anzol.log
anzol.log = {}

---For whoever looks for a fault; shown with `--log-level debug`.
---
---```lua
---anzol.log.debug("rates loaded", { count = 3 })
---```
---@param message any
---@param fields? table<string, any> At most 32.
function anzol.log.debug(message, fields) end

---What went its way.
---
---```lua
---anzol.log.info "rates loaded"
---```
---@param message any
---@param fields? table<string, any>
function anzol.log.info(message, fields) end

---Something is worse than it should be, and mends itself.
---
---```lua
---anzol.log.warn("geo lookup skipped", { code = "timeout" })
---```
---@param message any
---@param fields? table<string, any>
function anzol.log.warn(message, fields) end

---Somebody must act.
---
---```lua
---anzol.log.error "the price list is empty"
---```
---@param message any
---@param fields? table<string, any>
function anzol.log.error(message, fields) end
