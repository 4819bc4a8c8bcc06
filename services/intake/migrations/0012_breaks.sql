-- Breaks that were imported into the scheduler, as it last told us: of one person, or (null) of everybody. A projection,
-- so that what we say is going to follow is what does.
CREATE TABLE breaks (
    person   uuid   REFERENCES people ON DELETE CASCADE,
    revision bigint NOT NULL,
    breaks   jsonb  NOT NULL,
    UNIQUE NULLS NOT DISTINCT (person)
);
