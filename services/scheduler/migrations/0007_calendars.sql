-- Breaks that were imported: of one person, or (null) of everybody. What is given as a URL is read again once a day.
CREATE TABLE calendars (
    id           uuid        PRIMARY KEY,
    person_id    uuid        REFERENCES recipients ON DELETE CASCADE,
    source       text        NOT NULL,  -- a URL, or a file's name
    words        text[]      NOT NULL,  -- events with one of these in their summary; empty: all
    breaks       jsonb       NOT NULL,
    read_at      timestamptz NOT NULL,
    next_read_at timestamptz,           -- null: a file, which is read once
    problem      text,                  -- why it could not be read the last time; what was read before stays
    UNIQUE NULLS NOT DISTINCT (person_id, source)
);
CREATE INDEX calendars_by_person ON calendars (person_id);
CREATE INDEX calendars_to_read ON calendars (next_read_at) WHERE next_read_at IS NOT NULL;

-- Each time that breaks changed: what waits is then moved to where it belongs, as for a new tzdata.
CREATE TABLE calendar_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);
