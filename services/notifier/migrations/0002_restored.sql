-- A row is an address that may be written to again, since when: a suppression of before that comes late changes nothing.
CREATE TABLE restored (
    address text        NOT NULL CHECK (address = lower(address)),
    channel text        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (address, channel)
);
