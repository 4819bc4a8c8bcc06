-- The poll: submissions that are still kept as they came.
CREATE INDEX submissions_with_a_body ON submissions (received_at) WHERE body <> '';
