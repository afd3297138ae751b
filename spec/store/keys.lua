-- SPDX-License-Identifier: MIT
-- A look from outside at the idempotency keys of a store: in its log and in its runs.
local M = {}

-- Every key as { hash, event }: in the log, in runs that count, in runs that do not yet.
function M.read(S, path)
  local keys = { log = {}, run = {}, unfinished = {} }
  for _, row in ipairs(S.sql(path, "SELECT data FROM dedupe_log ORDER BY seq")) do
    for at = 1, #row[1], 16 do
      keys.log[#keys.log + 1] = { string.unpack("<i8i8", row[1], at) }
    end
  end
  for _, row in ipairs(S.sql(path, [[
    SELECT d.hash, d.event, r.run IS NOT NULL
    FROM dedupe d LEFT JOIN dedupe_run r ON r.run = d.run]])) do
    local list = row[3] == 1 and keys.run or keys.unfinished
    list[#list + 1] = { row[1], row[2] }
  end
  return keys
end

-- The log of a store that is closed, written anew.
function M.write_log(S, path, keys)
  local packed = {}
  for i, key in ipairs(keys) do packed[i] = ("<i8i8"):pack(key[1], key[2]) end
  S.sql(path, "DELETE FROM dedupe_log")
  local hex = table.concat(packed):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  S.sql(path, ("INSERT INTO dedupe_log(data) VALUES (x'%s')"):format(hex))
end

return M
