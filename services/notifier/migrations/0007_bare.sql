-- Since when the words of a delivery that ended long ago are not kept any more; its ids, state and times are.
ALTER TABLE deliveries ADD COLUMN bare_at timestamptz;

-- The poll: what has ended, and still has its words.
CREATE INDEX deliveries_with_words ON deliveries (ended_at) WHERE ended_at IS NOT NULL AND bare_at IS NULL;
