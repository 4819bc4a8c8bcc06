-- Who is known by a number, theirs alone or beside an address, is found by it.
CREATE INDEX people_by_phone ON people (phone) WHERE phone IS NOT NULL;
