-- What the program keeps. Ids are explained in base/id.h, the words in DESIGN.md's glossary.
-- Everything on the hot path appends at the right edge of its table.

CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);

-- state: 0 enabled, 1 disabled, 2 paused.
CREATE TABLE endpoint (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  url TEXT,
  state INTEGER NOT NULL,
  reason TEXT
);

-- Immutable. bytes: of the body.
CREATE TABLE event (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  type TEXT NOT NULL,
  key TEXT,
  parent INTEGER,
  depth INTEGER NOT NULL,
  trace BLOB,
  bytes INTEGER NOT NULL,
  received_ms INTEGER NOT NULL
);

-- The bytes of an event or of a message with bytes of its own (head: base/head.h).
CREATE TABLE content (
  id INTEGER PRIMARY KEY,
  head BLOB NOT NULL,
  body BLOB NOT NULL
);

-- Exactly the events that are not finished.
CREATE TABLE event_due (
  id INTEGER PRIMARY KEY,
  due_ms INTEGER NOT NULL
);

-- state: 0 pending, 1 retrying, 2 handled, 3 skipped, 4 dead. An event with one subscription has a
-- row only after a skip or a failure.
CREATE TABLE run (
  event INTEGER NOT NULL,
  subscription TEXT NOT NULL,
  state INTEGER NOT NULL,
  number INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  first_ordinal INTEGER NOT NULL,
  error TEXT,
  PRIMARY KEY (event, subscription)
) WITHOUT ROWID;

-- content: the event's id when its bytes are forwarded. delivery: the first one; deliveries: the
-- ids of the others, 8 bytes each, little endian.
CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  content INTEGER NOT NULL,
  delivery INTEGER,
  deliveries BLOB
);

-- state: 0 pending, 1 retrying, 3 succeeded, 4 dead, 5 cancelled. attempt: the last one.
-- due_ms NULL: held in the memory of its owner.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY,
  message INTEGER NOT NULL,
  endpoint INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  attempt INTEGER,
  due_ms INTEGER,
  expires_ms INTEGER,
  reason TEXT
);

-- previous: the attempt before this one, so that no index by delivery is needed.
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY,
  delivery INTEGER NOT NULL,
  number INTEGER NOT NULL,
  previous INTEGER,
  state INTEGER NOT NULL,
  status INTEGER NOT NULL,
  error INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  dns_us INTEGER NOT NULL,
  connect_us INTEGER NOT NULL,
  tls_us INTEGER NOT NULL,
  first_byte_us INTEGER NOT NULL,
  next_ms INTEGER,
  is_cut INTEGER NOT NULL,
  detail TEXT,
  head BLOB,
  body BLOB
);

-- hash: keyed, of source and key; the event's own text settles a collision.
CREATE TABLE dedupe (
  hash INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (hash, event)
) WITHOUT ROWID;

CREATE TABLE kv (
  ns TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  version INTEGER NOT NULL,
  expires_ms INTEGER,
  PRIMARY KEY (ns, key)
) WITHOUT ROWID;

CREATE INDEX delivery_open ON delivery(state) WHERE state < 3 AND due_ms IS NULL;
CREATE INDEX delivery_due ON delivery(endpoint, due_ms) WHERE state < 3 AND due_ms IS NOT NULL;
CREATE INDEX kv_expires ON kv(expires_ms) WHERE expires_ms IS NOT NULL;
