-- Why a meeting is cancelled, as far as a booking tool told; null when its owner cancelled it themselves.
ALTER TABLE meetings
    ADD COLUMN state_reason text CHECK (state_reason IN ('cancelled', 'no-show')),
    ADD CONSTRAINT a_state_reason_is_of_a_cancelled_one CHECK (state_reason IS NULL OR state = 'cancelled');

-- What a submission was answered with, when that is not the meetings it made: a cancellation touches those of others.
ALTER TABLE submissions ADD COLUMN touched uuid[];

-- A row is a booking as its tool has told of it so far, in whatever order; whoever applies an event locks it.
CREATE TABLE bookings (
    id              uuid    PRIMARY KEY,
    source          uuid    NOT NULL REFERENCES sources ON DELETE CASCADE,
    booking         text    NOT NULL CHECK (booking <> ''),  -- the tool's id of it
    is_cancelled    boolean NOT NULL DEFAULT false,          -- as a whole, or moved to another booking
    is_host_no_show boolean NOT NULL DEFAULT false,
    UNIQUE (source, booking)
);

-- A row is one attendee's place in a booking. Of a booking that was moved several places are the same meeting: the
-- current one decides about it. No names or addresses are kept here, so there is nothing to erase.
CREATE TABLE seats (
    booking      uuid        NOT NULL REFERENCES bookings ON DELETE CASCADE,
    attendee     text        NOT NULL,                       -- a fingerprint; empty: a booking's only one
    meeting      uuid        REFERENCES meetings ON DELETE SET NULL,
    is_logged    boolean     NOT NULL DEFAULT false,         -- it was a meeting once, though that may be forgotten
    is_current   boolean     NOT NULL DEFAULT true,
    booked_at    timestamptz,
    cancelled_at timestamptz,
    is_no_show   boolean     NOT NULL DEFAULT false,
    no_show_at   timestamptz,                                -- when this was last said, either way
    PRIMARY KEY (booking, attendee),
    CONSTRAINT a_meeting_was_logged CHECK (meeting IS NULL OR is_logged)
);
CREATE INDEX seats_of_a_meeting ON seats (meeting) WHERE meeting IS NOT NULL;
