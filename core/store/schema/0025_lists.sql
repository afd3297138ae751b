-- Lists of what was published, with and without filters, find what they show by an index: by the type that
-- its publisher said (type, without "api."); channels are seen in the index of all. Attempts at registered
-- endpoints are found by what they led to and by the class of the answer's status, and by neither: the
-- ranges of all are merged. delivery_failed: what failed there, to be repeated (1) or not (4, 5).

ALTER TABLE published ADD COLUMN type TEXT NOT NULL DEFAULT '';
UPDATE published SET type = coalesce((SELECT substr(type, 5) FROM event WHERE id = published.id), '');
DROP INDEX published_place;
CREATE INDEX published_place ON published(application, id, channels);
CREATE INDEX published_type ON published(application, type, id);
DROP INDEX attempt_registered;
CREATE INDEX attempt_registered ON attempt(endpoint, state, status / 100, id) WHERE endpoint IS NOT NULL;
CREATE INDEX delivery_failed ON delivery(endpoint, state, message)
  WHERE endpoint >= 1099511627776 AND state IN (1, 4, 5);
