-- A row is one path that a source listens on, kept as a fingerprint only: unguessable, and for tools that sign nothing
-- the whole proof. Two are live while it is being rotated. A source that reads files listens on none.
CREATE TABLE source_paths (
    fingerprint text        PRIMARY KEY,
    source      uuid        NOT NULL REFERENCES sources ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz                               -- null: live until it is rotated out
);
CREATE INDEX paths_of_a_source ON source_paths (source);
INSERT INTO source_paths (fingerprint, source, created_at) SELECT path_fingerprint, id, created_at FROM sources;
ALTER TABLE sources DROP COLUMN path_fingerprint;

-- A row is one proof that counts once, though what it came with is not signed: a token of Mailgun. Who took it up has
-- until `held_until` to say that it is used; should they die before, the sender's next try takes it up again.
CREATE TABLE proofs (
    vendor      text        NOT NULL,
    fingerprint text        NOT NULL,
    held_until  timestamptz,
    used_at     timestamptz,
    PRIMARY KEY (vendor, fingerprint),
    CONSTRAINT held_or_used CHECK (num_nonnulls(held_until, used_at) = 1)
);
