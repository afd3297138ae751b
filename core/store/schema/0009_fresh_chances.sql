-- A dead or cancelled delivery that is retried by hand gets a fresh chance. fresh_ms: when it began
-- (NULL: with the delivery); fresh_attempts: how many were made before it.

ALTER TABLE delivery ADD COLUMN fresh_ms INTEGER;
ALTER TABLE delivery ADD COLUMN fresh_attempts INTEGER;
