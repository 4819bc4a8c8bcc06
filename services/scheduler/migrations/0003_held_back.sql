-- A person for whom firing failed by a fault of ours: left alone until then, so that everybody else's goes on.
CREATE TABLE set_aside (
    person_id uuid        PRIMARY KEY REFERENCES recipients ON DELETE CASCADE,
    failures  integer     NOT NULL CHECK (failures > 0),  -- in a row: each pause is longer than the one before
    reason    text        NOT NULL,
    until     timestamptz NOT NULL,
    since     timestamptz NOT NULL
);

-- At most one row: whether more was found late than may go out unasked, and what was let go by `afterhello release`.
CREATE TABLE backlog (
    is_the_only_row boolean     PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    held_since      timestamptz,  -- null: nothing is held
    released_at     timestamptz NOT NULL DEFAULT '-infinity'  -- what was due before may go, however much it is
);
