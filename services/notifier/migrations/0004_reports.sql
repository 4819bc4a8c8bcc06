-- What the vendor or a mail server said last of a message that had been taken, and which later nudge told its owner that
-- it did not arrive.
ALTER TABLE deliveries ADD COLUMN report text, ADD COLUMN told_by uuid;

-- A report that names only an address is about what went there last.
CREATE INDEX deliveries_sent_to ON deliveries (channel, lower(address), sent_at) WHERE sent_at IS NOT NULL;
-- What did not arrive, by whose it is: a nudge to a contact is their owner's.
CREATE INDEX deliveries_lost ON deliveries ((coalesce((facts #>> '{follow_ups,0,owner,id}')::uuid, person)))
    WHERE state IN ('bounced', 'failed');

-- A row is a report that came while the attempt was still under way, or before its end was recorded: it is applied then.
CREATE TABLE reports (
    nudge_id uuid        NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    what     text        NOT NULL,
    facts    jsonb       NOT NULL,                    -- the event's data
    at       timestamptz NOT NULL,
    PRIMARY KEY (nudge_id, what)
);
