-- Who gets a follow-up: its owner, or the contact who agreed to it.
ALTER TABLE follow_ups ADD COLUMN addressee text NOT NULL DEFAULT 'owner' CHECK (addressee IN ('owner', 'contact'));
