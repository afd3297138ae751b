-- A delivery of a long-poll endpoint that is leased was given to a receiver at leased_ms, Unix ms. Its
-- lease ends at due_ms unless the receiver acknowledges it before.

ALTER TABLE delivery ADD COLUMN leased_ms INTEGER;
CREATE INDEX delivery_leased ON delivery(endpoint, due_ms) WHERE leased_ms IS NOT NULL;
