-- What is done by hand to many: a walk over events or deliveries, oldest first, a few in each commit.
-- verb and kind: enum change_verb, enum id_kind. state: 0 running, 1 done, 2 cancelled. cursor: the last
-- id that is done, or so many bytes of ids.

CREATE TABLE task (
  id INTEGER PRIMARY KEY,
  verb INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  ids TEXT,
  source TEXT,
  type TEXT,
  endpoint TEXT,
  wanted INTEGER NOT NULL,
  contains TEXT,
  subscription TEXT,
  reason TEXT,
  has_new_ids INTEGER NOT NULL,
  rate_per_s REAL NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  done INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  ended_ms INTEGER
);
