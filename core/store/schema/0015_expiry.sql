-- Messages of long-poll endpoints that expire are found by their time, though nobody asks for them.

CREATE INDEX delivery_expiry ON delivery(endpoint, expires_ms) WHERE expires_ms IS NOT NULL AND state < 3;
