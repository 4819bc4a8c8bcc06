-- A row is an answer of ours to what somebody sent us unasked, by its kind: at most one a day to one sender. The numbers
-- of a list hold as long as the answer that showed them. Who it was stands here as a fingerprint only.
CREATE TABLE answered (
    sender     text        NOT NULL,
    kind       text        NOT NULL,
    at         timestamptz NOT NULL,
    follow_ups uuid[]      NOT NULL DEFAULT '{}',
    PRIMARY KEY (sender, kind)
);

-- The codes of a text's short link, one for each key of SECRET_KEY that was live when it was queued.
ALTER TABLE nudges ADD COLUMN codes text[] NOT NULL DEFAULT '{}';
CREATE INDEX nudges_by_code ON nudges USING gin (codes) WHERE codes <> '{}';
