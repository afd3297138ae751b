-- What was published over the API, beside its event. uid: the caller's own eventId. channels, tags: JSON
-- arrays of texts. payload_until_ms: its content goes then; NULL: it went.

CREATE TABLE published (
  id INTEGER PRIMARY KEY,
  application INTEGER NOT NULL,
  uid TEXT,
  channels TEXT,
  tags TEXT,
  payload_until_ms INTEGER
);
CREATE INDEX published_place ON published(application, id);
CREATE UNIQUE INDEX published_uid ON published(application, uid) WHERE uid IS NOT NULL;
CREATE INDEX published_payload ON published(payload_until_ms) WHERE payload_until_ms IS NOT NULL;
