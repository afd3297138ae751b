-- Deliveries to endpoints that applications registered, whose ids begin there (ID_ENDPOINT_REGISTERED), and
-- their attempts are listed by endpoint; those of scripts' endpoints are in neither index. attempt.endpoint:
-- NULL for those.

ALTER TABLE attempt ADD COLUMN endpoint INTEGER;
CREATE INDEX delivery_registered ON delivery(endpoint, message, state) WHERE endpoint >= 1099511627776;
CREATE INDEX attempt_registered ON attempt(endpoint, id) WHERE endpoint IS NOT NULL;
