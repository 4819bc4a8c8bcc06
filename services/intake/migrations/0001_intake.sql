-- A row is one configured place that submits meetings: a form, a booking tool. Its path is kept as a fingerprint only.
CREATE TABLE sources (
    id               uuid        PRIMARY KEY,
    name             text        NOT NULL CHECK (name <> ''),
    provider         text        NOT NULL,
    path_fingerprint text        NOT NULL,
    mapping          jsonb       NOT NULL DEFAULT '{}',  -- field to question
    fixed            jsonb       NOT NULL DEFAULT '{}',  -- field to value
    plan             text,
    zone             text,
    owner            text,                               -- the owner's e-mail address, when the form does not ask
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_at      timestamptz
);
CREATE UNIQUE INDEX a_name_is_one_source ON sources (lower(name));
CREATE UNIQUE INDEX a_path_is_one_source ON sources (path_fingerprint);

-- A row is one secret of a source, sealed with SECRET_KEY. Two are live while a secret is being rotated.
CREATE TABLE source_keys (
    id         uuid        PRIMARY KEY,
    source     uuid        NOT NULL REFERENCES sources ON DELETE CASCADE,
    sealed     text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz                               -- null: live until it is rotated out
);
CREATE INDEX keys_of_a_source ON source_keys (source);

-- A row is one bearer token of the API, kept as a fingerprint: all rights, or one owner's data alone.
CREATE TABLE api_tokens (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL CHECK (name <> ''),
    fingerprint text        NOT NULL UNIQUE,
    owner       text,                                    -- e-mail address in lower case; null: all rights
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);
CREATE UNIQUE INDEX a_name_is_one_live_token ON api_tokens (lower(name)) WHERE revoked_at IS NULL;

-- A row is the stored answer to an API request that named itself with an Idempotency-Key.
CREATE TABLE idempotency_keys (
    token       uuid        NOT NULL REFERENCES api_tokens ON DELETE CASCADE,
    key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request     text        NOT NULL,                    -- SHA-256 of method, path and body
    status      smallint    NOT NULL,
    answer      jsonb       NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (token, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (answered_at);

-- A row is one request of a known sender, kept as received: accepted, or rejected with its reason. The sender's retries
-- are the same row; a rejected one may be accepted later, when the mapping was mended and it comes again.
CREATE TABLE submissions (
    id          uuid        PRIMARY KEY,
    source      uuid        REFERENCES sources,
    token       uuid        REFERENCES api_tokens,
    key         text        NOT NULL CHECK (key <> ''),  -- the sender's own id of it
    state       text        NOT NULL CHECK (state IN ('accepted', 'rejected')),
    reason      jsonb,                                   -- {"title", "errors": [{"field", "problem"}]}
    headers     jsonb       NOT NULL DEFAULT '{}',       -- those that reading it again needs
    body        bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT a_source_or_a_token_sent_it CHECK (num_nonnulls(source, token) = 1),
    CONSTRAINT a_reason_iff_rejected CHECK ((reason IS NOT NULL) = (state = 'rejected'))
);
CREATE UNIQUE INDEX a_source_submits_once ON submissions (source, key) WHERE source IS NOT NULL;
CREATE UNIQUE INDEX a_token_submits_once ON submissions (token, key) WHERE token IS NOT NULL;
CREATE INDEX submissions_of_a_source ON submissions (source, received_at);
CREATE INDEX rejected_submissions ON submissions (received_at) WHERE state = 'rejected';

-- A row is an owner: an educator who logged a meeting, with their wishes. The revision grows with every change.
CREATE TABLE people (
    id             uuid        PRIMARY KEY,
    revision       integer     NOT NULL DEFAULT 1 CHECK (revision > 0),
    name           text,
    email          text,
    phone          text,                                 -- E.164
    channel        text        NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'sms', 'apprise')),
    locale         text        NOT NULL DEFAULT 'en',
    time_zone      text        NOT NULL DEFAULT 'UTC',   -- an IANA name
    time_zone_from text        NOT NULL DEFAULT 'default' CHECK (time_zone_from IN ('default', 'source', 'person')),
    send_at        time        NOT NULL DEFAULT '15:30',
    days           text[]      NOT NULL DEFAULT '{mon,tue,wed,thu,fri}'
                               CHECK (cardinality(days) > 0 AND days <@ '{mon,tue,wed,thu,fri,sat,sun}'::text[]),
    quiet_from     time        NOT NULL DEFAULT '21:00',
    quiet_to       time        NOT NULL DEFAULT '07:00',
    holidays       text,
    breaks         jsonb       NOT NULL DEFAULT '[]',    -- [{"first", "last"}]
    daily_limit    integer     NOT NULL DEFAULT 5 CHECK (daily_limit > 0),
    paused_until   date,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT can_be_told_apart CHECK (email IS NOT NULL OR phone IS NOT NULL)
);
CREATE UNIQUE INDEX an_email_is_one_person ON people (lower(email));
CREATE UNIQUE INDEX a_phone_is_one_person ON people (phone) WHERE email IS NULL;

-- A row is one owner with one contact; it continues when they meet again. What is known of the contact is the latest.
CREATE TABLE connections (
    id            uuid        PRIMARY KEY,
    person        uuid        NOT NULL REFERENCES people ON DELETE CASCADE,
    contact_key   text        NOT NULL,                  -- their e-mail address, else telephone number, else name
    contact       jsonb       NOT NULL,                  -- name, email, phone, links, consent
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_touch_at timestamptz,
    UNIQUE (person, contact_key)
);

-- A row is one encounter, as logged; `sent` holds it in the API's own words.
CREATE TABLE meetings (
    id              uuid        PRIMARY KEY,
    revision        integer     NOT NULL DEFAULT 1 CHECK (revision > 0),
    submission      uuid        NOT NULL REFERENCES submissions,
    ordinal         smallint    NOT NULL DEFAULT 0,      -- its place among the contacts of the submission
    person          uuid        NOT NULL REFERENCES people ON DELETE CASCADE,
    connection      uuid        NOT NULL REFERENCES connections ON DELETE CASCADE,
    state           text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'stopped', 'cancelled')),
    plan            text        NOT NULL,
    logged_at       timestamptz NOT NULL,
    met_at          timestamptz NOT NULL,
    goal_at         timestamptz,
    promise_kept_at timestamptz,
    sent            jsonb       NOT NULL,                -- owner, contact, event, met_at, notes, topics, promise, ...
    UNIQUE (submission, ordinal),
    UNIQUE (submission, connection)
);
CREATE INDEX meetings_of_a_connection ON meetings (connection, met_at);
CREATE INDEX meetings_of_a_person ON meetings (person);

-- A row is a real contact with the person: the owner pressed done, they answered, a talk was logged.
CREATE TABLE touches (
    id         uuid        PRIMARY KEY,
    person     uuid        NOT NULL REFERENCES people ON DELETE CASCADE,
    connection uuid        NOT NULL REFERENCES connections ON DELETE CASCADE,
    kind       text        NOT NULL CHECK (kind IN ('done', 'answered', 'logged')),
    follow_up  uuid,
    at         timestamptz NOT NULL,
    note       text,
    CONSTRAINT done_is_about_a_follow_up CHECK (kind <> 'done' OR follow_up IS NOT NULL)
);
CREATE UNIQUE INDEX a_follow_up_is_done_once ON touches (follow_up) WHERE kind = 'done';
CREATE INDEX touches_of_a_connection ON touches (connection, at);

-- A row is a follow-up as the scheduler last told of it (follow_up.changed): half of the timeline. An older revision
-- is ignored. No foreign keys: it may be told of a meeting that was erased meanwhile.
CREATE TABLE follow_ups (
    id         uuid        PRIMARY KEY,
    revision   integer     NOT NULL,
    person     uuid        NOT NULL,
    connection uuid        NOT NULL,
    meeting    uuid        NOT NULL,
    step       integer     NOT NULL,
    occurrence integer     NOT NULL,
    playbook   text        NOT NULL,
    state      text        NOT NULL
                           CHECK (state IN ('waiting', 'nudged', 'done', 'stopped', 'skipped', 'expired')),
    reason     text,
    local      timestamp   NOT NULL,                     -- the recipient's wall clock
    zone       text        NOT NULL,
    due_at     timestamptz NOT NULL,
    nudge      uuid,
    changed_at timestamptz NOT NULL,
    CONSTRAINT skipped_has_a_reason CHECK (state <> 'skipped' OR reason IS NOT NULL),
    UNIQUE (meeting, step, occurrence)
);
CREATE INDEX follow_ups_of_a_connection ON follow_ups (connection, due_at);
CREATE INDEX follow_ups_of_a_person ON follow_ups (person, due_at);
CREATE INDEX follow_ups_of_a_nudge ON follow_ups (nudge) WHERE nudge IS NOT NULL;

-- A row is a nudge as the notifier last told of it (delivery.changed): the other half of the timeline.
CREATE TABLE nudges (
    id         uuid        PRIMARY KEY,
    revision   integer     NOT NULL,
    person     uuid        NOT NULL,
    channel    text        NOT NULL,
    state      text        NOT NULL
                           CHECK (state IN ('queued', 'sent', 'skipped', 'failed', 'delivered', 'bounced')),
    reason     text,
    follow_ups uuid[]      NOT NULL DEFAULT '{}',        -- all it carried, also what was put off and nudged again since
    changed_at timestamptz NOT NULL,
    CONSTRAINT an_end_without_success_has_a_reason CHECK (state NOT IN ('skipped', 'failed') OR reason IS NOT NULL)
);
CREATE INDEX nudges_by_follow_up ON nudges USING gin (follow_ups);
CREATE INDEX nudges_of_a_person ON nudges (person);

-- A row is what somebody did about a follow-up, a connection (no follow-up), or everything of theirs (neither).
CREATE TABLE acts (
    id         uuid        PRIMARY KEY,                  -- also the id of the event that tells the others
    act        text        NOT NULL CHECK (act IN ('done', 'later', 'stop')),
    via        text        NOT NULL CHECK (via IN ('link', 'api', 'unsubscribe', 'page', 'reply')),
    person     uuid        NOT NULL REFERENCES people ON DELETE CASCADE,
    connection uuid        REFERENCES connections ON DELETE CASCADE,
    follow_up  uuid,
    nudge      uuid,                                     -- the one whose link was used
    channel    text,
    until      date,
    span       text,
    at         timestamptz NOT NULL,
    CONSTRAINT a_follow_up_has_a_connection CHECK (follow_up IS NULL OR connection IS NOT NULL),
    CONSTRAINT later_says_how_long CHECK ((act = 'later') = (num_nonnulls(until, span) = 1))
);
CREATE UNIQUE INDEX a_follow_up_is_acted_done_once ON acts (follow_up) WHERE act = 'done';
CREATE INDEX acts_of_a_connection ON acts (connection, at);
CREATE INDEX acts_of_a_person ON acts (person, at);
