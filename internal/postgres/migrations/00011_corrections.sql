-- +goose Up
-- A credit that is what a corrected invoice asks for less: the invoice that it corrects, and what it asks for
-- instead. An invoice that is corrected again gives only what its earlier corrections have not given.
ALTER TABLE claim_credits ADD COLUMN corrects text NOT NULL DEFAULT '';
ALTER TABLE claim_credits ADD COLUMN asks bigint CHECK (asks >= 0); -- minor units; null: it corrects nothing

-- +goose Down
ALTER TABLE claim_credits DROP COLUMN corrects, DROP COLUMN asks;
