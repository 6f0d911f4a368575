-- +goose Up
-- A label that was bought: of which carrier of the catalogue, and for how much. Empty and null: the
-- supplier made it. A carrier's bill is compared with it.
ALTER TABLE return_parcels
    ADD COLUMN bought_of     text NOT NULL DEFAULT '',
    ADD COLUMN cost_currency text,
    ADD COLUMN cost_minor    bigint CHECK (cost_minor >= 0),
    ADD CHECK ((bought_of = '') = (cost_minor IS NULL) AND (bought_of = '') = (cost_currency IS NULL));
CREATE INDEX return_parcels_bought ON return_parcels (tracking) WHERE bought_of <> '';

-- +goose Down
ALTER TABLE return_parcels DROP COLUMN bought_of, DROP COLUMN cost_currency, DROP COLUMN cost_minor;
