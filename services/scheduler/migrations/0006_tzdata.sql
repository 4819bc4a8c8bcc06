-- How far what waits was moved to where it belongs by the zones of one version of tzdata: once a version, person by
-- person, so that it can be broken off and gone on with.
CREATE TABLE tzdata_moves (
    version text        PRIMARY KEY,
    after   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',  -- the last person who is done
    moved   integer     NOT NULL DEFAULT 0,
    done_at timestamptz
);
