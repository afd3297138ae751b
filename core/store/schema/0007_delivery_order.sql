-- Deliveries of an endpoint with order_by: those with the same key go one after another. due_ms of one
-- that waits for those before it is raised by 2^62 (STORE_HELD_MS in store.h). is_blocking: it is dead,
-- and its key waits for it (on_dead = "block").

ALTER TABLE delivery ADD COLUMN order_key BLOB;
ALTER TABLE delivery ADD COLUMN is_blocking INTEGER;
ALTER TABLE delivery ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE INDEX delivery_order ON delivery(endpoint, order_key, id)
  WHERE order_key IS NOT NULL AND (state < 3 OR is_blocking);
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery(endpoint, priority DESC, due_ms)
  WHERE state < 3 AND due_ms IS NOT NULL;
