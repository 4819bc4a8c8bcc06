-- What people agreed to: one channel of an owner or of a contact, when it came in, by which source or token, and in
-- which words they were asked. The first of an address stays; what came later is in `submissions`.
CREATE TABLE consents (
    id           uuid        PRIMARY KEY,
    person       uuid        NOT NULL REFERENCES people ON DELETE CASCADE,
    connection   uuid        REFERENCES connections ON DELETE CASCADE,  -- of a contact; null: of the owner
    channel      text        NOT NULL CHECK (channel IN ('email', 'sms', 'apprise')),
    address      text,                                   -- null: a contact agreed, and no address is known
    at           timestamptz NOT NULL,
    source       text        NOT NULL,                   -- its name, or "token NAME", or "page"
    wording      text,
    confirmed_at timestamptz,                            -- since when its holder themselves stands behind it
    CONSTRAINT an_owner_has_an_address CHECK (connection IS NOT NULL OR address IS NOT NULL),
    UNIQUE NULLS NOT DISTINCT (person, connection, channel, address)
);
CREATE INDEX consents_of_a_connection ON consents (connection) WHERE connection IS NOT NULL;

-- Whether what comes from here has to be confirmed by whose address it is, and in which words people were asked.
ALTER TABLE sources ADD COLUMN confirm boolean NOT NULL DEFAULT false, ADD COLUMN note text;
ALTER TABLE api_tokens ADD COLUMN confirm boolean NOT NULL DEFAULT false, ADD COLUMN note text;
UPDATE sources SET confirm = true WHERE provider = 'csv';  -- a roster is written by others

-- Until an owner has confirmed, nothing goes to them but the question, which is asked once.
ALTER TABLE people ADD COLUMN confirmed boolean NOT NULL DEFAULT true, ADD COLUMN asked_at timestamptz;
CREATE INDEX people_to_be_asked ON people (id) WHERE NOT confirmed AND asked_at IS NULL;
