-- An event that was stored well after its id was given (STORE_LATE_MS) is late: its number in the order in
-- which those were stored, a row id. NULL: it is not, so whoever goes by ids has not passed it.

ALTER TABLE event ADD COLUMN late INTEGER;
CREATE INDEX event_late ON event(late) WHERE late IS NOT NULL;
