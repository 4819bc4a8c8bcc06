-- Which submissions speak of a meeting that is to be forgotten.
CREATE INDEX submissions_by_touched ON submissions USING gin (touched) WHERE touched IS NOT NULL;
