---@meta _
local anzol = require "anzol"

---JSON as it is: integers stay integers, null stays null, `[]` stays `[]`. The keys of an object have
---no order of their own, as those of any table; `sort` gives them one.
---@class anzol.json
---@field null userdata JSON null. It is true in a condition: compare, or ask `is_null`.
anzol.json = {}

---Decodes a text. A number that neither an integer of 64 bits nor a float holds becomes a string of
---its digits; of two equal keys the last one counts; values may be nested 128 levels.
---
---```lua
---local value, err = anzol.json.decode '{ "id": 1 }'
---```
---@param text string
---@return any value
---@return anzol.Error? error Code `"json"`.
function anzol.json.decode(text) end

---@class anzol.JsonOptions
---@field indent? boolean|integer Spaces a level, 0 to 8; `true`: 2. Default: all on one line.
---@field sort? boolean Keys in order. Default: `false`.

---Encodes a value. What JSON cannot hold (functions, NaN, a table with holes, one that holds itself)
---raises with the path to it.
---
---```lua
---local text = anzol.json.encode({ id = 1, tags = anzol.json.array {} }, { sort = true })
---```
---@param value any
---@param options? anzol.JsonOptions
---@return string
function anzol.json.encode(value, options) end

---Marks a table as an array, so that an empty one becomes `[]`.
---
---```lua
---local tags = anzol.json.array()
---```
---@generic T: table
---@param list? T Default: a new table.
---@return T
function anzol.json.array(list) end

---Marks a table as an object, so that it never becomes an array: keys that are no strings raise when
---it is encoded.
---
---```lua
---local by_order = anzol.json.object()
---by_order[tostring(event.data.number)] = event.data.total
---```
---@generic T: table
---@param value? T Default: a new table.
---@return T
function anzol.json.object(value) end

---Whether a value is JSON null. `event:get` spares the question.
---
---```lua
---if anzol.json.is_null(event.data.customer) then return anzol.skip "no customer" end
---```
---@param value any
---@return boolean
function anzol.json.is_null(value) end
