-- Secrets of resources (owner: their id). kind: enum secret_kind. version: 1, 2, … of a kind and owner.
-- expires_ms NULL: the current one. sealed: signature/seal.c says what lies in it.

CREATE TABLE secret (
  owner INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  version INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER,
  sealed BLOB NOT NULL,
  PRIMARY KEY (owner, kind, version)
) WITHOUT ROWID;
CREATE INDEX secret_expires ON secret(expires_ms) WHERE expires_ms IS NOT NULL;
