-- Dead letters are listed newest first without a walk through everything that went well.

CREATE INDEX delivery_dead ON delivery(state) WHERE state = 4;
CREATE INDEX run_dead ON run(event) WHERE state = 4;
