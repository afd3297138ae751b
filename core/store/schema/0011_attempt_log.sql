-- What an attempt sent (packed as base/head.h says, secrets masked), and what decided how its delivery
-- goes on (enum decided_by). NULL in rows of before.

ALTER TABLE attempt ADD COLUMN decided INTEGER;
ALTER TABLE attempt ADD COLUMN request BLOB;
