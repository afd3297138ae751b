-- The dead deliveries that their order keys wait for, to let them go when an endpoint's on_dead does
-- not want that any more.

CREATE INDEX delivery_blocking ON delivery(endpoint, id) WHERE is_blocking;
