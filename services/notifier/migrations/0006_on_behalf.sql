-- On whose behalf a contact is written to: what ends, or forgets, what is theirs finds it. Empty: it is to an owner.
ALTER TABLE deliveries ADD COLUMN owners uuid[] NOT NULL DEFAULT '{}';
CREATE INDEX deliveries_owners ON deliveries USING gin (owners) WHERE owners <> '{}';
