-- The people who get nudges, as intake last told us: a projection. The row is the lock under which everything of a
-- person is planned, moved, stopped and fired, so that nobody ever gets two nudges at once.
CREATE TABLE recipients (
    id       uuid    PRIMARY KEY,
    revision integer NOT NULL,
    facts    jsonb   NOT NULL,  -- a Person of shared/events.py
    email    text,              -- in small letters, to find whose address was suppressed
    phone    text
);
CREATE INDEX recipients_by_email ON recipients (email) WHERE email IS NOT NULL;
CREATE INDEX recipients_by_phone ON recipients (phone) WHERE phone IS NOT NULL;

-- The meetings, as intake last told us: a projection, with what a nudge's words need.
CREATE TABLE meetings (
    id            uuid        PRIMARY KEY,
    person_id     uuid        NOT NULL REFERENCES recipients ON DELETE CASCADE,
    connection_id uuid        NOT NULL,
    revision      integer     NOT NULL,
    logged_at     timestamptz NOT NULL,
    facts         jsonb       NOT NULL  -- a Meeting of shared/events.py
);
CREATE INDEX meetings_by_person ON meetings (person_id);

-- One step of one meeting at one instant: the durable timer. While it waits, the rule (on_day and at, or not_before)
-- says what was wanted; local_time and zone are what a person sees; due_at is what the database compares.
CREATE TABLE follow_ups (
    id            uuid        PRIMARY KEY,  -- made of meeting, step and occurrence
    meeting_id    uuid        NOT NULL REFERENCES meetings ON DELETE CASCADE,
    person_id     uuid        NOT NULL REFERENCES recipients ON DELETE CASCADE,
    connection_id uuid        NOT NULL,
    revision      integer     NOT NULL CHECK (revision > 0),
    step          integer     NOT NULL CHECK (step > 0),
    occurrence    integer     NOT NULL CHECK (occurrence > 0),
    playbook      text        NOT NULL,
    channel       text        CHECK (channel IN ('email', 'sms', 'apprise')),  -- null: the person's own
    heeds_quiet   boolean     NOT NULL,
    state         text        NOT NULL
                  CHECK (state IN ('waiting', 'nudged', 'done', 'stopped', 'skipped', 'expired')),
    reason        text,
    on_day        date,         -- wanted on this day, or on the next that will do;
    at            time,         -- at this time, or (null) at the person's send time;
    not_before    timestamptz,  -- and not before this; without a day: at this instant
    local_time    timestamp   NOT NULL,  -- what the person's wall clock shows at due_at
    zone          text        NOT NULL,
    due_at        timestamptz NOT NULL,
    acted_at      timestamptz,  -- of the act that counted last: an older one that comes late changes nothing
    nudge_id      uuid,         -- the latest that carried it
    is_to_be_told boolean     NOT NULL DEFAULT false,  -- expired, and the next nudge has still to say so
    UNIQUE (meeting_id, step, occurrence),
    CONSTRAINT skipped_has_a_reason CHECK ((reason IS NOT NULL) = (state = 'skipped')),
    CONSTRAINT a_reason_of_the_contract CHECK (reason IN
        ('past', 'superseded', 'no-consent', 'suppressed', 'erased', 'no-show', 'cancelled', 'rescheduled')),
    CONSTRAINT wanted_on_a_day_or_at_an_instant CHECK (on_day IS NOT NULL OR (not_before IS NOT NULL AND at IS NULL)),
    CONSTRAINT nudged_by_a_nudge CHECK (state <> 'nudged' OR nudge_id IS NOT NULL),
    CONSTRAINT only_an_expired_one_is_to_be_told CHECK (state = 'expired' OR NOT is_to_be_told)
);
-- The poll: what is due, oldest first. Every finished row is outside of it.
CREATE INDEX follow_ups_waiting ON follow_ups (due_at) INCLUDE (person_id) WHERE state = 'waiting';
CREATE INDEX follow_ups_waiting_by_person ON follow_ups (person_id, due_at) WHERE state = 'waiting';
CREATE INDEX follow_ups_to_be_told ON follow_ups (person_id) WHERE is_to_be_told;
CREATE INDEX follow_ups_by_person ON follow_ups (person_id);

-- What was said to end, by whom: planning looks here, since a stop may overtake the meeting it is about.
CREATE TABLE stops (
    kind      text        NOT NULL CHECK (kind IN ('connection', 'person')),
    id        uuid        NOT NULL,
    channel   text        NOT NULL DEFAULT '',  -- '' is every channel
    person_id uuid        NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (kind, id, channel)
);
CREATE INDEX stops_by_person ON stops (person_id);

-- Acts on follow-ups that we have not heard of yet: the latest of each, until its meeting arrives.
CREATE TABLE early_acts (
    follow_up_id uuid        PRIMARY KEY,
    person_id    uuid        NOT NULL,
    act          text        NOT NULL CHECK (act IN ('done', 'later')),
    until        date,
    span         text,
    at           timestamptz NOT NULL
);
CREATE INDEX early_acts_by_person ON early_acts (person_id);

-- Addresses that must not be written to: what is planned for one is skipped from the start.
CREATE TABLE suppressions (
    address text        NOT NULL,  -- in small letters
    channel text        NOT NULL,
    reason  text        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (address, channel)
);

-- People who asked to be forgotten, by id alone: an event about them that comes late is not kept.
CREATE TABLE erased (
    person_id uuid        PRIMARY KEY,
    at        timestamptz NOT NULL
);
