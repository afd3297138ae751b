---@meta _
local anzol = require "anzol"

---Regular expressions of PCRE2, for what Lua's patterns don't say; bound in steps and memory. Text
---that would take too long gives `nil, Error` with code `"regex_limit"`. A malformed pattern raises,
---with its place: compile at load, and `anzol check` finds it. A pattern may be a text (kept once
---compiled, without flags) or a `Re`, whose methods are the same functions. None of them waits.
---@class anzol.re
anzol.re = {}

---A compiled regular expression. Its methods are the functions of `anzol.re`, without the pattern.
---@class anzol.Re
---@field find fun(self: anzol.Re, text: string, init?: integer): integer?, integer|anzol.Error|nil, string? As `anzol.re.find`.
---@field match fun(self: anzol.Re, text: string, init?: integer): string?, string|anzol.Error|nil As `anzol.re.match`.
---@field groups fun(self: anzol.Re, text: string, init?: integer): table<integer|string, string>?, anzol.Error? As `anzol.re.groups`.
---@field gmatch fun(self: anzol.Re, text: string): fun(): string? As `anzol.re.gmatch`.
---@field gsub fun(self: anzol.Re, text: string, replacement: string|table|function, most?: integer): string?, integer|anzol.Error As `anzol.re.gsub`.
---@field split fun(self: anzol.Re, text: string): string[]?, anzol.Error? As `anzol.re.split`.

---Compiles a pattern of at most 64 KiB and 99 groups. Flags: `i` ignores case, `m` has `^` and `$`
---match at lines, `s` lets the dot take newlines, `x` allows spaces and comments, `u` takes text as
---UTF-8.
---
---```lua
---local semver = anzol.re.compile([[^v?(?<major>\d+)\.(?<minor>\d+)]], "i")
---```
---@param pattern string
---@param flags? string
---@return anzol.Re
function anzol.re.compile(pattern, flags) end

---Where the first match begins and ends, then its groups (nil for one that took no part).
---
---```lua
---local from, to, number = anzol.re.find("order #42", [[#(\d+)]])
---```
---@param text string
---@param pattern string|anzol.Re
---@param init? integer Where to begin; negative counts from the end.
---@return integer? from
---@return integer|anzol.Error|nil to
---@return string? ... The groups.
function anzol.re.find(text, pattern, init) end

---The groups of the first match; without groups the match itself.
---
---```lua
---local major = anzol.re.match("v1.2", [[v(\d+)]])
---```
---@param text string
---@param pattern string|anzol.Re
---@param init? integer
---@return string?
---@return string|anzol.Error|nil
---@return string? ...
function anzol.re.match(text, pattern, init) end

---The first match as a table: the whole at 0, groups by number and by name.
---
---```lua
---local parts = anzol.re.groups("v1.2", [[v(?<major>\d+)\.(?<minor>\d+)]])
---```
---@param text string
---@param pattern string|anzol.Re
---@param init? integer
---@return table<integer|string, string>?
---@return anzol.Error?
function anzol.re.groups(text, pattern, init) end

---All matches, one after the other, as `match` gives them. Raises over the limit.
---
---```lua
---for word in anzol.re.gmatch("one two", [[\w+]]) do print(word) end
---```
---@param text string
---@param pattern string|anzol.Re
---@return fun(): string?, string? ...
function anzol.re.gmatch(text, pattern) end

---The text with its matches replaced, as by `string.gsub`: a text (`%0` the match, `%1` … groups,
---`%%` a percent sign), a table or a function; and how many there were.
---
---```lua
---local masked = anzol.re.gsub(event.body, [[\b\d{12,19}\b]], "****")
---```
---@param text string
---@param pattern string|anzol.Re
---@param replacement string|table<string, string>|fun(...: string?): string?
---@param most? integer
---@return string?
---@return integer|anzol.Error
function anzol.re.gsub(text, pattern, replacement, most) end

---The pieces between the matches.
---
---```lua
---local tags = anzol.re.split("a, b;c", [[\s*[,;]\s*]])
---```
---@param text string
---@param pattern string|anzol.Re
---@return string[]?
---@return anzol.Error?
function anzol.re.split(text, pattern) end
