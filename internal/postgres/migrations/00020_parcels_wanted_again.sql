-- +goose Up
-- A parcel whose units had been given up when a carrier scanned it, and are the order's again: nobody was told of its
-- scans, and they are told when it is looked at next.
ALTER TABLE parcels ADD COLUMN untold boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE parcels DROP COLUMN untold;
