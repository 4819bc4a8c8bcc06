-- A row is a meeting of which nothing is kept, by its id alone: a nudge about it that comes late loses its words.
CREATE TABLE forgotten (
    meeting uuid        PRIMARY KEY,
    at      timestamptz NOT NULL
);
