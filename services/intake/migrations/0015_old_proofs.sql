-- What was proven once is forgotten after a while.
CREATE INDEX proofs_by_age ON proofs (used_at) WHERE used_at IS NOT NULL;
