-- When a connection was last touched, in each way: what a stay-in-touch step counts from, and how a step turned out.
CREATE TABLE touches (
    connection_id uuid        NOT NULL,
    how           text        NOT NULL CHECK (how IN ('done', 'replied', 'logged')),
    person_id     uuid        NOT NULL,
    at            timestamptz NOT NULL,
    PRIMARY KEY (connection_id, how)
);
CREATE INDEX touches_by_person ON touches (person_id);

-- Addresses that may be written to again, since when: a suppression, or a stop of everything, of before is over. Kept
-- beside those, since the older of two may come later.
CREATE TABLE restored (
    address   text        NOT NULL,  -- in small letters
    channel   text        NOT NULL,
    person_id uuid,
    at        timestamptz NOT NULL,
    PRIMARY KEY (address, channel)
);
CREATE INDEX restored_by_person ON restored (person_id);
