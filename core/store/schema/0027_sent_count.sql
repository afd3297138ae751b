-- How many messages came to what at a registered endpoint, kept in the commits that change deliveries
-- (core/store/sqlite_sent_count.c). span: message >> 40, so many ids of messages are 4.4 minutes. Each message
-- stands in one column: a success before a retry (again) before what is pending before what was cancelled
-- before what failed. is_repeated: the delivery's message had another one to the same endpoint.

CREATE TABLE sent_count (
  endpoint INTEGER NOT NULL,
  span INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  pending INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  again INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  PRIMARY KEY (endpoint, span)
) WITHOUT ROWID;
ALTER TABLE delivery ADD COLUMN is_repeated INTEGER;
UPDATE delivery SET is_repeated = 1 WHERE endpoint >= 1099511627776 AND (endpoint, message) IN
  (SELECT endpoint, message FROM delivery INDEXED BY delivery_registered WHERE endpoint >= 1099511627776
   GROUP BY endpoint, message HAVING count(*) > 1);
INSERT INTO sent_count SELECT endpoint, message >> 40, count(iif(standing = 0, 1, NULL)),
  count(iif(standing = 1, 1, NULL)), count(iif(standing = 2, 1, NULL)), count(iif(standing = 3, 1, NULL)),
  count(iif(standing = 4, 1, NULL)) FROM
  (SELECT endpoint, message, CASE WHEN max(state = 3) THEN 0 WHEN max(state = 1) THEN 3
   WHEN max(state = 0) THEN 1 WHEN max(state = 5) THEN 4 ELSE 2 END AS standing
   FROM delivery INDEXED BY delivery_registered WHERE endpoint >= 1099511627776 GROUP BY endpoint, message)
  GROUP BY endpoint, message >> 40;
