-- Events that are due at a time of their own (again, later, when a batch closes) are found by it: those
-- that are due at once, nearly all, are in no index.

CREATE INDEX event_due_time ON event_due(due_ms) WHERE due_ms > 0;
