-- An event that was erased at erased_ms, Unix ms, has no key, trace, content, order keys, errors, steps and
-- answers any more; its rows stay. What it led to is found by event_parent; messages that others are
-- copies of (a replay with ids of its own) by message_copy.

ALTER TABLE event ADD COLUMN erased_ms INTEGER;
CREATE INDEX event_parent ON event(parent) WHERE parent IS NOT NULL;
CREATE INDEX message_copy ON message(content) WHERE content <> id AND content <> id & -256;
