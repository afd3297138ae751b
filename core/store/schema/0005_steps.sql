-- Steps of runs (event:step): each committed once, so that a repeated run finds its result. They go
-- with the end of the run. result: a JSON array of what the step returned.

CREATE TABLE step (
  event INTEGER NOT NULL,
  subscription TEXT NOT NULL,
  name TEXT NOT NULL,
  result TEXT NOT NULL,
  PRIMARY KEY (event, subscription, name)
) WITHOUT ROWID;
