-- The same key gets the same answer, to the byte: jsonb would put its names in another order.
ALTER TABLE idempotency_keys ALTER COLUMN answer TYPE text USING answer::text;
