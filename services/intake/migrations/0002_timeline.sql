-- A row is one thing that the scheduler or the notifier told of a follow-up or a nudge: what the timeline is read from.
-- `follow_ups` and `nudges` hold the latest alone, and events overtake one another: here every revision counts.
CREATE TABLE happenings (
    entity   uuid        NOT NULL,                       -- a follow-up's or a nudge's id
    revision integer     NOT NULL,
    what     text        NOT NULL CHECK (what IN ('nudged', 'stopped', 'skipped', 'expired',
                                                  'sent', 'failed', 'delivered', 'bounced')),
    reason   text,
    at       timestamptz NOT NULL,
    PRIMARY KEY (entity, revision)
);

-- A row is an address that must not be written to, as we were last told (address.suppressed), so that an owner can see
-- why nothing comes. The notifier's own table is the one that decides.
CREATE TABLE suppressed (
    address text        NOT NULL,                        -- e-mail addresses in lower case
    channel text        NOT NULL,
    person  uuid,
    reason  text        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (address, channel)
);
CREATE INDEX suppressed_of_a_person ON suppressed (person);
