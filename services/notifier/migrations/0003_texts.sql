-- What the vendor calls the message, and when to ask it what has become of it, unless it tells us before.
ALTER TABLE deliveries ADD COLUMN provider_id text, ADD COLUMN ask_at timestamptz;

CREATE INDEX deliveries_provider_id ON deliveries (provider_id) WHERE provider_id IS NOT NULL;
-- The poll: of what was sent, what is to be asked about.
CREATE INDEX deliveries_ask_at ON deliveries (ask_at) WHERE state = 'sent' AND ask_at IS NOT NULL;

-- An attempt may find that an earlier one, of which nobody knew, had been taken: then nothing goes out any more.
ALTER TABLE attempts DROP CONSTRAINT attempts_outcome_check;
ALTER TABLE attempts ADD CONSTRAINT attempts_outcome_check
    CHECK (outcome IN ('sent', 'found', 'refused', 'deferred', 'held', 'unknown', 'aborted', 'dropped'));

COMMENT ON COLUMN attempts.outcome IS
    'refused: for good; deferred: for now; held: no fault of this nudge (a pause of the channel, a quiet window);
     unknown: it may have arrived; found: an earlier attempt had arrived; aborted: whoever tried died before anything
     went out; dropped: the gate closed';
