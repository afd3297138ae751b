-- Since when an endpoint has had nothing but failures, Unix ms. NULL: it is well, or was only just so.

ALTER TABLE endpoint ADD COLUMN failing_since_ms INTEGER;
