---@meta _
local anzol = require "anzol"

---Instants are integers, Unix milliseconds; their names end in `_ms`.
---@class anzol.time
anzol.time = {}

---Now.
---
---```lua
---local age_ms = anzol.time.now() - event.received_at_ms
---```
---@return integer ms
function anzol.time.now() end

---RFC 3339 in UTC with milliseconds, as `"2026-03-02T08:00:00.000Z"`.
---
---```lua
---local today = anzol.time.iso():sub(1, 10)
---```
---@param ms? integer Default: now.
---@return string
function anzol.time.iso(ms) end

---Reads RFC 3339 or the date of an HTTP header.
---
---```lua
---local ms, err = anzol.time.parse "2026-03-02T08:00:00Z"
---```
---@param text string
---@return integer? ms
---@return anzol.Error? error Code `"time"`.
function anzol.time.parse(text) end

---Milliseconds of a Duration.
---
---```lua
---local ms = anzol.time.parse_duration "10m"
---```
---@param duration anzol.Duration
---@return integer ms
function anzol.time.parse_duration(duration) end
