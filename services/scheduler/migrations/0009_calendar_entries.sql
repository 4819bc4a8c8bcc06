-- Whether its plan wants the mail to bring an entry for the owner's calendar.
ALTER TABLE follow_ups ADD COLUMN wants_entry boolean NOT NULL DEFAULT false;
