-- Where a stream of server-sent events stands (anzol.sse): the id of the last message done with.

ALTER TABLE routine ADD COLUMN place TEXT;
