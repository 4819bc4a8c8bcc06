-- One meeting alone can be stopped too: its connection's other ones go on.
ALTER TABLE stops
    DROP CONSTRAINT stops_kind_check,
    ADD CONSTRAINT stops_kind_check CHECK (kind IN ('meeting', 'connection', 'person'));
