-- What every service keeps about the events it sends and takes.

-- A row is an event that its transaction has caused and that is not yet known to be safe with the bus.
CREATE TABLE outbox (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid        NOT NULL UNIQUE,
    type     text        NOT NULL,
    document bytea       NOT NULL,  -- as it travels, to the byte
    added_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A row is an event that has taken effect here. It was added in the transaction of that effect.
CREATE TABLE inbox (
    event_id   uuid        PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A row is an event that could not be applied. While it is `retrying` it is tried again by itself; `dead` waits for a
-- person. It leaves when it has been applied or dropped.
CREATE TABLE dead_letter (
    id              uuid        PRIMARY KEY,  -- the event's; of what could not be read, made from its bytes
    type            text,                     -- as far as it could be read
    document        bytea       NOT NULL,     -- as it arrived, to the byte
    state           text        NOT NULL CHECK (state IN ('retrying', 'dead')),
    reason          text        NOT NULL,     -- one line
    detail          text,                     -- the traceback
    attempts        integer     NOT NULL CHECK (attempts >= 0),
    next_attempt_at timestamptz,
    first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT next_attempt_at_iff_retrying CHECK ((next_attempt_at IS NOT NULL) = (state = 'retrying'))
);

CREATE INDEX dead_letter_next_attempt_at ON dead_letter (next_attempt_at, id) WHERE state = 'retrying';
