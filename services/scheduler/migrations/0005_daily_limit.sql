-- How often a follow-up was put to the next wanted day, since its nudge was full: whoever waited long goes first.
ALTER TABLE follow_ups ADD COLUMN rolled integer NOT NULL DEFAULT 0 CHECK (rolled >= 0);

-- The latest send time for which a person was nudged on a channel: there is no second nudge for it.
CREATE TABLE send_times (
    person_id uuid        NOT NULL REFERENCES recipients ON DELETE CASCADE,
    channel   text        NOT NULL,
    due_at    timestamptz NOT NULL,
    PRIMARY KEY (person_id, channel)
);
