-- Shown as a change of its meeting is going to leave it, until the scheduler has told how it did.
ALTER TABLE follow_ups ADD COLUMN is_expected boolean NOT NULL DEFAULT false;
