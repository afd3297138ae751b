---@meta _
local anzol = require "anzol"

---Base64 (RFC 4648). What is no base64 gives `nil` and an `Error` with the code `encoding`.
---@class anzol.base64
anzol.base64 = {}

---With the standard alphabet and padding.
---
---```lua
---local text = anzol.base64.encode "hello"  -- "aGVsbG8="
---```
---@param bytes string
---@return string
function anzol.base64.encode(bytes) end

---With the URL-safe alphabet, without padding.
---
---```lua
---local text = anzol.base64.encode_url "hello"  -- "aGVsbG8"
---```
---@param bytes string
---@return string
function anzol.base64.encode_url(bytes) end

---Exactly what `encode` makes, nothing else.
---
---```lua
---local bytes = anzol.base64.decode "aGVsbG8="
---```
---@param text string
---@return string?, anzol.Error?
function anzol.base64.decode(text) end

---Either alphabet, with or without padding.
---
---```lua
---local bytes = anzol.base64.decode_url "aGVsbG8"
---```
---@param text string
---@return string?, anzol.Error?
function anzol.base64.decode_url(text) end

---Hex digits.
---@class anzol.hex
anzol.hex = {}

---In lower case.
---
---```lua
---local text = anzol.hex.encode "hi"  -- "6869"
---```
---@param bytes string
---@return string
function anzol.hex.encode(bytes) end

---Lower or upper case, not both; else `nil` and an `Error` with the code `encoding`.
---
---```lua
---local bytes = anzol.hex.decode "6869"
---```
---@param text string
---@return string?, anzol.Error?
function anzol.hex.decode(text) end

---URLs and their queries.
---@class anzol.url
anzol.url = {}

---@class anzol.ParsedUrl
---@field scheme string
---@field userinfo? string
---@field host string
---@field port? integer
---@field path string `""` if there is none.
---@field query? string Without the `?`, as it stands there.
---@field fragment? string

---Takes an absolute URL apart, decoding nothing; else `nil` and an `Error` with the code `url`.
---
---```lua
---local url = anzol.url.parse "https://a.example:8443/b?c=d"
---```
---@param text string
---@return anzol.ParsedUrl?, anzol.Error?
function anzol.url.parse(text) end

---A query or form, sorted by name.
---
---```lua
---local query = anzol.url.encode_query { a = 1, b = "c d" }  -- "a=1&b=c%20d"
---```
---@param fields table<string, string|number|boolean>
---@return string
function anzol.url.encode_query(fields) end

---The fields of a query or form; of equal names the last one.
---
---```lua
---local fields = anzol.url.decode_query "a=1&b=c+d"
---```
---@param text string
---@return table<string, string>
function anzol.url.decode_query(text) end

---Everything but letters, digits and `-._~` as `%XX`.
---
---```lua
---local text = anzol.url.escape "a b/c"  -- "a%20b%2Fc"
---```
---@param text string
---@return string
function anzol.url.escape(text) end
