-- The one thing that cannot wait for the bus. A row says: do not write. Intake adds it in the transaction that answers
-- "stop"; the notifier reads it in the transaction in which a send begins.
CREATE TABLE stops (
    kind    text        NOT NULL CHECK (kind IN ('connection', 'person')),
    id      uuid        NOT NULL,
    channel text        NOT NULL DEFAULT '',  -- '' is every channel
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, id, channel),
    CONSTRAINT a_connection_stops_on_every_channel CHECK (kind = 'person' OR channel = '')
);
