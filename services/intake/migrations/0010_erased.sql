-- People who asked to be forgotten, by id alone: what the others still tell of them is not kept.
CREATE TABLE erased (
    person uuid        PRIMARY KEY,
    at     timestamptz NOT NULL
);

-- Their addresses, and those of contacts who asked for it, as keyed hashes (HMAC with SECRET_KEY): whoever brings one
-- back gets a person who is not written to. Then the address is suppressed like any other, and its row here goes.
CREATE TABLE erased_addresses (
    fingerprint text        NOT NULL,
    channel     text        NOT NULL CHECK (channel IN ('email', 'sms', 'apprise')),
    at          timestamptz NOT NULL,
    PRIMARY KEY (fingerprint, channel)
);
