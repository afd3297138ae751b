-- What runs by itself (anzol.cron, every, poll): its place in time, by kind and name (struct
-- routine_row in model/routine.h). version: of the row; whoever writes names the one that it saw.

CREATE TABLE routine (
  kind INTEGER NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  rule TEXT NOT NULL,
  due_ms INTEGER NOT NULL,
  tick_ms INTEGER NOT NULL,
  previous_ms INTEGER NOT NULL,
  interval_ms INTEGER NOT NULL,
  wait_ms INTEGER NOT NULL,
  why INTEGER NOT NULL,
  answer_ms INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  error TEXT,
  last_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  last_items INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  items INTEGER NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;
