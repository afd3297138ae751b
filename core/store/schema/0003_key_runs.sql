-- Idempotency keys are appended to a log and merged into sorted runs (core/store/dedupe_int.h). The
-- keys of an older database become the first run; the program makes its filter when it starts.
ALTER TABLE dedupe RENAME TO dedupe_old;

-- hash: keyed, of source and key; the event's own text settles a collision. A run counts when it
-- has its row in dedupe_run: until then its keys are in the log too.
CREATE TABLE dedupe (
  run INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (run, hash, event)
) WITHOUT ROWID;

-- newest_ms: of the youngest event in it. filter: core/store/dedupe_filter.c; NULL: not made yet.
CREATE TABLE dedupe_run (
  run INTEGER PRIMARY KEY,
  newest_ms INTEGER NOT NULL,
  filter BLOB
);

-- One row for each commit group with keys. data: hash and event, 8 bytes each, little endian.
CREATE TABLE dedupe_log (
  seq INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);

INSERT INTO dedupe(run, hash, event) SELECT 1, hash, event FROM dedupe_old ORDER BY hash, event;
INSERT INTO dedupe_run(run, newest_ms)
  SELECT 1, (newest >> 22) + 1735689600000 FROM (SELECT max(event) AS newest FROM dedupe_old)
  WHERE newest IS NOT NULL;
DROP TABLE dedupe_old;
