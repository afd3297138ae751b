-- Tokens of the API that were minted, by the hash of their text. scope: enum api_token_scope. flags: a JSON
-- array of feature flags, NULL if it sees all. One that was revoked has ended.

CREATE TABLE api_token (
  id INTEGER PRIMARY KEY,
  application INTEGER NOT NULL,
  scope INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  label TEXT,
  flags TEXT,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL
);
CREATE INDEX api_token_application ON api_token(application);
CREATE INDEX api_token_expires ON api_token(expires_ms);
