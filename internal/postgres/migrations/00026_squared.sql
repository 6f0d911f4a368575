-- +goose Up
-- Each try to give a store credit is noted before it is made, also where the storefront takes the payments: a person may
-- pay it otherwise. Of tries before that nobody knows the end.
INSERT INTO effects (key, order_key, kind, state)
    SELECT 'store_credit/' || c.refund, c.order_key, 'store_credit', 'unknown' FROM store_credits c JOIN refunds r ON r.key = c.refund
    WHERE r.state = 'trying'
    ON CONFLICT DO NOTHING;

-- What of a corrected invoice no dispute took: it takes off the cost, and waits for a payment to be set off in.
ALTER TABLE claim_credits ADD COLUMN beyond bigint NOT NULL DEFAULT 0 CHECK (beyond >= 0 AND applied + beyond <= minor);

-- +goose Down
ALTER TABLE claim_credits DROP COLUMN beyond;
