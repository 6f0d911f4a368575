-- +goose Up
-- What a supplier is asked under an effect's key, fixed by the first attempt: units that ship between two attempts must
-- not make another request of it.
ALTER TABLE effects ADD COLUMN asked jsonb;

-- +goose Down
ALTER TABLE effects DROP COLUMN asked;
