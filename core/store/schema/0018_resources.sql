-- What is registered over the API. kind: enum resource_kind. owner: the application that it belongs to,
-- 0 if none. uid: the caller's own name of it. body: its fields, a JSON object.

CREATE TABLE resource (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  uid TEXT,
  is_archived INTEGER NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
);
CREATE INDEX resource_place ON resource(kind, owner, id);
CREATE UNIQUE INDEX resource_uid ON resource(kind, owner, uid) WHERE uid IS NOT NULL;

-- What a request with an idempotency key wrote, as it was then: whoever repeats the request gets that.

CREATE TABLE answer (
  key BLOB PRIMARY KEY,
  until_ms INTEGER NOT NULL,
  id INTEGER NOT NULL,
  uid TEXT,
  is_archived INTEGER NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_until ON answer(until_ms);
