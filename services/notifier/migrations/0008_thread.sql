-- The connection that a message is about, when it is about one alone: its mails are one conversation.
ALTER TABLE deliveries ADD COLUMN thread uuid;

-- What a conversation began with.
CREATE INDEX deliveries_thread ON deliveries (thread, sent_at) WHERE thread IS NOT NULL AND sent_at IS NOT NULL;
