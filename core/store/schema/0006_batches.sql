-- Batches: runs of a subscription that are handled together, by key. The run of its first event
-- (leader) is due when the batch closes, the others are held (STORE_HELD_MS in store.h). count,
-- bytes: of all that came, bodies. close_ms: nothing more is taken from then on; 0: closed.

CREATE TABLE batch (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subscription TEXT NOT NULL,
  key BLOB NOT NULL,
  leader INTEGER NOT NULL,
  count INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  opened_ms INTEGER NOT NULL,
  close_ms INTEGER NOT NULL
);
CREATE INDEX batch_key ON batch(subscription, key, id);
ALTER TABLE run ADD COLUMN batch INTEGER;
CREATE INDEX run_batch ON run(batch, event) WHERE state < 2 AND batch IS NOT NULL;
