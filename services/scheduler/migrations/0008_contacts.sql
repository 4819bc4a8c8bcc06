-- A step may go to the contact instead of the owner. Who that is, is made of their address: no name or address is kept
-- here, and several owners' steps for the same contact are found together.
ALTER TABLE follow_ups
    ADD COLUMN addressee  text NOT NULL DEFAULT 'owner' CHECK (addressee IN ('owner', 'contact')),
    ADD COLUMN contact_id uuid,  -- null: the owner's own, or nobody who agreed to be written to
    ADD CONSTRAINT only_a_contact_has_a_contact_id CHECK (addressee = 'contact' OR contact_id IS NULL),
    ADD CONSTRAINT a_contact_waits_as_somebody CHECK (
        addressee = 'owner' OR contact_id IS NOT NULL OR state NOT IN ('waiting', 'nudged'));
CREATE INDEX follow_ups_by_contact ON follow_ups (contact_id, state) WHERE contact_id IS NOT NULL;

DROP INDEX follow_ups_waiting;
CREATE INDEX follow_ups_waiting ON follow_ups (due_at) INCLUDE (person_id, contact_id)
    WHERE state = 'waiting' AND NOT is_paused;

-- Both are now of contacts too, who are no recipients.
ALTER TABLE set_aside DROP CONSTRAINT set_aside_person_id_fkey;
ALTER TABLE send_times DROP CONSTRAINT send_times_person_id_fkey;
