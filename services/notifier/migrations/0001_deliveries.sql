-- A row is a nudge to one person on one channel, and how far it got. It is made once, by `nudge.due`, and is ours to end:
-- `queued`, then `sent`, `skipped` or `failed`, the last two with their reason; `delivered` and `bounced` come later.
CREATE TABLE deliveries (
    nudge_id        uuid        PRIMARY KEY,
    person          uuid        NOT NULL,
    channel         text        NOT NULL CHECK (channel IN ('email', 'sms', 'apprise')),
    address         text        NOT NULL,
    facts           jsonb       NOT NULL,            -- the event's data: what the words need
    state           text        NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'sent', 'skipped', 'failed', 'delivered', 'bounced')),
    reason          text,                            -- of the end; while queued, why the last attempt was not the last
    revision        integer     NOT NULL DEFAULT 1,  -- counts the states this has been in
    due_at          timestamptz NOT NULL,
    too_late_after  timestamptz NOT NULL,
    next_attempt_at timestamptz,                     -- while leased: when the lease ends
    lease           uuid,                            -- token of the attempt under way: only its holder may end it
    message_id      text,                            -- fixed by the first attempt, the same on every one
    tries           integer     NOT NULL DEFAULT 0,  -- numbers the attempts
    refusals        integer     NOT NULL DEFAULT 0,  -- attempts that count: how long to wait before the next
    crashes         integer     NOT NULL DEFAULT 0,  -- attempts in a row that nobody ended
    unknowns        integer     NOT NULL DEFAULT 0,  -- attempts that may have reached the person
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at         timestamptz,
    ended_at        timestamptz,
    CONSTRAINT next_attempt_at_iff_queued CHECK ((next_attempt_at IS NOT NULL) = (state = 'queued')),
    CONSTRAINT ended_at_iff_ended CHECK ((ended_at IS NULL) = (state = 'queued')),
    CONSTRAINT leased_only_while_queued CHECK (lease IS NULL OR state = 'queued'),
    CONSTRAINT a_lease_has_a_message_id CHECK (lease IS NULL OR message_id IS NOT NULL),
    CONSTRAINT sent_at_iff_it_left CHECK ((sent_at IS NOT NULL) = (state IN ('sent', 'delivered', 'bounced'))),
    CONSTRAINT an_end_without_sending_has_a_reason CHECK (reason IS NOT NULL OR state NOT IN ('skipped', 'failed')),
    CONSTRAINT counts_only_grow CHECK (tries >= 0 AND refusals >= 0 AND crashes >= 0 AND unknowns >= 0 AND revision > 0)
);

-- The poll: what is due, and leases that have run out.
CREATE INDEX deliveries_next_attempt_at ON deliveries (channel, next_attempt_at, nudge_id) WHERE state = 'queued';
CREATE UNIQUE INDEX deliveries_lease ON deliveries (lease) WHERE lease IS NOT NULL;
-- What has become too late, though its channel is paused.
CREATE INDEX deliveries_too_late_after ON deliveries (too_late_after) WHERE state = 'queued';
-- An act, a stop, a suppression or an erasure ends what is queued of a person or an address.
CREATE INDEX deliveries_person ON deliveries (person);
CREATE INDEX deliveries_queued_address ON deliveries (lower(address)) WHERE state = 'queued';
-- The daily cap counts what left for a person lately.
CREATE INDEX deliveries_person_sent_at ON deliveries (person, sent_at) WHERE sent_at IS NOT NULL;

-- A row is one try to deliver a nudge. It is on record before anything goes out. Without an outcome it is under way, or
-- whoever made it died: in phase `lease` nothing can have been sent; in phase `data` nobody can tell.
CREATE TABLE attempts (
    nudge_id   uuid        NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    n          integer     NOT NULL CHECK (n > 0),
    token      uuid        NOT NULL UNIQUE,
    started_at timestamptz NOT NULL,
    phase      text        NOT NULL DEFAULT 'lease' CHECK (phase IN ('lease', 'data')),
    data_at    timestamptz,          -- when the send began: stops from then on came too late for it
    ended_at   timestamptz,
    outcome    text CHECK (outcome IN ('sent', 'refused', 'deferred', 'held', 'unknown', 'aborted', 'dropped')),
    reply      text,                 -- the server's own words, cut short
    PRIMARY KEY (nudge_id, n),
    CONSTRAINT data_at_iff_data CHECK ((data_at IS NOT NULL) = (phase = 'data')),
    CONSTRAINT outcome_iff_ended CHECK ((outcome IS NULL) = (ended_at IS NULL)),
    CONSTRAINT sent_only_after_data CHECK (outcome NOT IN ('sent', 'unknown') OR phase = 'data')
);

COMMENT ON COLUMN attempts.outcome IS
    'refused: for good; deferred: for now; held: no fault of this nudge (a pause of the channel, a quiet window);
     unknown: it may have arrived; aborted: whoever tried died before anything went out; dropped: the gate closed';

-- A row is an address that must not be written to on a channel, and why.
CREATE TABLE suppressions (
    address text        NOT NULL CHECK (address = lower(address)),
    channel text        NOT NULL CHECK (channel IN ('email', 'sms', 'apprise')),
    reason  text        NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (address, channel)
);

-- A row is a follow-up that somebody has dealt with: a nudge that still waits drops it. It may be known before the nudge.
-- (Stops are not here but in the schema `stops`, which knows them the moment they were answered.)
CREATE TABLE acts (
    follow_up uuid        PRIMARY KEY,
    person    uuid        NOT NULL,
    act       text        NOT NULL CHECK (act IN ('done', 'later')),
    at        timestamptz NOT NULL
);

CREATE INDEX acts_person ON acts (person);

-- A row is a person who was erased: a nudge of theirs that arrives late is not stored.
CREATE TABLE erased (
    person uuid        PRIMARY KEY,
    at     timestamptz NOT NULL
);

-- A row is a channel that has had trouble which is nobody's but its own. No row, or a pause that is over: it is open.
CREATE TABLE channels (
    name         text        PRIMARY KEY CHECK (name IN ('email', 'sms', 'apprise')),
    state        text        NOT NULL CHECK (state IN ('paused', 'stopped')),  -- stopped: until a person resumes it
    reason       text        NOT NULL,
    paused_until timestamptz,
    pauses       integer     NOT NULL DEFAULT 1 CHECK (pauses > 0),  -- in a row: each is twice as long as the one before
    since        timestamptz NOT NULL,
    CONSTRAINT paused_until_iff_paused CHECK ((paused_until IS NOT NULL) = (state = 'paused'))
);
