-- Values of kv and bodies of content may be sealed, as secrets are (sealed: 1): the column has what
-- signature/seal.c makes, whose first 8 bytes are the id of its key. What WebSub keeps is from here on: what
-- it had is kept as one that no key has sealed yet.

ALTER TABLE kv ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE content ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
UPDATE kv SET sealed = 1, value = CAST(zeroblob(8) || value AS BLOB)
  WHERE ns IN ('anzol.hub', 'anzol.websub');
CREATE INDEX kv_sealed ON kv(ns, key, substr(value, 1, 8)) WHERE sealed = 1;
CREATE INDEX content_sealed ON content(id, substr(body, 1, 8)) WHERE sealed = 1;
