-- Runs of a subscription with order_by: those with the same key go one after another. due_ms of a run
-- that waits for those before it is raised by 2^62 (STORE_HELD_MS in store.h).

ALTER TABLE run ADD COLUMN order_key BLOB;
CREATE INDEX run_order ON run(subscription, order_key, event)
  WHERE state < 2 AND order_key IS NOT NULL;
