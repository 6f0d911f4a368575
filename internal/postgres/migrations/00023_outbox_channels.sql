-- +goose Up
-- Reads the messages that were there before 00012 widened the check, while others read and write them.
ALTER TABLE outbox VALIDATE CONSTRAINT outbox_channel_check;

-- +goose Down
SELECT 1;
