-- Since when an address may be written to again (address.restored); null while it must not.
ALTER TABLE suppressed ADD COLUMN restored_at timestamptz;
