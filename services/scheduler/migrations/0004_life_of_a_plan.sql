-- What a follow-up needs to go on as its connection does.
ALTER TABLE follow_ups
    ADD COLUMN every        text,     -- of a stay-in-touch step, such as 3 months: counted from the last touch
    ADD COLUMN on_outcome   text      CHECK (on_outcome IN ('replied', 'done', 'silent')),  -- of the step before
    ADD COLUMN is_for_goal  boolean   NOT NULL DEFAULT false,  -- counted back from the meeting's goal
    ADD COLUMN overtaken_by uuid,     -- the newer meeting of the connection whose plan took over
    ADD COLUMN is_paused    boolean   NOT NULL DEFAULT false,  -- its meeting is paused: it waits, and does not come due
    ADD CONSTRAINT only_what_waits_is_paused CHECK (state = 'waiting' OR NOT is_paused),
    ADD CONSTRAINT overtaken_is_superseded CHECK (overtaken_by IS NULL OR (state = 'skipped' AND reason = 'superseded'));

DROP INDEX follow_ups_waiting;
CREATE INDEX follow_ups_waiting ON follow_ups (due_at) INCLUDE (person_id) WHERE state = 'waiting' AND NOT is_paused;
CREATE INDEX follow_ups_by_connection ON follow_ups (connection_id);
CREATE INDEX meetings_by_connection ON meetings (connection_id);
