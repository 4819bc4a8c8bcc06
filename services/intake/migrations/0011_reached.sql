-- The address of a service that apprise speaks to, with the secret that it holds, and whether a person's zone is known.
ALTER TABLE people
    ADD COLUMN apprise_url   text,
    ADD COLUMN zone_is_known boolean NOT NULL DEFAULT true,
    ADD CONSTRAINT a_text_goes_to_a_number CHECK (channel <> 'sms' OR phone IS NOT NULL),
    ADD CONSTRAINT apprise_has_an_address CHECK (channel <> 'apprise' OR apprise_url IS NOT NULL);
UPDATE people SET zone_is_known = time_zone_from <> 'default';
